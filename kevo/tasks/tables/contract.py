"""The inputs and outputs of a saved model, as a file beside it: predictions need neither data set nor target."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kevo.errors import ModelError
from kevo.runs import layout
from kevo.runs.atomic_files import loads
from kevo.tasks.outputs import parsing
from kevo.tasks.outputs.classes.output import CLASSIFICATION
from kevo.tasks.outputs.numbers.output import REGRESSION
from kevo.tasks.outputs.output import Output
from kevo.tasks.tables.columns import Column
from kevo.tasks.tables.dataset import TableDataset, column_from_json

ROWS: Mapping[str, str] = {CLASSIFICATION: "tables", REGRESSION: "table-regression"}
"""The name of the task for each thing that may be asked of a row."""


@dataclass(frozen=True, slots=True)
class Contract:
    """The inputs and outputs of a saved model.

    Args:
        target: The name of the column that is predicted.
        columns: The columns that it takes.
        output: What it answers.
        unused: The names of columns of its training data that it does not take.
    """

    target: str
    columns: tuple[Column, ...]
    output: Output
    unused: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: TableDataset) -> Self:
        """Returns the contract of a data set's models."""
        return cls(dataset.target, dataset.columns, dataset.output, dataset.unused)

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values, from which `from_json` makes the same."""
        return {
            "task": ROWS[self.output.asks],
            "target": self.target,
            "columns": [dataclasses.asdict(column) for column in self.columns],
            **self.output.to_json(),
            "unused": list(self.unused),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        if values["task"] not in ROWS.values():
            raise ValueError(f"it is of the task {values['task']!r}, not of tables")
        columns = tuple(map(column_from_json, values["columns"]))
        found = cls(values["target"], columns, parsing.output(values), tuple(values["unused"]))
        names = [column.name for column in columns]
        words = [found.target, *names, *found.output.names, *found.unused]
        if not all(isinstance(word, str) for word in words) or len(set(names)) < len(names):
            raise ValueError("its names are no different texts")
        return found


def write(contract: Contract, folder: Path) -> None:
    """Writes a contract beside a model."""
    (folder / layout.TASK).write_text(
        json.dumps(contract.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def read(folder: Path) -> Contract:
    """Reads the contract of the model in a folder.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    path = folder / layout.TASK
    if not path.is_file():
        raise ModelError(
            f"There is no {layout.TASK} in {folder}, which says what columns the model takes. Put it back."
        )
    try:
        return Contract.from_json(loads(path.read_bytes()))
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"{path} does not say what columns a model takes: {error}. Restore it.") from error
