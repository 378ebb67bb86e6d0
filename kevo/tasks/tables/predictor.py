"""A saved model in use: opened safely with what it takes, it predicts tables with or without their target."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, ModelError
from kevo.tasks.outputs.classes.evaluation import Evaluation, evaluate
from kevo.tasks.tables import contract
from kevo.tasks.tables.columns import count_missing, encode, typed
from kevo.tasks.tables.contract import Contract
from kevo.tasks.tables.dataset import Inputs
from kevo.tasks.tables.preparing import forward
from kevo.tasks.tables.reading import Limits, Table, from_array, is_csv, listed, read_csv

_BEST = "best.keras"
_LARGEST_DEVIATION = 0.01
"""How far the probabilities of a row may be from 1 together: half precision over a thousand classes."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier says of a row.

    Args:
        row: The row's place, from 1: the header does not count.
        probabilities: For each class how likely it is, the likeliest first.
    """

    row: int
    probabilities: dict[str, float]

    @property
    def label(self) -> str:
        """The likeliest class."""
        return next(iter(self.probabilities))

    @property
    def probability(self) -> float:
        """How likely that class is."""
        return self.probabilities[self.label]


class _Rows(NamedTuple):
    """A table as a model takes it, the target as texts where the table has it, and what is odd about it in words."""

    inputs: Inputs
    target: list[str] | None
    notes: list[str]


class TablePredictor:
    """A saved model with what it takes. `TablePredictor.open` finds both.

    Args:
        model: Raw columns in, as a mapping of their names to shape (batch, 1); class probabilities out.
        takes: What it takes and answers.
        name: What to call it in errors.

    Raises:
        ModelError: the model takes other columns, or answers something else.

    Example:
        >>> predictor = TablePredictor.open("kevo-runs/churn-20260725-101500")  # doctest: +SKIP
        >>> for row in predictor.predict("new.csv"):  # doctest: +SKIP
        ...     print(row.row, row.label, row.probability)
    """

    def __init__(self, model: keras.Model, takes: Contract, *, name: str = "The model") -> None:
        self.model = model
        self.contract = takes
        self._name = name
        expected = {column.name for column in takes.columns}
        found = set(model.input) if isinstance(model.input, dict) else set()
        if found != expected:
            raise ModelError(
                f"{name} takes the columns {listed(sorted(found)) or 'none'}. Expected those of its {contract.FILE}: "
                f"{listed(sorted(expected))}. Take both from the same search."
            )
        shapes = [tuple(tensor.shape) for tensor in model.outputs]
        if shapes != [(None, len(takes.class_names))]:
            raise ModelError(
                f"{name} has outputs of the shape {', '.join(map(str, shapes))}. Expected class probabilities, (None, "
                f"{len(takes.class_names)})."
            )

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Opens a saved model. Nothing in the file is executed.

        Args:
            path: A `.keras` file with its `task.json` beside it, or a run folder.

        Raises:
            ModelError: the model or what it takes cannot be read, or they do not fit.
        """
        path = Path(path)
        path = path / _BEST if path.is_dir() else path
        if not path.is_file() or not zipfile.is_zipfile(path):
            raise ModelError(f"There is no model {path}. Name a .keras file, or the folder of a search that has ended.")
        takes = contract.read(path.parent)
        try:
            model = keras.models.load_model(path, compile=False, safe_mode=True)
        except Exception as error:
            # Whatever may be wrong with a file that may come from anybody.
            raise ModelError(
                f"Cannot open {path} as a model: {type(error).__name__}. Expected layers that Keras brings, and no "
                "code of the file's own."
            ) from error
        if not isinstance(model, keras.Model) or not model.built:
            raise ModelError(f"{path} holds no model, but a {type(model).__name__}. Expected a classifier of tables.")
        return cls(model, takes, name=str(path))

    def predict(self, source: Any, *, limits: Limits | None = None) -> Iterator[Prediction]:
        """Predicts the class of each row.

        Args:
            source: The path of a CSV file, an array or data frame as `loading.load` takes it. It needs no target.
            limits: What to refuse. Defaults to `Limits()`.

        Yields:
            One prediction for each row, in order.

        Raises:
            DataError: the table cannot be read, or lacks columns.
            ModelError: what the model says are no probabilities.
        """
        names = np.array(self.contract.class_names, object)
        for row, found in enumerate(self.probabilities(self.read(source, limits=limits).inputs), start=1):
            order = np.argsort(-found, kind="stable")
            yield Prediction(row, dict(zip(names[order].tolist(), found[order].tolist(), strict=True)))

    def evaluate(self, source: Any, *, limits: Limits | None = None) -> Evaluation:
        """Scores the model on a table whose classes are known.

        Args:
            source: As for `predict`, with the target.
            limits: What to refuse. Defaults to `Limits()`.

        Raises:
            DataError: the table cannot be read, or lacks columns or classes.
            ModelError: what the model says are no probabilities.
        """
        rows = self.read(source, limits=limits)
        if rows.target is None:
            raise DataError(f"The table has no column {self.contract.target!r}, which holds the classes. Add it.")
        positions = {name: place for place, name in enumerate(self.contract.class_names)}
        if unknown := sorted(set(rows.target) - set(positions)):
            raise DataError(
                f"The column {self.contract.target!r} holds {listed(unknown)}. Expected the model's classes: "
                f"{listed(self.contract.class_names)}."
            )
        labels = np.array([positions[value] for value in rows.target], np.int64)
        return evaluate(self.probabilities(rows.inputs), labels, class_names=self.contract.class_names)

    def read(self, source: Any, *, limits: Limits | None = None) -> _Rows:
        """Reads a table as the model takes it; arguments and errors as for `predict`."""
        if is_csv(source):
            table = read_csv(Path(source), limits=limits)
        elif isinstance(source, str | Path):
            raise DataError(f"Cannot read rows from {source}. Expected a .csv file.")
        else:
            table = from_array(source, limits=limits)
        columns, takes = table.columns, self.contract
        if lacking := [column.name for column in takes.columns if column.name not in columns]:
            raise DataError(
                f"The table lacks {listed(lacking)}. Expected the columns that the model was trained on: "
                f"{listed([column.name for column in takes.columns])}."
            )
        target = columns.get(takes.target)
        return _Rows(
            {column.name: typed(columns[column.name], column.kind).reshape(-1, 1) for column in takes.columns},
            None if target is None else typed(target, "category").tolist(),
            list(self._notes(table)),
        )

    def probabilities(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        """Returns the class probabilities of raw columns, shape (n, num_classes).

        Raises:
            ModelError: what the model says are no probabilities.
        """
        found = forward(self.model, inputs)
        # A comparison with NaN is false too.
        if not ((found >= 0).all() and (abs(found.sum(axis=1) - 1) < _LARGEST_DEVIATION).all()):
            raise ModelError(
                f"The outputs of {self._name} are no class probabilities: they do not lie between 0 and 1, or do not "
                "sum to 1. Expected a model that ends in a softmax."
            )
        return found

    def _notes(self, table: Table) -> Iterator[str]:
        takes = self.contract
        known = {takes.target, *takes.unused, *(column.name for column in takes.columns)}
        if extra := [name for name in table.columns if name not in known]:
            yield f"The model does not know the columns {listed(extra)}: they are not used."
        for column in takes.columns:
            raw = table.columns[column.name]
            values = typed(raw, column.kind)
            if column.kind == "category":
                num_odd = int((encode(values, column) == 0).sum())
                what = "texts that its training rows lack"
            else:
                num_odd = int(np.isnan(values).sum()) - count_missing(raw)
                what = "values that are no numbers, and count as missing"
            if num_odd > 0:
                yield f"{column.name!r} has {num_odd:,} {what}."
