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
from kevo.tasks.outputs.output import Output
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.tables.columns import Column, Kind

SPLITS = ("train", "validation", "test")
Inputs = dict[str, npt.NDArray[Any]]
"""Raw columns as a saved model takes them: for each its name and its values, of shape (n, 1)."""
_WORKER_SPLITS = ("train", "validation")
"""Workers never see the test split."""
_JSON, _ARRAYS, _FOLDS = "table.json", "table.npz", "folds"
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


@dataclass(frozen=True, slots=True)
class TableDataset:
    """Rows with their answers, for training, choosing and measuring.

    Args:
        name: A short name, fit for a file.
        target: The name of the column that is predicted.
        columns: The columns that models learn from.
        output: What is asked of each row.
        train: What models learn from.
        validation: What decides between them.
        test: What is looked at once, at the end.
        unused: The names of the columns that models do not see.
        notes: What was decided about the columns, in words.
        made_splits: The splits that the source did not give and that were taken out of `train`.
        max_examples: What reading was limited to; `None` where all rows are used.
        repeats: What there is to say of rows that stand in several splits of the source.
        folds: The fold in which each row of `train` is judged, shape (n,); `validation` is then the same as `train`.
            `None` where the rows are divided once.
    """

    name: str
    target: str
    columns: tuple[Column, ...]
    output: Output
    train: Split
    validation: Split
    test: Split
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    made_splits: tuple[str, ...] = ()
    max_examples: int | None = None
    repeats: tuple[str, ...] = ()
    folds: npt.NDArray[np.int64] | None = None

    @property
    def num_folds(self) -> int | None:
        """Number of folds that the rows are divided into; `None` where they are divided once."""
        return None if self.folds is None else int(self.folds.max()) + 1

    def part(self, train: npt.NDArray[np.int64], validation: npt.NDArray[np.int64]) -> TableDataset:
        """Returns some rows of `train`, by their positions, as a data set of its own.

        Args:
            train: What is learned from.
            validation: What is judged by.
        """
        return dataclasses.replace(self, train=self.train[train], validation=self.train[validation], folds=None)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of a model's outputs; of numbers, their name."""
        return self.output.names

    @property
    def num_classes(self) -> int:
        """Number of classes, or of numbers."""
        return self.output.size

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Always empty: a row that cannot be read ends the reading."""
        return ()

    @property
    def num_judged(self) -> int:
        """Number of validation rows: none says what another does."""
        return self.num_examples("validation")

    def num_examples(self, split: str) -> int:
        """Number of rows of a split."""
        return len(getattr(self, split))

    def labels(self, split: str) -> npt.NDArray[Any]:
        """The answers of a split."""
        labels: npt.NDArray[Any] = getattr(self, split).labels
        return labels

    def class_weights(self) -> dict[int, float] | None:
        """Weights with which each class counts the same in training; `None` where there is nothing to balance."""
        return self.output.class_weights(self.train.labels)

    def inputs(self, split: Split) -> Inputs:
        """Returns a split's raw columns as a saved model takes them: float32, or texts as objects."""
        return raw_inputs(self.columns, split)

    def fingerprint(self) -> str:
        """Content hash of columns, answers and all splits."""
        facts = [self.target, list(map(dataclasses.astuple, self.columns)), self.output.names]
        digest = hashlib.blake2b(json.dumps(facts).encode(), digest_size=16)
        for name in SPLITS:
            for array in _arrays(getattr(self, name)).values():
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
            f"{name}_{part}": array for name in _WORKER_SPLITS for part, array in _arrays(getattr(self, name)).items()
        }
        if self.folds is not None:
            arrays[_FOLDS] = self.folds
        np.savez(folder / _ARRAYS, allow_pickle=False, **arrays)


def read(folder: Path) -> TableDataset:
    """Reads a data set of `TableDataset.write`'s, with an empty test split."""
    facts = json.loads((folder / _JSON).read_text())
    with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
        train, validation = (
            Split(*(arrays[f"{name}_{field.name}"] for field in dataclasses.fields(Split))) for name in _WORKER_SPLITS
        )
        folds = arrays.get(_FOLDS)
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
