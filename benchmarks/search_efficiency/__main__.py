"""Measures how good the choice of a search is after a number of trainings, beside its peers.

    python -m benchmarks.search_efficiency --data ../shared/data --write

Every genome of a landscape has a known value, so that regret is exact and a search takes seconds. Measurements are kept
below `build/benchmarks`, and each is made once; the report is made of all of them. After a change to a searcher,
`--searchers NAME --fresh` measures that one again. Optuna comes with the extra `benchmark`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.search_efficiency.figure import draw
from benchmarks.search_efficiency.measuring import collect, pairs, reference_regrets, run
from benchmarks.search_efficiency.protocols import PROTOCOLS
from benchmarks.search_efficiency.report import readme_table, report
from benchmarks.search_efficiency.searchers import SEARCHERS
from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, log, names_from, parser
from benchmarks.support.pages import publish

REPORT = project.PAGES / "search_efficiency.md"
README = project.README
SECTION = "efficiency"


def main(given: Sequence[str] | None = None) -> None:
    """Measures what is missing, and prints the report."""
    options = parser(__doc__)
    add_data_option(options)
    options.add_argument("--seeds", type=int, default=100, help="searches of each searcher; fewer for slow ones")
    options.add_argument(
        "--only",
        type=names_from(PROTOCOLS),
        default=list(PROTOCOLS),
        help=f"landscapes, with commas between: {', '.join(PROTOCOLS)}",
    )
    options.add_argument(
        "--searchers",
        type=names_from(SEARCHERS),
        default=list(SEARCHERS),
        help=f"with commas between: {', '.join(SEARCHERS)}",
    )
    options.add_argument("--budget", type=int, default=200, help="evaluations of a search, where epochs do not count")
    options.add_argument("--fresh", action="store_true", help="measure again what was measured before")
    options.add_argument("--jobs", type=int, default=2, help="number of processes")
    options.add_argument(
        "--build", type=Path, default=project.BUILD / "search_efficiency", help="folder of the measurements"
    )
    options.add_argument(
        "--write", action="store_true", help="write report and figure to docs/benchmarks, and a table to README.md"
    )
    arguments = options.parse_args(given)

    # For the processes to come: their matrices are small, and each has one core.
    os.environ["OMP_NUM_THREADS"] = "1"
    protocols = [PROTOCOLS[name] for name in arguments.only]
    searchers = [SEARCHERS[name] for name in arguments.searchers]
    for protocol in [one for one in protocols if one.table and not (arguments.data / one.table).exists()]:
        log(f"left out: {protocol.name} ({arguments.data / str(protocol.table)} is missing)")
        protocols.remove(protocol)
    for peer in [one for one in searchers if one.is_missing]:
        log(f"left out: {peer.name} ({peer.needs} is not installed; the extra `benchmark` brings it)")
        searchers.remove(peer)
    run(
        pairs(protocols, searchers),
        data=arguments.data,
        build=arguments.build,
        num_seeds=arguments.seeds,
        num_evaluations=arguments.budget,
        num_jobs=arguments.jobs,
        fresh=arguments.fresh,
    )

    measured = collect(arguments.build, num_evaluations=arguments.budget)
    references = {
        name: reference_regrets(PROTOCOLS[name], arguments.data, num_seeds=arguments.seeds)
        for name in measured
        if PROTOCOLS[name].table is None or (arguments.data / str(PROTOCOLS[name].table)).exists()
    }
    figure = REPORT.with_suffix(".png")
    text = report(measured, figure=figure.name, references=references)
    print(text)
    if arguments.write:
        draw(measured, figure)
        publish(text, page=REPORT, readme=README, name=SECTION, shown=readme_table(measured))


if __name__ == "__main__":
    main()
