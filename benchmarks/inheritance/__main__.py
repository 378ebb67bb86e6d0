"""Measures what a child is worth that begins with its parent's weights, and whether such children rank as from scratch.

    python -m benchmarks.inheritance --data ../shared/data --seeds 0 1 2
    python -m benchmarks.inheritance --data ../shared/data --searches cifar10_subset digits --seeds 0 1 2
    python -m benchmarks.inheritance --write

Of each seed one parent and its mutants are trained by kevo's own trainer on pictures of `cifar10_subset.zip`. Lengths
are counted in epochs, so that other work on the machine changes nothing. With `--searches` whole searches are compared,
with and without inheritance.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.inheritance.measuring import Job, Measurement, measure
from benchmarks.inheritance.report import report
from benchmarks.inheritance.searching import SECONDS, SearchJob, SearchMeasurement, measure_searches
from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, add_seeds_options, parser, show_report
from benchmarks.support.results import ResultsFile, measure_missing

RESULTS = project.RESULTS / "inheritance.jsonl"
SEARCHES = project.RESULTS / "inheritance_searches.jsonl"
REPORT = project.PAGES / "inheritance.md"


def main(given: Sequence[str] | None = None) -> int:
    """Runs the missing measurements and prints the report. Returns the exit code: 1 if one failed, else 0."""
    options = parser(__doc__)
    add_data_option(options)
    add_seeds_options(options)
    options.add_argument("--children", type=int, default=20, help="how many mutants of the parent")
    options.add_argument(
        "--searches", nargs="*", choices=[*SECONDS], default=(), help="compare whole searches on these"
    )
    arguments: argparse.Namespace = options.parse_args(given)
    results = ResultsFile(RESULTS, Measurement.from_json, key=_key)
    searches = ResultsFile(SEARCHES, SearchMeasurement.from_json, key=_search_key)
    data = arguments.data.resolve()
    went_well = measure_missing(
        searches,
        [SearchJob(data=name, seed=seed, folder=data) for name in arguments.searches for seed in arguments.seeds],
        key=_search_key,
        title=lambda job: f"searches of {job.data}, seed {job.seed}",
        measure=measure_searches,
        summary=lambda row: ", ".join(f"{way} {row.best[way]:.3f}" for way in row.best),
        fresh=arguments.fresh,
    )
    seeds = () if arguments.searches else arguments.seeds
    went_well &= measure_missing(
        results,
        [Job(seed=seed, children=arguments.children, data=data) for seed in seeds],
        key=_key,
        title=lambda job: f"{job.children} children, seed {job.seed}",
        measure=measure,
        summary=lambda row: f"rank correlation {row.tau('inherited'):.2f}, from scratch {row.tau('short'):.2f}",
        fresh=arguments.fresh,
    )
    found, compared = results.read(), searches.read()
    text = report(found, compared) if found or compared else None
    return show_report(text, results=results.path, page=REPORT if arguments.write else None, went_well=went_well)


def _search_key(one: SearchJob | SearchMeasurement) -> tuple[str, int]:
    return one.data, one.seed


def _key(one: Job | Measurement) -> tuple[int, int]:
    return one.children, one.seed


if __name__ == "__main__":
    sys.exit(main())
