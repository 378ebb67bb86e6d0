"""Runs searches on landscapes, and keeps what was measured in a file for each landscape and searcher."""

from __future__ import annotations

import multiprocessing
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search_efficiency.landscapes import Landscape
from benchmarks.search_efficiency.measurements import Measurement
from benchmarks.search_efficiency.protocols import PROTOCOLS, Protocol
from benchmarks.search_efficiency.searchers import SEARCHERS, Searcher
from benchmarks.search_efficiency.searches import Problem, Search
from benchmarks.support.command_line import log
from benchmarks.support.results import ResultsFile


def play(landscape: Landscape, search: Search, *, budget: int) -> tuple[tuple[tuple[int, float], ...], int, float]:
    """Runs a search until its budget is spent, or until it ends; a training that exceeds the budget is not done.

    The choice at any time is the genome with the best score among those that were trained longest.

    Args:
        landscape: Where to search.
        search: A search that has not been started.
        budget: Epochs that all trainings may take together.

    Returns:
        Epochs spent and the regret from then on, whenever the choice changed; the number of trainings; the seconds of
        the search itself.
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


def measure(seed: int, *, landscape: str, searcher: str, budget: int, data: Path) -> Measurement:
    """Runs one search on one landscape, both by name."""
    built = PROTOCOLS[landscape].build(data, seed)
    problem = Problem(built.num_values, built.rungs, budget)
    steps, num_trainings, seconds = play(built, SEARCHERS[searcher].start(problem, seed), budget=budget)
    return Measurement(landscape, searcher, seed, budget, steps, num_trainings, round(seconds, 6))


def results_file(build: Path, landscape: str, searcher: str) -> ResultsFile[Measurement]:
    """Returns the file of measurements of a searcher on a landscape.

    Args:
        build: Folder of all measurements.
        landscape: Name of the protocol.
        searcher: Name of the searcher.
    """
    return ResultsFile(build / landscape / f"{searcher}.jsonl", _parse, key=lambda row: (row.budget, row.seed))


def _parse(values: dict[str, Any]) -> Measurement:
    return Measurement(**{**values, "steps": tuple((spent, regret) for spent, regret in values["steps"])})


def read(build: Path, landscape: str, searcher: str, budget: int) -> list[Measurement]:
    """Returns the measurements with a budget, sorted by seed; the other arguments are those of `results_file`."""
    return [row for row in results_file(build, landscape, searcher).read() if row.budget == budget]


def pairs(protocols: list[Protocol], searchers: list[Searcher]) -> list[tuple[Protocol, Searcher]]:
    """Returns which searchers run on which landscapes: those that need fidelities only where there are some."""
    return [
        (protocol, searcher)
        for protocol in protocols
        for searcher in searchers
        if protocol.budget or not searcher.rungs_only
    ]


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
    """Measures what is missing, and keeps each measurement as soon as it is done.

    Args:
        work: Landscapes and searchers.
        data: Folder with the tables of landscapes.
        build: Folder of all measurements.
        num_seeds: Number of searches of each pair; fewer for slow searchers.
        num_evaluations: Trainings of a search, where epochs are not counted.
        num_jobs: Number of processes.
        fresh: Whether to delete earlier measurements of these pairs.
    """
    left = []
    for protocol, searcher in work:
        if fresh:
            results_file(build, protocol.name, searcher.name).path.unlink(missing_ok=True)
        budget = budget_of(protocol, searcher, num_evaluations=num_evaluations)
        done = {row.seed for row in read(build, protocol.name, searcher.name, budget)}
        seeds = [seed for seed in range(min(num_seeds, searcher.max_seeds or num_seeds)) if seed not in done]
        if seeds:
            left.append((protocol.name, searcher.name, budget, seeds))
    if not left:
        return
    # Spawned, since TensorFlow does not survive a fork.
    with multiprocessing.get_context("spawn").Pool(num_jobs) as pool:
        for landscape, name, budget, seeds in left:
            search = partial(measure, landscape=landscape, searcher=name, budget=budget, data=data)
            started = time.perf_counter()
            for row in pool.imap_unordered(search, seeds):
                results_file(build, landscape, name).append(row)
            log(f"{landscape}: {name}, {len(seeds)} seeds, {time.perf_counter() - started:.0f} s")


def collect(build: Path, *, num_evaluations: int) -> dict[str, dict[str, list[Measurement]]]:
    """Returns the measurements for a report, by landscape and searcher."""
    measured: dict[str, dict[str, list[Measurement]]] = {}
    for protocol, searcher in pairs([*PROTOCOLS.values()], [*SEARCHERS.values()]):
        budget = budget_of(protocol, searcher, num_evaluations=num_evaluations)
        if rows := read(build, protocol.name, searcher.name, budget):
            measured.setdefault(protocol.name, {})[searcher.name] = rows
    # A searcher without fidelities may also spend the epochs on short trainings: the measurements of `cells` show how.
    if "cells_budget" in measured:
        short = PROTOCOLS["cells"].epochs
        for name, rows in measured.get("cells", {}).items():
            if rows[0].budget >= (PROTOCOLS["cells_budget"].budget or 0):
                measured["cells_budget"][f"{name}, {short} epochs each"] = rows
    return measured


def reference_regrets(protocol: Protocol, data: Path, *, num_seeds: int) -> dict[str, float]:
    """Returns the mean regret of genomes that need no search, by name."""
    landscapes = [protocol.build(data, seed) for seed in range(num_seeds if protocol.is_drawn else 1)]
    return {
        name: float(
            np.mean([landscape.regret[landscape.index(landscape.references[name])] for landscape in landscapes])
        )
        for name in landscapes[0].references
    }
