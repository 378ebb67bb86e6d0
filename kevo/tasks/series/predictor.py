"""A saved model in use: forecasts what follows the series of a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, KevoError, ModelError, SettingsError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks.outputs.located import Located
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.protocols.use import Prediction, Scored
from kevo.tasks.saved_model import home, load_model, model_file
from kevo.tasks.series import contract, options
from kevo.tasks.series.contract import Contract
from kevo.tasks.series.dataset import SPLITS, SeriesDataset, Windows
from kevo.tasks.series.loading import load
from kevo.tasks.series.reading import Series, read
from kevo.tasks.series.task import forward
from kevo.tasks.tables.reading import Limits

_ALL = "all"
"""Every window of a series."""
_TOLERANCE = 0.01
"""Steps of numbers are the same if they differ by no larger part."""


class SeriesPredictor:
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

    def __init__(
        self,
        model: keras.Model,
        takes: Contract,
        *,
        run: Run | None = None,
        name: str = "The model",
        note: Callable[[str], object] | None = None,
    ) -> None:
        self.model = model
        self.contract = takes
        self._run = run
        self._name = name
        self._note = note or (lambda text: None)
        expected = [(None, takes.window, len(takes.columns)), (None, takes.output.horizon)]
        found = [tuple(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
        if found != expected:
            raise ModelError(
                f"{name} has inputs and outputs of the shapes {', '.join(map(str, found))}. Expected those of its "
                f"{layout.TASK}: {', '.join(map(str, expected))}. Take both from the same search."
            )

    @classmethod
    def open(cls, path: str | Path, *, note: Callable[[str], object] | None = None) -> Self:
        """Opens a saved model. Nothing in the file is executed.

        Args:
            path: A `.keras` file, or a run folder, whose `best.keras` it then is. Its `task.json` lies beside it.
            note: Is told what is odd about a series. Defaults to nobody.

        Raises:
            ModelError: the model or what it takes cannot be read, or they do not fit.
        """
        path = model_file(Path(path))
        model = load_model(path, expected="a model of series")
        run = None
        with contextlib.suppress(KevoError):
            run = Run.open(home(path))
        return cls(model, contract.read(home(path)), run=run, name=str(path), note=note)

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
        for one in source if _are_paths(source) else [source]:
            try:
                series = self.read(one, limits=limits)
            except DataError as error:
                if skip is None:
                    raise
                skip(Skipped(str(one), f"cannot be used: {str(error).rstrip('.')}"))
                continue
            self._tell(series)
            window, horizon = self.contract.window, self.contract.output.horizon
            (values,) = self.outputs(series.values[np.newaxis, -window:])
            times = [series.clock.text(len(series) + step) for step in range(horizon)]
            place = Located(path=str(one) if isinstance(one, str | Path) else None)
            yield from self.contract.output.timed(values, times, place)

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
        own = self._own(data, limits)
        if own is not None and split in (None, *SPLITS):
            split = split or "test"
            windows: Windows = getattr(own, split)
        else:
            if split not in (None, _ALL):
                raise DataError(f"{_name(data)} has no {split} split. Score all its windows with {_ALL!r}.")
            split, series = _ALL, self.read(data, limits=limits)
            self._tell(series)
            windows = self._windows(series)
        output = self.contract.output
        outputs = self.outputs(windows.inputs)
        return output.scored(
            output.score(outputs, windows.labels),
            outputs=outputs,
            targets=windows.labels,
            data=_name(data),
            split=split,
            examples="windows",
            is_familiar=own is not None and split != "test",
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
        found = forward(self.model, windows)
        self.contract.output.check(found, self._name)
        return found

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

    def _own(self, data: Any, limits: Limits | None) -> SeriesDataset | None:
        """Returns the series as the model's search divided it; `None` where it is another."""
        if self._run is None:
            return None
        try:
            search = self._run.search_settings()
            dataset = load(data, limits=limits, **options.arguments(search))
        except KevoError:
            return None
        return dataset if dataset.fingerprint() == self._run.settings.get("fingerprint") else None

    def _tell(self, series: Series) -> None:
        for text in series.notes:
            self._note(text)


def _are_paths(source: Any) -> bool:
    return isinstance(source, list | tuple) and all(isinstance(one, str | Path) for one in source)


def _name(data: Any) -> str:
    """Returns a short name of a series."""
    return Path(data).stem if isinstance(data, str | Path) else "series"
