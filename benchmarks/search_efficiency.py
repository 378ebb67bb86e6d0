"""Measures how good the best of a search is after so many trainings, side by side with its peers.

    python benchmarks/search_efficiency.py --data ../shared/data --write

Every landscape is known whole, so that regrets are exact and a search takes seconds: see `landscapes.py`, `peers.py`.
What is measured is kept below `build/benchmarks` and measured once: a report is made of all that is there. After a
change to a searcher, `--searchers NAME --fresh` measures that one anew. Optuna comes with the extra `benchmark`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The checkout is measured, even where another version is installed.
sys.path.insert(0, str(Path(__file__).parent.parent))

from efficiency_report import Measured, brief, draw, tell
from landscapes import PROTOCOLS, Landscape, Protocol
from peers import SEARCHERS, Search, Searcher, Task

_T = TypeVar("_T")

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "benchmarks" / "search_efficiency"
README = ROOT / "README.md"
START, END = "<!-- efficiency -->", "<!-- end of efficiency -->"
REPORT = ROOT / "docs" / "benchmarks" / "search_efficiency.md"


def play(landscape: Landscape, search: Search, *, budget: int) -> tuple[tuple[tuple[int, float], ...], int, float]:
    """Lets a search run until its budget is spent, or it ends; no training is cut short.

    The choice at any time is the best of what was trained longest, as the search saw it.

    Args:
        landscape: Where to search.
        search: Freshly begun.
        budget: Epochs that all trainings may take together.

    Returns:
        Epochs spent and the regret from then on, whenever the choice changed; the number of trainings; the seconds that
        the search itself took.
    """
    spent, num_trainings, steps = 0, 0, list[tuple[int, float]]()
    best = (0, -np.inf)
    started = time.perf_counter()
    training = next(search, None)
    seconds = time.perf_counter() - started
    while training is not None and spent + training.epochs - training.initial_epoch <= budget:
        index = landscape.index(training.genome)
        seen = float(landscape.seen[training.epochs][index])
        spent += training.epochs - training.initial_epoch
        num_trainings += 1
        if (training.epochs, seen) > best:
            best = (training.epochs, seen)
            steps.append((spent, round(float(landscape.regret[index]), 6)))
        started = time.perf_counter()
        try:
            training = search.send(seen)
        except StopIteration:
            training = None
        seconds += time.perf_counter() - started
    search.close()
    return tuple(steps), num_trainings, seconds


def budget_of(protocol: Protocol, searcher: Searcher, *, num_evaluations: int) -> int:
    """Returns the epochs that a searcher may spend."""
    most = min(num_evaluations, searcher.max_evaluations or num_evaluations)
    return protocol.budget or most * protocol.epochs


def measure(seed: int, *, landscape: str, searcher: str, budget: int, data: Path) -> Measured:
    """Runs one search on one landscape, both by name."""
    here = PROTOCOLS[landscape].build(data, seed)
    task = Task(here.num_values, here.rungs, budget)
    steps, num_trainings, seconds = play(here, SEARCHERS[searcher].start(task, seed), budget=budget)
    return Measured(landscape, searcher, seed, budget, steps, num_trainings, round(seconds, 6))


def read(landscape: str, searcher: str, budget: int, *, build: Path) -> list[Measured]:
    """Returns what was measured so far, ordered by seed."""
    path = build / landscape / f"{searcher}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    found = {}
    for content in map(json.loads, lines):
        row = Measured(**{**content, "steps": tuple((spent, regret) for spent, regret in content["steps"])})
        if row.budget == budget:
            found[row.seed] = row
    return [found[seed] for seed in sorted(found)]


def keep(row: Measured, *, build: Path) -> None:
    """Adds to what was measured."""
    path = build / row.landscape / f"{row.searcher}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def pairs(protocols: list[Protocol], searchers: list[Searcher]) -> list[tuple[Protocol, Searcher]]:
    """Returns who searches where."""
    return [
        (protocol, searcher)
        for protocol in protocols
        for searcher in searchers
        # What is made for fidelities has no place where there are none.
        if protocol.budget or not searcher.rungs_only
    ]


def collect(build: Path, *, num_evaluations: int) -> dict[str, dict[str, list[Measured]]]:
    """Returns all that was measured for a report, by landscape and searcher."""
    measured: dict[str, dict[str, list[Measured]]] = {}
    for protocol, searcher in pairs([*PROTOCOLS.values()], [*SEARCHERS.values()]):
        budget = budget_of(protocol, searcher, num_evaluations=num_evaluations)
        if rows := read(protocol.name, searcher.name, budget, build=build):
            measured.setdefault(protocol.name, {})[searcher.name] = rows
    # Who knows no fidelities may also spend the epochs on short trainings alone: the same searches, read differently.
    if "cells_budget" in measured:
        short = PROTOCOLS["cells"].epochs
        for name, rows in measured.get("cells", {}).items():
            if rows[0].budget >= (PROTOCOLS["cells_budget"].budget or 0):
                measured["cells_budget"][f"{name}, {short} epochs each"] = rows
    return measured


def alone(protocol: Protocol, data: Path, *, num_seeds: int) -> dict[str, float]:
    """Returns the mean regret of genomes that ask for no search."""
    landscapes = [protocol.build(data, seed) for seed in range(num_seeds if protocol.is_drawn else 1)]
    return {
        name: float(np.mean([landscape.regret[landscape.index(landscape.alone[name])] for landscape in landscapes]))
        for name in landscapes[0].alone
    }


def say(text: str) -> None:
    """Talks, beside the answer."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measures what is not measured yet, and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--seeds", type=int, default=100, help="searches each; fewer for searchers that are slow")
    parser.add_argument("--only", help=f"landscapes, with commas between: {', '.join(PROTOCOLS)}")
    parser.add_argument("--searchers", help=f"with commas between: {', '.join(SEARCHERS)}")
    parser.add_argument("--budget", type=int, default=200, help="evaluations, where they are not counted in epochs")
    parser.add_argument("--fresh", action="store_true", help="measure anew what was measured before")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--build", type=Path, default=BUILD, help="where the measurements are kept")
    parser.add_argument(
        "--write", action="store_true", help="put report and figure into docs/benchmarks, and a table into the README"
    )
    arguments = parser.parse_args()

    # For the processes to come: their matrices are small, and one of them has one core.
    os.environ["OMP_NUM_THREADS"] = "1"
    protocols = chosen(arguments.only, PROTOCOLS, parser)
    searchers = chosen(arguments.searchers, SEARCHERS, parser)
    for protocol in [one for one in protocols if one.table and not (arguments.data / one.table).exists()]:
        say(f"left out: {protocol.name} ({arguments.data / str(protocol.table)} is missing)")
        protocols.remove(protocol)
    for peer in [one for one in searchers if one.is_missing]:
        say(f"left out: {peer.name} ({peer.needs} is not installed; the extra `benchmark` brings it)")
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
    known = {
        name: alone(PROTOCOLS[name], arguments.data, num_seeds=arguments.seeds)
        for name in measured
        if PROTOCOLS[name].table is None or (arguments.data / str(PROTOCOLS[name].table)).exists()
    }
    figure = REPORT.with_suffix(".png")
    report = tell(measured, figure=figure.name, alone=known)
    print(report)
    if arguments.write:
        draw(measured, figure)
        REPORT.write_text(report)
        before, rest = README.read_text().split(START)
        README.write_text(f"{before}{START}\n{brief(measured)}\n{END}{rest.split(END)[1]}")


def chosen(names: str | None, table: dict[str, _T], parser: argparse.ArgumentParser) -> list[_T]:
    """Returns the rows of a table that were named on the command line; by default all."""
    wanted = names.split(",") if names else list(table)
    for name in wanted:
        if name not in table:
            parser.error(f"Got {name!r}, expected one of: {', '.join(table)}.")
    return [table[name] for name in wanted]


def run(
    work: list[tuple[Protocol, Searcher]],
    *,
    data: Path,
    build: Path,
    num_seeds: int,
    num_evaluations: int,
    num_jobs: int,
    fresh: bool,
) -> None:
    """Measures what is not measured yet, and keeps every search as soon as it is done."""
    left = []
    for protocol, searcher in work:
        if fresh:
            (build / protocol.name / f"{searcher.name}.jsonl").unlink(missing_ok=True)
        budget = budget_of(protocol, searcher, num_evaluations=num_evaluations)
        done = {row.seed for row in read(protocol.name, searcher.name, budget, build=build)}
        seeds = [seed for seed in range(min(num_seeds, searcher.max_seeds or num_seeds)) if seed not in done]
        if seeds:
            left.append((protocol.name, searcher.name, budget, seeds))
    if not left:
        return
    # Fresh processes, since TensorFlow does not survive a fork.
    with multiprocessing.get_context("spawn").Pool(num_jobs) as pool:
        for landscape, name, budget, seeds in left:
            search = partial(measure, landscape=landscape, searcher=name, budget=budget, data=data)
            started = time.perf_counter()
            for row in pool.imap_unordered(search, seeds):
                keep(row, build=build)
            say(f"{landscape}: {name}, {len(seeds)} seeds, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
