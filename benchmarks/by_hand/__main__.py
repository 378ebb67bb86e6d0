"""Compares kevo with networks that are made by hand, a page each, in the same time.

    python -m benchmarks.by_hand --data ../shared/data --seeds 0 1 2 --minutes 2 10 30 --sets cifar10_subset,made
    python -m benchmarks.by_hand --write

The networks are in `benchmarks/by_hand/networks.py`. Both tools begin with reading the pictures, each in a process of
its own, one after the other. The division into training and test pictures is the same. Each is measured once; the
report is made of all measurements in the results file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.by_hand.measuring import SETS, TOOLS, Job, Measurement, measure
from benchmarks.by_hand.report import readme_table, report
from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, log, names_from, parser
from benchmarks.support.pages import publish
from benchmarks.support.results import ResultsFile, measure_missing

RESULTS = project.RESULTS / "by_hand.jsonl"
REPORT = project.PAGES / "by_hand.md"
README = project.README
SECTION = "by hand"


def jobs(arguments: argparse.Namespace) -> list[Job]:
    """Returns the jobs in their order: seed by seed, each with both tools in turn."""
    return [
        Job(tool=tool, pictures=name, minutes=minutes, seed=seed, data=arguments.data.resolve())
        for seed in arguments.seeds
        for name in arguments.sets
        for minutes in arguments.minutes
        for tool in TOOLS
    ]


def _key(one: Job | Measurement) -> tuple[int, float, str, int]:
    return list(SETS).index(one.pictures), one.minutes, one.tool, one.seed


def main(given: Sequence[str] | None = None) -> int:
    """Runs the missing measurements and prints the report. Returns the exit code: 1 if one failed, else 0."""
    options = parser(__doc__)
    add_data_option(options)
    options.add_argument("--seeds", type=int, nargs="*", default=(), help="seeds to measure; none: only report")
    options.add_argument("--minutes", type=float, nargs="*", default=(2, 10, 30), help="how long each tool may take")
    options.add_argument(
        "--sets", type=names_from(SETS), default=list(SETS), help=f"with commas between: {', '.join(SETS)}"
    )
    options.add_argument("--fresh", action="store_true", help="measure again what the file holds already")
    options.add_argument(
        "--write", action="store_true", help="write the report to docs/benchmarks and its table to README.md"
    )
    arguments = options.parse_args(given)
    results = ResultsFile(RESULTS, Measurement.from_json, key=_key)
    went_well = measure_missing(
        results,
        jobs(arguments),
        key=_key,
        title=lambda job: f"{job.tool}, {job.pictures}, {job.minutes:g} minutes, seed {job.seed}",
        measure=measure,
        summary=lambda row: f"test accuracy {row.test:.4f} in {row.seconds:.0f} s",
        fresh=arguments.fresh,
    )
    if not (found := results.read()):
        log(f"Nothing is measured in {results.path}. Name seeds: --seeds 0 1 2.")
        return 1
    text = report(found)
    print(text)
    if arguments.write:
        publish(text, page=REPORT, readme=README, name=SECTION, shown=readme_table(found))
    return 0 if went_well else 1


if __name__ == "__main__":
    sys.exit(main())
