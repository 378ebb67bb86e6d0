"""The inputs and outputs of a saved model, as a file beside it: predictions need neither data set nor target."""

from __future__ import annotations

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
from kevo.tasks.texts.dataset import TextDataset

ROWS: Mapping[str, str] = {CLASSIFICATION: "texts", REGRESSION: "text-regression"}
"""The name of the task for each thing that may be asked of a text."""


@dataclass(frozen=True, slots=True)
class Contract:
    """The inputs and outputs of a saved model: it takes texts, shape (n,).

    Args:
        text: The name of the texts, such as that of their column.
        target: The name of what is predicted.
        output: What it answers.
    """

    text: str
    target: str
    output: Output

    @classmethod
    def of(cls, dataset: TextDataset) -> Self:
        """Returns the contract of a data set's models."""
        return cls(dataset.text, dataset.target, dataset.output)

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values, from which `from_json` makes the same."""
        return {
            "task": ROWS[self.output.asks],
            "text": self.text,
            "target": self.target,
            **self.output.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        if values["task"] not in ROWS.values():
            raise ValueError(f"it is of the task {values['task']!r}, not of texts")
        found = cls(values["text"], values["target"], parsing.output(values))
        if not all(isinstance(word, str) for word in (found.text, found.target, *found.output.names)):
            raise ValueError("its names are no texts")
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
        raise ModelError(f"There is no {layout.TASK} in {folder}, which says what the model answers. Put it back.")
    try:
        return Contract.from_json(loads(path.read_bytes()))
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"{path} does not say what a model of texts answers: {error}. Restore it.") from error
