"""A saved model in use: forecasts what follows the series of a file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, ModelError, SettingsError
from kevo.runs import layout
from kevo.tasks.outputs.located import Located
from kevo.tasks.prepared.predictor import ALL, PreparedPredictor, each
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.protocols.use import Prediction, Scored
from kevo.tasks.series import contract, options
from kevo.tasks.series.contract import Contract
from kevo.tasks.series.dataset import SeriesDataset, Windows
from kevo.tasks.series.loading import load
from kevo.tasks.series.reading import Series, read
from kevo.tasks.series.task import forward
from kevo.tasks.splits import SPLITS
from kevo.tasks.tables.reading import Limits

_TOLERANCE = 0.01
"""Steps of numbers are the same if they differ by no larger part."""


class SeriesPredictor(PreparedPredictor[Contract, SeriesDataset]):
    """A saved model with its contract. `SeriesPredictor.open` finds both.

    Args:
        model: Raw windows in, shape (batch, window, num_columns); the next values out.
        takes: What it takes and answers.
        run: The search that it comes from; `None` where there is none.
        name: What to call it in errors.
        note: Is told what is odd about a series. Defaults to nobody.

    Raises:
        ModelError: the model takes other windows, or answers something else.

    Example:
        >>> predictor = SeriesPredictor.open("kevo-runs/passengers-20260725-101500")  # doctest: +SKIP
        >>> for value in predictor.predict("passengers.csv"):  # doctest: +SKIP
        ...     print(value.line())
    """

    examples = "series"

    @classmethod
    def _read_contract(cls, folder: Path) -> Contract:
        return contract.read(folder)

    def _check_inputs(self) -> None:
        expected = [(None, self.contract.window, len(self.contract.columns))]
        found = [tuple(tensor.shape) for tensor in self.model.inputs]
        if found != expected:
            raise ModelError(
                f"{self._name} takes inputs of the shape {', '.join(map(str, found))}. Expected the windows of its "
                f"{layout.TASK}: {expected[0]}. Take both from the same search."
            )

    def predict(
        self,
        source: Any,
        *,
        skip: Callable[[Skipped], object] | None = None,
        grad_cam: Path | None = None,
        limits: Limits | None = None,
    ) -> Iterator[Prediction]:
        """Forecasts the values that follow the last one of a series.

        Args:
            source: The path of a CSV file of the past, several of them, or a series as `reading.read` takes it.
            skip: Is told about a file that cannot be used. `None` raises an error there.
            grad_cam: Must be `None`: there is nothing to draw on.
            limits: What to refuse. Defaults to `Limits()`.

        Yields:
            The next values with their times, as many as the horizon, for each series.

        Raises:
            DataError: a series cannot be read, has other steps, lacks columns, or is too short.
            ModelError: what the model says is no forecast.
            SettingsError: `grad_cam` was given.
        """
        if grad_cam is not None:
            raise SettingsError("Grad-CAM draws on pictures, and this model takes a series. Leave it out.")
        window, horizon = self.contract.window, self.contract.output.horizon
        for path, series in each(source, functools.partial(self.read, limits=limits), skip=skip):
            self._tell(series)
            (values,) = self.outputs(series.values[np.newaxis, -window:])
            times = [series.clock.text(len(series) + step) for step in range(horizon)]
            yield from self.contract.output.timed(values, times, Located(path=path))

    def evaluate(self, data: Any = None, *, split: str | None = None, limits: Limits | None = None) -> Scored:
        """Scores the model on the windows of a series.

        Args:
            data: As for `predict`, one series.
            split: `train`, `validation`, `test` or `all`. `None` takes the test split, where this is the series of the
                model's own search: the scores are those of its result. Else all windows.
            limits: What to refuse. Defaults to `Limits()`.

        Raises:
            DataError: the series cannot be read, is too short, or has no such split.
            ModelError: what the model says is no forecast.
        """
        own = self._own(data, limits=limits)
        if own is not None and split in (None, *SPLITS):
            split = split or "test"
            windows: Windows = getattr(own, split)
        else:
            if split not in (None, ALL):
                raise DataError(f"{_name(data)} has no {split} split. Score all its windows with {ALL!r}.")
            split, series = ALL, self.read(data, limits=limits)
            self._tell(series)
            windows = self._windows(series)
        return self._scored(
            self.outputs(windows.inputs),
            windows.labels,
            data=_name(data),
            split=split,
            examples="windows",
            is_own=own is not None,
        )

    def read(self, source: Any, *, limits: Limits | None = None) -> Series:
        """Reads a series as the model takes it; arguments and errors as for `predict`."""
        takes = self.contract
        # Without times each row is a step; those of an index are found again.
        times = takes.times if takes.times or takes.clock.unit == "row" else None
        series = read(source, times=times, columns=takes.columns, limits=limits)
        alike = takes.clock.unit == series.clock.unit
        if not alike or abs(series.clock.step - takes.clock.step) > _TOLERANCE * takes.clock.step:
            raise DataError(
                f"{_name(source)} has steps of {series.clock.words}, and the model has learned steps of "
                f"{takes.clock.words}. Expected the same."
            )
        if len(series) < takes.window:
            raise DataError(
                f"{_name(source)} has {len(series):,} steps. Expected the {takes.window} before the forecast at least."
            )
        return series

    def outputs(self, windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns the next values for raw windows, shape (n, horizon).

        Raises:
            ModelError: what the model says is no forecast.
        """
        return self._checked(forward(self.model, windows))

    def _windows(self, series: Series) -> Windows:
        """Returns all windows of a series whose values that follow are known."""
        window, horizon = self.contract.window, self.contract.output.horizon
        firsts = np.array(
            [
                first
                for first in range(window, len(series) - horizon + 1)
                if series.is_known[first : first + horizon].all()
            ],
            np.int64,
        )
        if not len(firsts):
            raise DataError(
                f"{series.name} has no window of {window} steps that is followed by {horizon} known values. Give a "
                "longer series."
            )
        return Windows(series.values, firsts, window, horizon)

    def _load(self, data: Any, search: SearchSettings, **settings: Any) -> SeriesDataset:
        return load(data, **options.arguments(search), **settings)

    def _tell(self, series: Series) -> None:
        for text in series.notes:
            self._note(text)


def _name(data: Any) -> str:
    """Returns a short name of a series."""
    return Path(data).stem if isinstance(data, str | Path) else "series"
