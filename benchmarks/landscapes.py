"""Landscapes whose every genome is known: searches run on them at once, and their regret is exact.

- NAS-Bench-Macro: Su et al. 2021, Prioritized Architecture Sampling with Monte Carlo Tree Search (CVPR),
  arXiv:2103.11922.
- NAS-Bench-201: Dong and Yang 2020, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search
  (ICLR), arXiv:2001.00326.
- Trap: Deb and Goldberg 1993, Analyzing Deception in Trap Functions (Foundations of Genetic Algorithms 2),
  doi:10.1016/B978-0-08-094832-4.50012-X.
- NK: Kauffman and Weinberger 1989, The NK model of rugged fitness landscapes, doi:10.1016/S0022-5193(89)80019-0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Genome = tuple[int, ...]
Floats = NDArray[np.float64]

# What a landscape draws must not be what a search with the same seed draws.
_STREAM = 90210


@dataclass(frozen=True)
class Landscape:
    """All genomes of a space, what a search sees of each, and how far each is from the best.

    >>> landscape = trap(seed=0, num_blocks=2)
    >>> min(landscape.regret)
    0.0

    Args:
        num_values: Values of each gene; a genome holds one index for each.
        seen: By epochs of training, what a search sees of all genomes in the order of `index`; greater is better. Where
            no epochs are known, a training counts as 1.
        regret: Of all genomes, in the order of `index`; 0 for the best.
        alone: Genomes that ask for no search, by their name.
    """

    num_values: tuple[int, ...]
    seen: Mapping[int, Floats]
    regret: Floats
    alone: Mapping[str, Genome] = field(default_factory=dict)

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs that a genome may be trained for, in total and in ascending order."""
        return tuple(sorted(self.seen))

    def index(self, genome: Genome) -> int:
        """Returns where a genome stands in `seen` and `regret`."""
        return int(np.ravel_multi_index(genome, self.num_values))


@dataclass(frozen=True)
class Protocol:
    """A landscape as a benchmark: which one, for how long, and how it is told.

    Args:
        name: For the command line and for files.
        title: For people.
        unit: Of the regret.
        about: What a search sees and what counts, as one or more sentences.
        build: Gives the landscape from the folder with the tables and the seed of the search.
        checkpoints: After how much training the regret is told, in evaluations or, with `budget`, in epochs.
        epochs: Of one evaluation.
        table: Its file below the folder with the tables.
        budget: Epochs that a search may spend; None where the caller decides how many evaluations it may make.
        is_drawn: Whether each seed has a landscape of its own, so that searches are compared seed by seed.
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


@cache
def _table(path: Path) -> dict[str, NDArray[Any]]:
    """Reads a table, its rows in the order of `Landscape.index`."""
    with np.load(path) as file:
        table = {name: file[name] for name in file.files}
    order = np.lexsort(table["genome"].T[::-1])
    return {name: rows[order] for name, rows in table.items()}


def _genome(row: Sequence[int] | NDArray[Any]) -> Genome:
    return tuple(int(value) for value in row)


def _regret(value: NDArray[Any]) -> Floats:
    exact = value.astype(np.float64)
    regret: Floats = exact.max() - exact
    return regret


def macro(data: Path, *, column: int | None = None) -> Landscape:
    """Returns NAS-Bench-Macro: eight layers, each of three kinds; regret is in percentage points of mean accuracy.

    Args:
        data: The folder with the tables.
        column: Which of the three trainings a search sees. By default it sees their mean, free of noise.
    """
    table = _table(data / MACRO)
    seen = table["mean_acc"] if column is None else table["test_acc"][:, column]
    genomes = table["genome"]
    return Landscape(
        num_values=(3,) * 8,
        seen={1: seen.astype(np.float64)},
        regret=_regret(table["mean_acc"]),
        alone={
            "the largest network": _genome(genomes[np.argmax(table["params"])]),
            "the default genome": _genome(genomes[0]),
        },
    )


def cells(data: Path, *, rungs: Sequence[int]) -> Landscape:
    """Returns NAS-Bench-201: six edges, each of five operations; a regret is in percentage points after 200 epochs.

    Args:
        data: The folder with the tables.
        rungs: Which of 12 and 200 epochs may be trained.
    """
    table = _table(data / CELLS)
    columns = {12: table["val_acc_12_epochs"], 200: table["test_acc_200_epochs"]}
    # The table does not name the operations. The one that takes longest everywhere is the convolution of 3 x 3.
    seconds = [table["train_seconds_12_epochs"][(table["genome"] == value).all(axis=1)].mean() for value in range(5)]
    return Landscape(
        num_values=(5,) * 6,
        seen={rung: columns[rung].astype(np.float64) for rung in rungs},
        regret=_regret(columns[200]),
        alone={"the largest network": (int(np.argmax(seconds)),) * 6, "the default genome": (0,) * 6},
    )


def trap(*, seed: int, num_blocks: int = 4, block_size: int = 3) -> Landscape:
    """Returns deceptive traps, side by side: in each block of bits all hints lead away from the best.

    A block with all bits right is worth `block_size`, any other one less the more of its bits are right. Which value of
    a bit is right is drawn, so that no default gives it away.

    Args:
        seed: Of the draw.
        num_blocks: They add up.
        block_size: Bits in each.
    """
    num_genes = num_blocks * block_size
    best = np.random.default_rng([_STREAM, seed]).integers(2, size=num_genes)
    genomes = np.indices((2,) * num_genes).reshape(num_genes, -1).T
    right = (genomes == best).reshape(len(genomes), num_blocks, block_size).sum(axis=2)
    value = np.where(right == block_size, block_size, block_size - 1 - right).sum(axis=1).astype(np.float64)
    return Landscape(
        num_values=(2,) * num_genes,
        seen={1: value},
        regret=_regret(value),
        alone={"the default genome": (0,) * num_genes},
    )


def nk(*, seed: int, num_genes: int = 10, num_neighbors: int = 2, num_values: int = 3) -> Landscape:
    """Returns an NK landscape: what a gene is worth depends on some others too, drawn at random.

    Args:
        seed: Of the draw.
        num_genes: N.
        num_neighbors: K, other genes that each depends on.
        num_values: Of each gene.
    """
    rng = np.random.default_rng([_STREAM, seed])
    genomes = np.indices((num_values,) * num_genes).reshape(num_genes, -1).T
    value = np.zeros(len(genomes))
    for gene in range(num_genes):
        others = rng.choice(np.delete(np.arange(num_genes), gene), size=num_neighbors, replace=False)
        worth = rng.random((num_values,) * (1 + num_neighbors))
        value += worth[tuple(genomes[:, [gene, *others]].T)] / num_genes
    return Landscape(
        num_values=(num_values,) * num_genes,
        seen={1: value},
        regret=_regret(value) / value.std(),
        alone={"the default genome": (0,) * num_genes},
    )


MACRO = "tables/nas_bench_macro_cifar10.npz"
CELLS = "tables/nas_bench_201_cifar10.npz"

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="macro",
            title="NAS-Bench-Macro, noise-free",
            unit="percentage points",
            about="8 genes of 3 unordered values. A search sees the mean accuracy of three trainings; it counts too.",
            build=lambda data, _: macro(data),
            table=MACRO,
        ),
        Protocol(
            name="macro_noisy",
            title="NAS-Bench-Macro, noisy",
            unit="percentage points",
            about="A search sees the accuracy of one training and takes the best it saw; the mean of three counts.",
            build=lambda data, seed: macro(data, column=seed % 3),
            table=MACRO,
        ),
        Protocol(
            name="cells",
            title="NAS-Bench-201, 12 epochs",
            unit="percentage points",
            about=(
                "6 genes of 5 unordered values. A search sees the validation accuracy after 12 epochs and takes the "
                "best it saw; the test accuracy after 200 epochs counts."
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
                "A search sees the validation accuracy after 12 epochs or, for as many epochs more, the test accuracy "
                "after 200, and takes the best of its longest trainings; the test accuracy after 200 epochs counts. "
                "Who knows no fidelities makes 11 trainings of 200 epochs."
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
