"""A saved model in use: predicts tables with or without their target."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, ModelError, SettingsError
from kevo.runs import layout
from kevo.tasks.options import GROUPS
from kevo.tasks.outputs.located import Located
from kevo.tasks.prepared.predictor import ALL, PreparedPredictor, each
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.protocols.use import Prediction, Scored
from kevo.tasks.sampling import Sampling
from kevo.tasks.splits import SPLITS
from kevo.tasks.tables import contract
from kevo.tasks.tables.columns import count_missing, encode, typed
from kevo.tasks.tables.contract import Contract
from kevo.tasks.tables.dataset import Inputs, TableDataset
from kevo.tasks.tables.loading import load
from kevo.tasks.tables.options import kept_columns
from kevo.tasks.tables.preparing import forward
from kevo.tasks.tables.reading import Limits, Table, from_array, is_table, listed, read_table


class _Rows(NamedTuple):
    """The columns of a table as a model takes them, its target where it has one, and notes."""

    inputs: Inputs
    target: list[str] | None
    notes: list[str]


class TablePredictor(PreparedPredictor[Contract, TableDataset]):
    """A saved model with its contract. `TablePredictor.open` finds both.

    Args:
        model: Raw columns in, as a mapping of their names to shape (batch, 1); outputs out.
        takes: What it takes and answers.
        run: The search that it comes from; `None` where there is none.
        name: What to call it in errors.
        note: Is told what is odd about a table. Defaults to nobody.

    Raises:
        ModelError: the model takes other columns, or answers something else.

    Example:
        >>> predictor = TablePredictor.open("kevo-runs/churn-20260725-101500")  # doctest: +SKIP
        >>> for row in predictor.predict("new.csv"):  # doctest: +SKIP
        ...     print(row.line())
    """

    examples = "tables"

    @classmethod
    def _read_contract(cls, folder: Path) -> Contract:
        return contract.read(folder)

    def _check_inputs(self) -> None:
        expected = {column.name for column in self.contract.columns}
        found = set(self.model.input) if isinstance(self.model.input, dict) else set()
        if found != expected:
            raise ModelError(
                f"{self._name} takes the columns {listed(sorted(found)) or 'none'}. Expected those of its "
                f"{layout.TASK}: {listed(sorted(expected))}. Take both from the same search."
            )

    def predict(
        self,
        source: Any,
        *,
        skip: Callable[[Skipped], object] | None = None,
        grad_cam: Path | None = None,
        limits: Limits | None = None,
    ) -> Iterator[Prediction]:
        """Predicts the answer for each row.

        Args:
            source: The path of a table, several of them, or an array or data frame as `loading.load` takes it. No
                target is needed.
            skip: Is told about a file that cannot be used. `None` raises an error there.
            grad_cam: Must be `None`: there is nothing to draw on.
            limits: What to refuse. Defaults to `Limits()`.

        Yields:
            One prediction for each row, in order.

        Raises:
            DataError: a table cannot be read, or lacks columns.
            ModelError: what the model says is no answer of its kind.
            SettingsError: `grad_cam` was given.
        """
        if grad_cam is not None:
            raise SettingsError("Grad-CAM draws on pictures, and this model takes rows of a table. Leave it out.")
        for path, rows in each(source, functools.partial(self.read, limits=limits), skip=skip):
            self._tell(rows)
            outputs = self.outputs(rows.inputs)
            places = [Located(path=path, row=row) for row in range(1, len(outputs) + 1)]
            yield from self.contract.output.predictions(outputs, places)

    def evaluate(self, data: Any = None, *, split: str | None = None, limits: Limits | None = None) -> Scored:
        """Scores the model on a table whose answers are known.

        Args:
            data: As for `predict`, one table, with the target.
            split: `train`, `validation`, `test` or `all`. `None` takes the test split, where this is the table of the
                model's own search: the scores are those of its result. Else all rows.
            limits: What to refuse. Defaults to `Limits()`.

        Raises:
            DataError: the table cannot be read, lacks columns or answers, or has no such split.
            ModelError: what the model says is no answer of its kind.
        """
        own = self._own(data, limits=limits)
        if own is not None and split in (None, *SPLITS):
            split = split or "test"
            chosen = getattr(own, split)
            outputs, labels = self.outputs(own.inputs(chosen)), chosen.labels
        else:
            if split not in (None, ALL):
                raise DataError(f"{_name(data)} has no {split} split. Score all its rows with {ALL!r}.")
            split, rows = ALL, self.read(data, limits=limits)
            labels = self._labels(rows)
            self._tell(rows)
            outputs = self.outputs(rows.inputs)
        return self._scored(outputs, labels, data=_name(data), split=split, examples="rows", is_own=own is not None)

    def _load(self, data: Any, search: SearchSettings, **options: Any) -> TableDataset:
        return load(
            data,
            target=self.contract.target,
            asks=self.contract.output.asks,
            keep=kept_columns(search.options),
            groups=search.options.get(GROUPS.name),
            seed=search.seed,
            sampling=Sampling(search.max_examples, seed=search.seed),
            num_folds=search.folds,
            **options,
        )

    def _labels(self, rows: _Rows) -> npt.NDArray[Any]:
        """Returns the answers of a table's rows."""
        if rows.target is None:
            raise DataError(f"The table has no column {self.contract.target!r}, which holds the answers. Add it.")
        return self.contract.output.parse(rows.target)

    def _tell(self, rows: _Rows) -> None:
        for text in rows.notes:
            self._note(text)

    def read(self, source: Any, *, limits: Limits | None = None) -> _Rows:
        """Reads one table as the model takes it; arguments and errors as for `predict`."""
        if is_table(source):
            table = read_table(Path(source), limits=limits)
        elif isinstance(source, str | Path):
            raise DataError(f"Cannot read rows from {source}. Expected a .csv, .tsv, .jsonl or .zip file.")
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
            list(self._oddities(table)),
        )

    def outputs(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        """Returns the outputs for raw columns, shape (n, any).

        Raises:
            ModelError: what the model says is no answer of its kind.
        """
        return self._checked(forward(self.model, inputs))

    def _oddities(self, table: Table) -> Iterator[str]:
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


def _name(data: Any) -> str:
    """Returns a short name of a table."""
    return Path(data).stem if isinstance(data, str | Path) else "table"
