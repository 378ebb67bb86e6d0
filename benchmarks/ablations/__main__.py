"""Compares whole searches with and without one change; both run at the same time, each on a core.

    python -m benchmarks.ablations --data ../shared/data --seeds 0 1 2
    python -m benchmarks.ablations --write

Each pair needs two cores. What was measured before is not measured again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.ablations.measuring import CHANGES, SETS, Job, Measurement, measure
from benchmarks.ablations.report import report
from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, add_seeds_options, names_from, parser, show_report
from benchmarks.support.results import ResultsFile, measure_missing

RESULTS = project.RESULTS / "ablations.jsonl"
REPORT = project.PAGES / "ablations.md"


def main(given: Sequence[str] | None = None) -> int:
    """Runs the missing measurements and prints the report. Returns the exit code: 1 if one failed, else 0."""
    options = parser(__doc__)
    add_data_option(options)
    add_seeds_options(options)
    options.add_argument("--sets", type=names_from(SETS), default=list(SETS), help="with commas between")
    options.add_argument("--changes", type=names_from(CHANGES), default=list(CHANGES), help="with commas between")
    arguments: argparse.Namespace = options.parse_args(given)
    results = ResultsFile(RESULTS, Measurement.from_json, key=_key)
    jobs = [
        Job(change=change, pictures=name, seed=seed, data=arguments.data.resolve())
        for seed in arguments.seeds
        for name in arguments.sets
        for change in arguments.changes
    ]
    went_well = measure_missing(
        results,
        jobs,
        key=_key,
        title=lambda job: f"{job.change}, {job.pictures}, seed {job.seed}",
        measure=measure,
        summary=lambda row: f"test accuracy {row.usual.test:.3f} as it is, {row.changed.test:.3f} changed",
        fresh=arguments.fresh,
    )
    found = results.read()
    text = report(found) if found else None
    return show_report(text, results=results.path, page=REPORT if arguments.write else None, went_well=went_well)


def _key(one: Job | Measurement) -> tuple[int, int, int]:
    return CHANGES.index(one.change), list(SETS).index(one.pictures), one.seed


if __name__ == "__main__":
    sys.exit(main())
