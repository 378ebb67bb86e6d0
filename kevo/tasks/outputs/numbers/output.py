"""A number as what is asked."""

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
from kevo.tasks.outputs.located import Located
from kevo.tasks.outputs.numbers import evaluation
from kevo.tasks.outputs.numbers.evaluation import NumberEvaluation
from kevo.tasks.outputs.numbers.objectives import OBJECTIVES
from kevo.tasks.outputs.numbers.predictions import NumberPrediction
from kevo.tasks.outputs.numbers.scored import ScoredNumbers

if TYPE_CHECKING:
    import keras

    from kevo.training.answers import Answers

REGRESSION = "regression"
"""The word for it in `Settings.task`."""
_SKEWED = 1.0
"""Positive numbers with a larger skewness are learned as logarithms, where that may be."""
_MOST_DEVIATIONS = 4.0
"""So far from their mean logarithms may be predicted, lest powers have no end."""
_NUM_STRATA, _LEAST_IN_STRATUM = 5, 10
"""Splits hold the same part of each fifth of the numbers, where there are enough."""

Numbers_ = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number; a network answers with it in its own unit.

    Inside, the network computes with numbers of mean 0 and standard deviation 1: its last layers bring them back.

    Args:
        name: What it is.
        mean: Mean of the training examples, or of their logarithms.
        deviation: Their standard deviation.
        is_log: Whether the network computes with logarithms.
    """

    name: str
    mean: float
    deviation: float
    is_log: bool = False

    @classmethod
    def of(cls, name: str, values: npt.NDArray[np.floating], *, may_be_log: bool = False) -> Self:
        """Returns the output of training examples.

        Args:
            name: What the number is.
            values: Those of the training examples, shape (n,).
            may_be_log: Whether networks may compute with logarithms: they do where all numbers are positive and their
                skewness is above 1, and nearer to 0 for the logarithms.

        Raises:
            DataError: all have the same number.
        """
        is_log = may_be_log and _is_skewed(values)
        if is_log:
            values = np.log(values.astype(np.float64))
        mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        if not deviation > 0:
            raise DataError(
                f"The target {name!r} has the same value in all training examples: {mean:g}. Expected numbers that "
                "differ."
            )
        return cls(name, mean, deviation, is_log)

    @property
    def asks(self) -> str:
        """Regression."""
        return REGRESSION

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the number."""
        return (self.name,)

    @property
    def size(self) -> int:
        """One."""
        return 1

    @property
    def objectives(self) -> Objectives:
        """R2, mean absolute and root mean squared error."""
        return OBJECTIVES

    @property
    def returns(self) -> str:
        """One number."""
        return "one number in the unit of the target"

    def summary(self) -> str:
        """The name, mean and spread."""
        if self.is_log:
            return f"{self.name!r} {math.exp(self.mean):.4g} times or divided by {math.exp(self.deviation):.3g}"
        return f"{self.name!r} {self.mean:.4g} ± {self.deviation:.3g}"

    def finish(self, x: keras.KerasTensor, *, regularizer: keras.Regularizer | None) -> keras.KerasTensor:
        """A dense layer, and one or more that bring its output to the target's unit."""
        from keras import layers, ops

        x = layers.Dense(1, dtype="float32", kernel_regularizer=regularizer, name="scaled")(x)
        if self.is_log:
            x = layers.Rescaling(self.deviation, offset=self.mean, dtype="float32", name="logarithm")(x)
            return layers.Activation("exponential", dtype="float32", name="number")(ops.clip(x, *self._log_range))
        return layers.Rescaling(self.deviation, offset=self.mean, dtype="float32", name="number")(x)

    def answers(
        self,
        targets: Numbers_,
        *,
        validation_targets: Numbers_,
        class_weights: Mapping[int, float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Answers:
        """The numbers themselves; the loss sees errors in standard deviations of the target, or of its logarithm."""
        from kevo.tasks.outputs.numbers.answers import number_answers

        return number_answers(
            targets,
            validation_targets=validation_targets,
            deviation=self.deviation,
            least=math.exp(self._log_range[0]) if self.is_log else None,
        )

    @property
    def _log_range(self) -> tuple[float, float]:
        """The lowest and the highest logarithm that a network answers with."""
        return self.mean - _MOST_DEVIATIONS * self.deviation, self.mean + _MOST_DEVIATIONS * self.deviation

    def class_weights(self, targets: Numbers_) -> None:
        """None: there are no classes."""

    def are_valid(self, outputs: npt.NDArray[np.floating]) -> bool:
        """Whether all are finite."""
        return bool(np.isfinite(outputs).all())

    def check(self, outputs: npt.NDArray[np.floating], name: str) -> None:
        """Raises a `ModelError` where one is no finite number."""
        if not self.are_valid(outputs):
            raise ModelError(f"An output of {name} is no finite number. Expected a model that was trained to its end.")

    def score(
        self, outputs: npt.NDArray[np.floating], targets: Numbers_, *, objective: Objective | None = None
    ) -> NumberEvaluation:
        """R2 and errors, with intervals."""
        scores = evaluation.evaluate(outputs, targets)
        return dataclasses.replace(scores, further=scorers.further(objective, outputs, targets))

    def loss(self, outputs: npt.NDArray[np.floating], targets: Numbers_) -> float:
        """The mean squared error."""
        return evaluation.measure(outputs.astype(np.float32), targets)["val_mse"]

    def calibrate(
        self, model: keras.Model, outputs: npt.NDArray[np.floating], targets: Numbers_
    ) -> tuple[keras.Model, None]:
        """Not at all: there are no probabilities."""
        return model, None

    def main_score(self, outputs: npt.NDArray[np.floating], targets: Numbers_) -> float:
        """R2."""
        return evaluation.r2(outputs[:, 0].astype(np.float64), targets.astype(np.float64))

    def linear_targets(self, targets: Numbers_) -> npt.NDArray[np.float64]:
        """The numbers, or their logarithms, with mean 0 and standard deviation 1."""
        if self.is_log:
            targets = np.log(np.maximum(targets, math.exp(self._log_range[0])))
        return (targets[:, None].astype(np.float64) - self.mean) / self.deviation

    def strata(self, targets: Numbers_) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
        """Parts of equal frequency: fifths, or fewer of few examples."""
        num = max(1, min(_NUM_STRATA, len(targets) // _LEAST_IN_STRATUM))
        edges = np.unique(np.quantile(targets, np.linspace(0, 1, num + 1)[1:-1]))
        found = np.searchsorted(edges, targets, side="right").astype(np.int64)
        # A frequent number may be several edges: parts without an example are left out.
        kept, places = np.unique(found, return_inverse=True)
        return places.astype(np.int64), tuple(f"numbers of part {part + 1}" for part in range(len(kept)))

    def parse(self, values: Sequence[str]) -> Numbers_:
        """Reads numbers.

        Raises:
            DataError: a value is no finite number.
        """
        return parse(values, self.name)

    def predictions(self, outputs: npt.NDArray[np.floating], places: Sequence[Located]) -> list[NumberPrediction]:
        """The number of each example."""
        return [
            NumberPrediction(float(one[0]), path=place.path, row=place.row)
            for one, place in zip(outputs, places, strict=True)
        ]

    def scored(self, scores: NumberEvaluation, **facts: Any) -> ScoredNumbers:
        """Errors, with intervals."""
        return ScoredNumbers(scores=scores, **facts)

    def to_json(self) -> dict[str, Any]:
        """The name, mean and standard deviation, and whether they are of logarithms."""
        return {"number": dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        found = cls(values["name"], float(values["mean"]), float(values["deviation"]), values.get("is_log") is True)
        if not isinstance(found.name, str) or not math.isfinite(found.mean) or not 0 < found.deviation < math.inf:
            raise ValueError("its number has no name, or no finite mean and deviation")
        return found


def _is_skewed(values: npt.NDArray[np.floating]) -> bool:
    """Tells whether numbers are better learned as logarithms."""
    if not values.min(initial=math.inf) > 0:
        return False
    skewness = _skewness(values)
    return skewness > _SKEWED and abs(_skewness(np.log(values.astype(np.float64)))) < skewness


def _skewness(values: npt.NDArray[np.floating]) -> float:
    """Returns the mean of the cubes of numbers that have mean 0 and standard deviation 1; 0 where all are the same."""
    centered = values.astype(np.float64) - values.mean(dtype=np.float64)
    deviation = centered.std()
    return float(np.mean((centered / deviation) ** 3)) if deviation > 0 else 0.0


def parse(values: Sequence[str], name: str) -> Numbers_:
    """Reads numbers as a table has them, shape (n,).

    Args:
        values: The texts.
        name: What to call the numbers in errors.

    Raises:
        DataError: one is no finite number.
    """
    found = np.empty(len(values), np.float32)
    for place, text in enumerate(values):
        try:
            # Python's own grouping, as in 1_000, is no number to other programs.
            number = math.nan if "_" in text else float(text)
        except ValueError:
            number = math.nan
        if not abs(number) < float(np.finfo(np.float32).max):
            raise DataError(
                f"The target {name!r} is {text!r} in row {place + 1}. Expected a finite number in every row: remove "
                "the row, or fill it in; or search for classes with --task classification."
            )
        found[place] = number
    return found
