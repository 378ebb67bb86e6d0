"""Measures what each part of a conv stack is worth: the recipe that searches begin with, and the same with one change.

    python -m benchmarks.conv_parts --data ../shared/data --seeds 0 1 2 --epochs 8
    python -m benchmarks.conv_parts --write

All are trained by kevo's own trainer on 4,000 pictures of `cifar10_subset.zip` for the same number of epochs. Cost is
counted in seconds of one core, which other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.conv_parts.measuring import CHANGES, Job, Measurement, measure
from benchmarks.conv_parts.report import report
from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, add_seeds_options, names_from, parser, show_report
from benchmarks.support.results import ResultsFile, measure_missing

RESULTS = project.RESULTS / "conv_parts.jsonl"
REPORT = project.PAGES / "conv_parts.md"


def main(given: Sequence[str] | None = None) -> int:
    """Runs the missing measurements and prints the report. Returns the exit code: 1 if one failed, else 0."""
    options = parser(__doc__)
    add_data_option(options)
    add_seeds_options(options)
    options.add_argument("--epochs", type=int, default=8, help="how long each training is")
    options.add_argument("--changes", type=names_from(CHANGES), default=list(CHANGES), help="with commas between")
    arguments: argparse.Namespace = options.parse_args(given)
    results = ResultsFile(RESULTS, Measurement.from_json, key=_key)
    jobs = [
        Job(change=change, epochs=arguments.epochs, seed=seed, data=arguments.data.resolve())
        for seed in arguments.seeds
        for change in arguments.changes
    ]
    went_well = measure_missing(
        results,
        jobs,
        key=_key,
        title=lambda job: f"{job.change}, {job.epochs} epochs, seed {job.seed}",
        measure=measure,
        summary=lambda row: f"validation {row.validation:.3f}, test {row.test:.3f}, {row.cpu_seconds:.0f} s of a core",
        fresh=arguments.fresh,
    )
    found = results.read()
    text = report(found) if found else None
    return show_report(text, results=results.path, page=REPORT if arguments.write else None, went_well=went_well)


def _key(one: Job | Measurement) -> tuple[int, int, int]:
    return one.epochs, list(CHANGES).index(one.change), one.seed


if __name__ == "__main__":
    sys.exit(main())
