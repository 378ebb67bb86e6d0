"""The data set of a table in memory: columns of known kinds, in splits, and its files for worker processes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.system.text import plural
from kevo.tasks.folds import describe_splits
from kevo.tasks.outputs import parsing
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.prepared.dataset import WORKER_SPLITS, SplitDataset, folds_in
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.splits import SPLITS
from kevo.tasks.tables.columns import Column, Kind

Inputs = dict[str, npt.NDArray[Any]]
"""Raw columns as a saved model takes them: for each its name and its values, of shape (n, 1)."""
_JSON, _ARRAYS = "table.json", "table.npz"
_KIND_WORDS: dict[Kind, str] = {"number": "number", "code": "coded category", "category": "category"}


@dataclass(frozen=True, slots=True)
class Split:
    """Rows with their answers.

    Args:
        numbers: The columns of numbers and codes, in the data set's order, with NaN for what is missing; shape
            (n, num_numbers).
        categories: The columns of categories, in the data set's order, as positions in their values from 1, and 0 for
            what training rows lack; shape (n, num_categories).
        labels: The answers: positions in the data set's class names, or numbers; shape (n,).
    """

    numbers: npt.NDArray[np.float32]
    categories: npt.NDArray[np.int32]
    labels: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: npt.NDArray[np.integer] | slice) -> Split:
        return Split(self.numbers[rows], self.categories[rows], self.labels[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDataset(SplitDataset[Split]):
    """Rows with their answers, for training, choosing and measuring; see `SplitDataset` for the other fields.

    Args:
        columns: The columns that models learn from.
        unused: The names of the columns that models do not see.
    """

    columns: tuple[Column, ...]
    unused: tuple[str, ...] = ()

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Always empty: a row that cannot be read ends the reading."""
        return ()

    @property
    def repeats_few(self) -> bool:
        """Whether an epoch goes through few rows several times: not for classes, whose searches gained nothing."""
        return not isinstance(self.output, Classes)

    def inputs(self, split: Split) -> Inputs:
        """Returns a split's raw columns as a saved model takes them: float32, or texts as objects."""
        return raw_inputs(self.columns, split)

    def fingerprint(self) -> str:
        """Content hash of columns, answers and all splits."""
        facts = [self.target, list(map(dataclasses.astuple, self.columns)), self.output.names]
        digest = hashlib.blake2b(json.dumps(facts).encode(), digest_size=16)
        for name in SPLITS:
            for array in _arrays(self.split(name)).values():
                digest.update(repr(array.shape).encode())
                digest.update(np.ascontiguousarray(array).data)
        if self.folds is not None:
            digest.update(self.folds.data)
        return digest.hexdigest()

    def summary(self) -> str:
        """Describes the data set in one line.

        Example:
            >>> from kevo.tasks.tables.loading import load
            >>> rows = [[number, number % 7] for number in range(0, 60, 2)]
            >>> load((rows, ["a", "b"] * 15), seed=0).summary()
            'table: 30 rows, 2 numbers, 2 classes (20 train, 6 validation*, 4 test*; * from train)'
        """
        total, sizes = describe_splits(self)
        return f"{self.name}: {total} rows, {describe_columns(self.columns)}, {self.output.summary()} ({sizes})"

    def write(self, folder: Path) -> None:
        """Writes everything but the test split and the notes into a new folder, for worker processes."""
        folder.mkdir(parents=True)
        facts = {
            "name": self.name,
            "target": self.target,
            "columns": list(map(dataclasses.asdict, self.columns)),
            **self.output.to_json(),
        }
        (folder / _JSON).write_text(json.dumps(facts))
        arrays = {
            f"{name}_{part}": array for name in WORKER_SPLITS for part, array in _arrays(self.split(name)).items()
        }
        np.savez(folder / _ARRAYS, allow_pickle=False, **arrays, **self.fold_arrays())


def read(folder: Path) -> TableDataset:
    """Reads a data set of `TableDataset.write`'s, with an empty test split."""
    facts = json.loads((folder / _JSON).read_text())
    with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
        train, validation = (
            Split(*(arrays[f"{name}_{field.name}"] for field in dataclasses.fields(Split))) for name in WORKER_SPLITS
        )
        folds = folds_in(arrays)
    return TableDataset(
        name=facts["name"],
        target=facts["target"],
        columns=tuple(column_from_json(values) for values in facts["columns"]),
        output=parsing.output(facts),
        train=train,
        validation=validation,
        test=train[:0],
        folds=folds,
    )


def column_from_json(values: Mapping[str, Any]) -> Column:
    """Makes a column from the values of its fields, as JSON has them.

    Raises:
        LookupError, TypeError, ValueError: these are no column.
    """
    kind, found, has_gaps = values["kind"], tuple(values["values"]), values["has_gaps"]
    types = {"number": (), "code": (int, float), "category": (str,)}
    if not isinstance(has_gaps, bool) or not all(type(value) in types[kind] for value in found):
        raise ValueError(f"the column {values['name']!r} is none of a table")
    return Column(values["name"], kind, found, has_gaps)


def raw_inputs(columns: tuple[Column, ...], split: Split) -> Inputs:
    """Returns the raw columns of a split; see `TableDataset.inputs`."""
    return {column.name: _raw(column, values) for column, values in by_column(columns, split)}


def describe_columns(columns: tuple[Column, ...]) -> str:
    """Says how many columns of each kind there are.

    Example:
        >>> describe_columns((Column("age", "number"), Column("size", "number"), Column("sex", "category", ("f", "m"))))
        '2 numbers, 1 category'
    """
    counts = Counter(column.kind for column in columns)
    return ", ".join(plural(counts[kind], word) for kind, word in _KIND_WORDS.items() if counts[kind])


def by_column(columns: tuple[Column, ...], split: Split) -> Iterator[tuple[Column, npt.NDArray[Any]]]:
    """Yields each column with its values in a split, as the split keeps them, shape (n,)."""
    numbers, categories = iter(split.numbers.T), iter(split.categories.T)
    for column in columns:
        yield column, next(categories if column.kind == "category" else numbers)


def _arrays(split: Split) -> dict[str, npt.NDArray[Any]]:
    return {field.name: getattr(split, field.name) for field in dataclasses.fields(split)}


def _raw(column: Column, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if column.kind != "category":
        return values.reshape(-1, 1)
    texts = np.array([column.unknown, *column.values], object)
    return np.asarray(texts[values].reshape(-1, 1))
