"""The inputs and outputs of a saved model, as a file beside it: predictions need neither data set nor search."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kevo.errors import ModelError
from kevo.runs import layout
from kevo.runs.atomic_files import loads
from kevo.tasks.outputs import parsing
from kevo.tasks.outputs.forecasts.output import SERIES, Forecasts
from kevo.tasks.series.clock import Clock
from kevo.tasks.series.dataset import SeriesDataset

ROW = SERIES
"""The name of the task."""


@dataclass(frozen=True, slots=True)
class Contract:
    """The inputs and outputs of a saved model.

    Args:
        columns: The columns of a window, that to be forecast first.
        window: The steps of a window.
        output: What it answers.
        times: The names of the columns of times in its data.
        clock: The steps of its data.
        unused: The names of columns of its data that it does not take.
    """

    columns: tuple[str, ...]
    window: int
    output: Forecasts
    times: tuple[str, ...]
    clock: Clock
    unused: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: SeriesDataset) -> Self:
        """Returns the contract of a data set's models."""
        return cls(dataset.columns, dataset.window, dataset.output, dataset.times, dataset.clock, dataset.unused)

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values, from which `from_json` makes the same."""
        return {
            "task": ROW,
            "columns": list(self.columns),
            "window": self.window,
            **self.output.to_json(),
            "times": list(self.times),
            "clock": dataclasses.asdict(self.clock),
            "unused": list(self.unused),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        if values["task"] != ROW:
            raise ValueError(f"it is of the task {values['task']!r}, not of series")
        output = parsing.output(values)
        if not isinstance(output, Forecasts):
            raise ValueError(f"it answers with {output.summary()}, and no forecast")
        names = {key: tuple(values[key]) for key in ("columns", "times", "unused")}
        found = cls(
            names["columns"],
            values["window"],
            output,
            names["times"],
            Clock.from_json(values["clock"]),
            names["unused"],
        )
        if not all(isinstance(name, str) for each in names.values() for name in each):
            raise ValueError("its columns have no names")
        if type(found.window) is not int or found.window < 1 or not found.columns:
            raise ValueError("its windows have no steps or no columns")
        return found


def read(folder: Path) -> Contract:
    """Reads the contract of the model in a folder.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    path = folder / layout.TASK
    if not path.is_file():
        raise ModelError(
            f"There is no {layout.TASK} in {folder}, which says what windows the model takes. Put it back."
        )
    try:
        return Contract.from_json(loads(path.read_bytes()))
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"{path} does not say what windows a model takes: {error}. Restore it.") from error
