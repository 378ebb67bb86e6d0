"""The next values of a series as what is asked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from kevo import scorers
from kevo.errors import DataError, ModelError
from kevo.objective import Objective
from kevo.scorers import Objectives
from kevo.tasks.outputs.forecasts import evaluation
from kevo.tasks.outputs.forecasts.evaluation import ForecastEvaluation
from kevo.tasks.outputs.forecasts.objectives import OBJECTIVES
from kevo.tasks.outputs.forecasts.predictions import ForecastValue
from kevo.tasks.outputs.forecasts.scored import ScoredForecasts
from kevo.tasks.outputs.located import Located
from kevo.tasks.outputs.numbers.output import parse

if TYPE_CHECKING:
    import keras

    from kevo.training.answers import Answers

SERIES = "series"
"""The word for it in `Settings.task`."""

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Forecasts:
    """The next values of a series; a network answers with them in their own unit.

    Args:
        name: What they are.
        horizon: How many.
        season: After how many steps the series repeats; 1 for never.
        scale: The mean absolute error of the value one season before, or of the last value, in the training part
            (Hyndman and Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001).
    """

    name: str
    horizon: int
    season: int
    scale: float

    @classmethod
    def of(cls, name: str, values: npt.NDArray[np.floating], *, horizon: int, season: int) -> Self:
        """Returns the output of a training part.

        Args:
            name: What the series is called.
            values: The training part, shape (n,).
            horizon: As in `Forecasts`.
            season: As in `Forecasts`.

        Raises:
            DataError: all values are the same.
        """
        # Of a series that repeats exactly the last value must do.
        scales = (abs(np.subtract(values[lag:], values[:-lag], dtype=np.float64)).mean() for lag in (season, 1))
        scale = next((float(one) for one in scales if one > 0), None)
        if scale is None:
            raise DataError(f"In the training part {name!r} is always {values[0]:g}. Expected a series that changes.")
        return cls(name, horizon, season, scale)

    @property
    def asks(self) -> str:
        """A series."""
        return SERIES

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the series, and how many steps ahead."""
        return tuple(f"{self.name} +{step}" for step in range(1, self.horizon + 1))

    @property
    def size(self) -> int:
        """The horizon."""
        return self.horizon

    @property
    def objectives(self) -> Objectives:
        """Scaled and absolute errors, and R2."""
        return OBJECTIVES

    @property
    def returns(self) -> str:
        """The next values."""
        return "the next value" if self.horizon == 1 else f"the next {self.horizon} values"

    def summary(self) -> str:
        """How many values of what."""
        return f"{self.returns} of {self.name}"

    def finish(self, x: keras.KerasTensor, *, regularizer: keras.Regularizer | None) -> keras.KerasTensor:
        """A dense layer that begins with zeros: a network then begins with what this is added to."""
        from keras import layers

        return layers.Dense(
            self.horizon, dtype="float32", kernel_initializer="zeros", kernel_regularizer=regularizer, name="steps"
        )(x)

    def answers(
        self,
        targets: Values,
        *,
        validation_targets: Values,
        class_weights: Mapping[int, float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Answers:
        """Values, by Huber's loss."""
        from kevo.tasks.outputs.forecasts.answers import forecast_answers

        return forecast_answers(targets, validation_targets=validation_targets, scale=self.scale)

    def class_weights(self, targets: Values) -> None:
        """None: values are no classes."""

    def are_valid(self, outputs: npt.NDArray[np.floating]) -> bool:
        """Whether all are finite."""
        return bool(np.isfinite(outputs).all())

    def check(self, outputs: npt.NDArray[np.floating], name: str) -> None:
        """Raises a `ModelError` where one is no number."""
        if not self.are_valid(outputs):
            raise ModelError(
                f"The outputs of {name} are no forecasts: they are not finite. Expected a model that was trained to "
                "its end."
            )

    def score(
        self, outputs: npt.NDArray[np.floating], targets: Values, *, objective: Objective | None = None
    ) -> ForecastEvaluation:
        """Errors, with intervals by blocks of windows."""
        scores = evaluation.evaluate(outputs, targets, scale=self.scale)
        return dataclasses.replace(scores, further=scorers.further(objective, outputs, targets))

    def loss(self, outputs: npt.NDArray[np.floating], targets: Values) -> float:
        """The mean squared error."""
        return evaluation.measure(outputs.astype(np.float32), targets, scale=self.scale)["val_mse"]

    def calibrate(
        self, model: keras.Model, outputs: npt.NDArray[np.floating], targets: Values
    ) -> tuple[keras.Model, None]:
        """Not at all: there are no probabilities."""
        return model, None

    def main_score(self, outputs: npt.NDArray[np.floating], targets: Values) -> float:
        """MASE, with its sign changed."""
        return -evaluation.measure(outputs.astype(np.float32), targets, scale=self.scale)["val_mase"]

    def linear_targets(self, targets: Values) -> npt.NDArray[np.float64]:
        """Values with mean 0 and standard deviation 1."""
        values = targets.astype(np.float64)
        scaled: npt.NDArray[np.float64] = (values - values.mean()) / max(float(values.std()), 1e-9)
        return scaled

    def strata(self, targets: Values) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
        """One: a series is divided by time."""
        return np.zeros(len(targets), np.int64), ("windows",)

    def parse(self, values: Sequence[str]) -> Values:
        """Reads the values of a series, shape (n,).

        Raises:
            DataError: one is no finite number.
        """
        return parse(values, self.name)

    def predictions(self, outputs: npt.NDArray[np.floating], places: Sequence[Located]) -> list[ForecastValue]:
        """All values of each window, with steps ahead for times; `timed` knows better ones."""
        return [
            value
            for one, place in zip(outputs, places, strict=True)
            for value in self.timed(one, [f"+{step}" for step in range(1, self.horizon + 1)], place)
        ]

    def timed(self, outputs: npt.NDArray[np.floating], times: Sequence[str], place: Located) -> list[ForecastValue]:
        """The values of one window with their times.

        Args:
            outputs: Shape (horizon,).
            times: One for each.
            place: Where the series stands.
        """
        return [
            ForecastValue(time, float(value), path=place.path, row=place.row)
            for time, value in zip(times, outputs, strict=True)
        ]

    def scored(self, scores: ForecastEvaluation, **facts: Any) -> ScoredForecasts:
        """Errors, with intervals."""
        return ScoredForecasts(scores=scores, **facts)

    def to_json(self) -> dict[str, Any]:
        """Name, horizon, season and scale."""
        return {"forecast": dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        found = cls(values["name"], values["horizon"], values["season"], float(values["scale"]))
        steps = (found.horizon, found.season)
        if not isinstance(found.name, str) or not all(type(one) is int and one > 0 for one in steps):
            raise ValueError("its forecast has no name, or no numbers of steps")
        if not 0 < found.scale < math.inf:
            raise ValueError("its forecast has no scale")
        return found
