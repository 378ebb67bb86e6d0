"""How a genome has columns encoded, and where they stand among a network's inputs; loads neither TensorFlow nor Keras.

What is decided here comes from the training rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from kevo.tasks.tables.columns import Column
from kevo.tasks.tables.dataset import TableDataset, by_column
from tuners.genome import Genome

NUM_BINS = 8
"""Numbers are divided into so many parts of equal frequency at most."""
NUM_HASHES = 1021
"""Pairs of categories are hashed to so many different numbers, a prime."""
_LARGEST = np.finfo(np.float32).max
"""In place of infinity, which JSON does not know."""
MOST_CROSSED = 16
"""Only the first so many columns of categories are paired: of more there would be too many pairs."""


class Encoding(NamedTuple):
    """What becomes of columns.

    Args:
        numbers: What becomes of numbers.

            - `standardize`: mean 0 and standard deviation 1.
            - `quantile`: their rank among the training rows.
            - `piecewise`: one input for each of some parts of equal frequency, which rises from 0 to 1 over that part
              (Gorishniy, Rubachev and Babenko 2022, "On embeddings for numerical features in tabular deep learning",
              arXiv:2203.05556).
            - `bins`: one input for each of these parts, which is 1 for the numbers in it.
        least_rows: Categories that fewer training rows have share one input, with those that training has not seen. The
            most frequent one of a column has its own all the same.
        crosses: Whether pairs of categories are inputs too.
    """

    numbers: str = "standardize"
    least_rows: int = 1
    crosses: bool = False

    @classmethod
    def of(cls, genome: Genome) -> Self:
        """Returns the encoding of a genome."""
        return cls(str(genome["numbers"]), int(genome["least_rows"]), bool(genome["crosses"]))


PLAIN = Encoding()
"""What linear models and networks by hand see."""


class Features(NamedTuple):
    """The inputs of a network, in their order.

    Args:
        num: Number of inputs, those for pairs left out, which follow.
        categories: The first input of each column of categories, and the first behind it.
        num_pairs: Number of inputs for pairs of categories, each a whole number below `NUM_HASHES`.
    """

    num: int
    categories: tuple[tuple[int, int], ...] = ()
    num_pairs: int = 0

    @property
    def size(self) -> int:
        """Number of all inputs."""
        return self.num + self.num_pairs

    def embedded(self, units: int) -> tuple[tuple[int, int], ...]:
        """Returns those of `categories` that become vectors of so many numbers: the columns with more categories."""
        return tuple((start, stop) for start, stop in self.categories if stop - start > units)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the columns of a data set are encoded.

    Args:
        how: What becomes of columns.
        columns: The columns.
        edges: For each column of numbers where its parts begin and the last one ends, shape (num_parts + 1,).
        values: For each column of codes or categories, by name, those that have an input of their own.
        shared: The names of those whose other values share an input.
    """

    how: Encoding
    columns: tuple[Column, ...]
    edges: Mapping[str, npt.NDArray[np.float32]]
    values: Mapping[str, tuple[Any, ...]]
    shared: frozenset[str]

    def width(self, column: Column) -> int:
        """Returns the number of inputs of a column, that for what is missing left out."""
        if column.kind != "number":
            return len(self.values[column.name]) + (column.name in self.shared)
        return len(self.edges[column.name]) - 1 if self.how.numbers in ("piecewise", "bins") else 1

    @property
    def features(self) -> Features:
        """The inputs: numbers and which are missing, codes and which are missing, categories, and pairs."""
        start, categories = 0, []
        for kind in ("number", "code", "category"):
            same = [column for column in self.columns if column.kind == kind]
            for column in same:
                if kind != "number":
                    categories.append((start, start + self.width(column)))
                start += self.width(column)
            start += sum(column.has_gaps for column in same)
        crossed = min(MOST_CROSSED, len(categories)) if self.how.crosses else 0
        return Features(start, tuple(categories), crossed * (crossed - 1) // 2)


def plan(dataset: TableDataset, how: Encoding) -> Plan:
    """Decides how the columns of a data set are encoded, by its training rows."""
    edges: dict[str, npt.NDArray[np.float32]] = {}
    values: dict[str, tuple[Any, ...]] = {}
    shared = set()
    for column, found in by_column(dataset.columns, dataset.train):
        if column.kind == "number":
            edges[column.name] = _edges(found, how.numbers)
            continue
        counts = counts_of(column, found)
        least = 0 if how.least_rows <= 1 else min(how.least_rows, counts.max())
        kept = np.flatnonzero(counts >= least).tolist()
        values[column.name] = tuple(column.values[place] for place in kept)
        if len(kept) < len(column.values):
            shared.add(column.name)
    return Plan(how, dataset.columns, edges, values, frozenset(shared))


def counts_of(column: Column, found: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Counts the rows with each category of a column, in the order of `Column.values`.

    Args:
        column: A column of codes or categories.
        found: Its values, as `dataset.by_column` yields them.
    """
    if column.kind == "category":
        return np.bincount(found, minlength=len(column.values) + 1)[1:].astype(np.int64)
    return np.array([np.count_nonzero(found == value) for value in column.values], np.int64)


def _edges(found: npt.NDArray[np.float32], numbers: str) -> npt.NDArray[np.float32]:
    """Returns where the parts of a column of numbers begin, and where the last one ends, shape (num_parts + 1,)."""
    known = found[~np.isnan(found)].astype(np.float64)
    if not len(known):
        known = np.zeros(1)
    if numbers == "piecewise":
        # A frequent number is several quantiles.
        edges = np.unique(np.quantile(known, np.linspace(0, 1, NUM_BINS + 1)).astype(np.float32))
        return edges if len(edges) > 1 else np.append(edges, edges + 1).astype(np.float32)
    inner = np.unique(np.quantile(known, np.linspace(0, 1, NUM_BINS + 1)[1:-1], method="higher").astype(np.float32))
    starts = inner[inner > known.min()]
    if not len(starts):
        # Nearly all rows have the lowest number: all others are the second part.
        starts = np.unique(known.astype(np.float32))[1:2]
    return np.concatenate([[-_LARGEST], starts, [_LARGEST]]).astype(np.float32)
