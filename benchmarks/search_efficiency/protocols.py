"""Protocols: which landscape, how long a search may take on it, and when its regret is reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.search_efficiency.landscapes import CELLS, MACRO, Landscape, cells, macro, nk, trap


@dataclass(frozen=True)
class Protocol:
    """A landscape as a benchmark.

    Args:
        name: Name on the command line and of files.
        title: Title in the report.
        unit: Unit of the regret.
        about: What a search sees and what the regret is of, in full sentences.
        build: Returns the landscape from the folder with the tables and the seed of the search.
        checkpoints: When the regret is reported, in evaluations; in epochs if there is a `budget`.
        epochs: Epochs of one evaluation.
        table: File of the landscape, below the folder with the tables.
        budget: Epochs that a search may spend; `None` if evaluations are counted instead.
        is_drawn: Whether each seed has its own landscape, so that searches are compared seed by seed.
    """

    name: str
    title: str
    unit: str
    about: str
    build: Callable[[Path, int], Landscape]
    checkpoints: tuple[int, ...] = (25, 50, 100, 200)
    epochs: int = 1
    table: str | None = None
    budget: int | None = None
    is_drawn: bool = False


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="macro",
            title="NAS-Bench-Macro, noise-free",
            unit="percentage points",
            about="8 genes of 3 unordered values. A search sees the mean accuracy of three trainings.",
            build=lambda data, _: macro(data),
            table=MACRO,
        ),
        Protocol(
            name="macro_noisy",
            title="NAS-Bench-Macro, noisy",
            unit="percentage points",
            about="A search sees the accuracy of one training and takes the best; regret is of the mean of three.",
            build=lambda data, seed: macro(data, column=seed % 3),
            table=MACRO,
        ),
        Protocol(
            name="cells",
            title="NAS-Bench-201, 12 epochs",
            unit="percentage points",
            about=(
                "6 genes of 5 unordered values. A search sees the validation accuracy after 12 epochs and takes the "
                "best it saw; regret is of the test accuracy after 200 epochs."
            ),
            build=lambda data, _: cells(data, rungs=(12,)),
            epochs=12,
            table=CELLS,
        ),
        Protocol(
            name="cells_budget",
            title="NAS-Bench-201, 2,200 epochs at two fidelities",
            unit="percentage points",
            about=(
                "A search sees the validation accuracy after 12 epochs or, for more epochs, the test accuracy after "
                "200, and takes the best of its longest trainings; regret is of the test accuracy after 200 epochs. "
                "A searcher without fidelities makes 11 trainings of 200 epochs."
            ),
            build=lambda data, _: cells(data, rungs=(12, 200)),
            checkpoints=(600, 1100, 2200),
            table=CELLS,
            budget=2200,
        ),
        Protocol(
            name="trap",
            title="Deceptive trap",
            unit="points",
            about="12 bits in 4 blocks of 3, the best bits drawn anew for each seed. A wrong block costs 1 to 3.",
            build=lambda _, seed: trap(seed=seed),
            is_drawn=True,
        ),
        Protocol(
            name="nk",
            title="NK",
            unit="standard deviations",
            about="N = 10 genes of 3 unordered values, each with K = 2 others; drawn anew for each seed.",
            build=lambda _, seed: nk(seed=seed),
            is_drawn=True,
        ),
    )
}
