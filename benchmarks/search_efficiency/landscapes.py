"""Landscapes: search spaces with a known value of every genome, so that regret is exact and a search takes seconds.

- NAS-Bench-Macro: Su et al. 2021, Prioritized Architecture Sampling with Monte Carlo Tree Search (CVPR),
  arXiv:2103.11922.
- NAS-Bench-201: Dong and Yang 2020, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search
  (ICLR), arXiv:2001.00326.
- Trap: Deb and Goldberg 1993, Analyzing Deception in Trap Functions (Foundations of Genetic Algorithms 2),
  doi:10.1016/B978-0-08-094832-4.50012-X.
- NK: Kauffman and Weinberger 1989, The NK model of rugged fitness landscapes, doi:10.1016/S0022-5193(89)80019-0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MACRO = "tables/nas_bench_macro_cifar10.npz"
CELLS = "tables/nas_bench_201_cifar10.npz"
"""The tables, below the folder with the data."""

Genome = tuple[int, ...]
Floats = NDArray[np.float64]

# Keeps the draws of a landscape apart from those of a search with the same seed.
_STREAM = 90210


@dataclass(frozen=True)
class Landscape:
    """All genomes of a space, with what a search sees of each and its regret.

    >>> landscape = trap(seed=0, num_blocks=2)
    >>> min(landscape.regret)
    0.0

    Args:
        num_values: Values of each gene; a genome holds one index for each.
        seen: What a search sees of each genome, in the order of `index`, by epochs of training; greater is better. The
            only key is 1 where trainings have no epochs.
        regret: Difference of each genome's value to the best, in the order of `index`.
        references: Genomes that need no search, by name.
    """

    num_values: tuple[int, ...]
    seen: Mapping[int, Floats]
    regret: Floats
    references: Mapping[str, Genome] = field(default_factory=dict)

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs that a genome may be trained for, in total and in ascending order."""
        return tuple(sorted(self.seen))

    def index(self, genome: Genome) -> int:
        """Returns the position of a genome in `seen` and `regret`."""
        return int(np.ravel_multi_index(genome, self.num_values))


@cache
def _table(path: Path) -> dict[str, NDArray[Any]]:
    """Returns the arrays of a file, their rows in the order of `Landscape.index`."""
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
    """Returns NAS-Bench-Macro: eight layers of three kinds; regret is in percentage points of mean accuracy.

    Args:
        data: Folder with the tables.
        column: Which of the three trainings a search sees; by default the mean of all, which is free of noise.
    """
    table = _table(data / MACRO)
    seen = table["mean_acc"] if column is None else table["test_acc"][:, column]
    genomes = table["genome"]
    return Landscape(
        num_values=(3,) * 8,
        seen={1: seen.astype(np.float64)},
        regret=_regret(table["mean_acc"]),
        references={
            "the largest network": _genome(genomes[np.argmax(table["params"])]),
            "the default genome": _genome(genomes[0]),
        },
    )


def cells(data: Path, *, rungs: Sequence[int]) -> Landscape:
    """Returns NAS-Bench-201: six edges of five operations; regret is in percentage points after 200 epochs.

    Args:
        data: Folder with the tables.
        rungs: Epochs that a genome may be trained for: some of 12 and 200.
    """
    table = _table(data / CELLS)
    columns = {12: table["val_acc_12_epochs"], 200: table["test_acc_200_epochs"]}
    # The table does not name the operations. The slowest one is the convolution of 3 x 3.
    seconds = [table["train_seconds_12_epochs"][(table["genome"] == value).all(axis=1)].mean() for value in range(5)]
    return Landscape(
        num_values=(5,) * 6,
        seen={rung: columns[rung].astype(np.float64) for rung in rungs},
        regret=_regret(columns[200]),
        references={"the largest network": (int(np.argmax(seconds)),) * 6, "the default genome": (0,) * 6},
    )


def trap(*, seed: int, num_blocks: int = 4, block_size: int = 3) -> Landscape:
    """Returns a sum of deceptive traps, in which every step but the last leads away from the best.

    A block with all bits right is worth `block_size`; any other is worth less, the more of its bits are right. Which
    value of a bit is right is drawn, so that no default is right.

    Args:
        seed: Seed of the draw.
        num_blocks: Number of traps.
        block_size: Bits of each trap.
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
        references={"the default genome": (0,) * num_genes},
    )


def nk(*, seed: int, num_genes: int = 10, num_neighbors: int = 2, num_values: int = 3) -> Landscape:
    """Returns an NK landscape: the value of a gene depends on other genes, too, and is drawn at random.

    Args:
        seed: Seed of the draw.
        num_genes: N.
        num_neighbors: K, the number of other genes that each gene depends on.
        num_values: Number of values of each gene.
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
        references={"the default genome": (0,) * num_genes},
    )
