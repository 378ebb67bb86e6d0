"""Measures which of many heads on one frozen network to hand over: the winner, the first one, or a mean of several.

    python -m benchmarks.heads --data ../shared/data --seeds 0 1 2 3
    python -m benchmarks.heads --write

Everything is counted in epochs and pictures, so that other work on the machine changes nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.heads.measuring import BEST, SETS, Job, Measurement, measure
from benchmarks.heads.report import report
from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, add_seeds_options, names_from, parser, show_report
from benchmarks.support.results import ResultsFile, measure_missing

RESULTS = project.RESULTS / "heads.jsonl"
REPORT = project.PAGES / "heads.md"


def main(given: Sequence[str] | None = None) -> int:
    """Runs the missing measurements and prints the report. Returns the exit code: 1 if one failed, else 0."""
    options = parser(__doc__)
    add_data_option(options)
    add_seeds_options(options)
    options.add_argument("--heads", type=int, default=30, help="how many heads are trained in each division")
    options.add_argument("--sets", type=names_from(SETS), default=list(SETS), help="with commas between")
    arguments: argparse.Namespace = options.parse_args(given)
    results = ResultsFile(RESULTS, Measurement.from_json, key=_key)
    went_well = measure_missing(
        results,
        [
            Job(name=name, seed=seed, num_heads=arguments.heads, data=arguments.data.resolve())
            for seed in arguments.seeds
            for name in arguments.sets
        ],
        key=_key,
        title=lambda job: f"{job.num_heads} heads on {job.name}, seed {job.seed}",
        measure=measure,
        summary=lambda row: f"{row.num_equals} equals, the winner {row.accuracies[BEST]:.4f}",
        fresh=arguments.fresh,
    )
    found = results.read()
    text = report(found) if found else None
    return show_report(text, results=results.path, page=REPORT if arguments.write else None, went_well=went_well)


def _key(one: Job | Measurement) -> tuple[int, int]:
    return list(SETS).index(one.name), one.seed


if __name__ == "__main__":
    sys.exit(main())
