"""Any number of labels at once as what is asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from kevo import scorers
from kevo.errors import DataError, ModelError
from kevo.objective import Objective
from kevo.scorers import Objectives
from kevo.tasks.outputs.labels import evaluation
from kevo.tasks.outputs.labels.evaluation import LabelEvaluation
from kevo.tasks.outputs.labels.objectives import OBJECTIVES
from kevo.tasks.outputs.labels.predictions import LabelPrediction
from kevo.tasks.outputs.labels.scored import ScoredLabels
from kevo.tasks.outputs.located import Located

if TYPE_CHECKING:
    import keras

    from kevo.training.answers import Answers

MULTILABEL = "multilabel"
"""The word for it in `Settings.task`."""
SEPARATOR = ";"
"""Parts the labels of one example."""
_MAX_LABELS = 1000
_LEAST_IN_STRATUM = 10
"""Of a rarer label there are too few examples to have the same part of it in each split."""
_MOST_NAMED = 10

Flags = npt.NDArray[np.float32]
"""1 where an example has a label, and else 0; shape (n, num_labels)."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Any number of labels at once; a network answers with a probability for each, apart from the others.

    Args:
        names: The labels, in the order of the outputs.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, values: Sequence[str]) -> Self:
        """Returns the output of the labels of training examples, parted by semicolons.

        Raises:
            DataError: there is no label, or there are too many.
        """
        names = sorted({name for text in values for name in split(text)})
        if not names or len(names) > _MAX_LABELS:
            raise DataError(
                f"The training examples have {len(names):,} different labels. Expected 1 to {_MAX_LABELS:,}, parted by "
                f"{SEPARATOR!r} where an example has several."
            )
        return cls(tuple(names))

    @property
    def asks(self) -> str:
        """Labels."""
        return MULTILABEL

    @property
    def size(self) -> int:
        """Number of labels."""
        return len(self.names)

    @property
    def objectives(self) -> Objectives:
        """Average precision, macro F1, cross-entropy."""
        return OBJECTIVES

    @property
    def returns(self) -> str:
        """Probabilities that do not sum to 1."""
        return "a probability for each label, apart from the others"

    def summary(self) -> str:
        """How many labels there are."""
        return f"{self.size} labels"

    def finish(self, x: keras.KerasTensor, *, regularizer: keras.Regularizer | None) -> keras.KerasTensor:
        """A dense layer with a sigmoid."""
        from keras import layers

        return layers.Dense(
            self.size, activation="sigmoid", dtype="float32", kernel_regularizer=regularizer, name="probabilities"
        )(x)

    def answers(
        self,
        targets: Flags,
        *,
        validation_targets: Flags,
        class_weights: Mapping[int, float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Answers:
        """Targets of 0 and 1, and binary cross-entropy."""
        from kevo.tasks.outputs.labels.answers import label_answers

        return label_answers(targets, validation_labels=validation_targets, label_smoothing=label_smoothing)

    def class_weights(self, targets: Flags) -> None:
        """None: an example has any number of labels."""

    def are_valid(self, outputs: npt.NDArray[np.floating]) -> bool:
        """Whether all are probabilities."""
        return bool(((outputs >= 0) & (outputs <= 1)).all())

    def check(self, outputs: npt.NDArray[np.floating], name: str) -> None:
        """Raises a `ModelError` where one is no probability."""
        if not self.are_valid(outputs):
            raise ModelError(
                f"The outputs of {name} are no probabilities: they do not lie between 0 and 1. Expected a model that "
                "ends in a sigmoid."
            )

    def score(
        self, outputs: npt.NDArray[np.floating], targets: Flags, *, objective: Objective | None = None
    ) -> LabelEvaluation:
        """Average precision and F1."""
        scores = evaluation.evaluate(outputs, targets, names=self.names)
        return dataclasses.replace(scores, further=scorers.further(objective, outputs, targets))

    def loss(self, outputs: npt.NDArray[np.floating], targets: Flags) -> float:
        """Binary cross-entropy."""
        return evaluation.binary_cross_entropy(outputs, targets)

    def calibrate(
        self, model: keras.Model, outputs: npt.NDArray[np.floating], targets: Flags
    ) -> tuple[keras.Model, None]:
        """Not at all: each label has a threshold of its own."""
        return model, None

    def main_score(self, outputs: npt.NDArray[np.floating], targets: Flags) -> float:
        """The mean average precision of the labels."""
        return evaluation.macro_average_precision(outputs, targets)

    def linear_targets(self, targets: Flags) -> npt.NDArray[np.float64]:
        """1 for a label that an example has, and else -1."""
        return 2.0 * targets.astype(np.float64) - 1.0

    def strata(self, targets: Flags) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
        """The rarest label of each example, of those with enough examples."""
        counts = targets.sum(axis=0)
        order = np.argsort(counts, kind="stable")
        found = np.full(len(targets), -1, np.int64)
        for label in order[::-1].tolist():
            # Rarer labels come later, and take what frequent ones had.
            if counts[label] >= _LEAST_IN_STRATUM:
                found[targets[:, label] > 0] = label
        kept, places, nums = np.unique(found, return_inverse=True, return_counts=True)
        # What is left in small strata is joined to the largest.
        largest = int(nums.argmax())
        places = np.where(nums[places] < _LEAST_IN_STRATUM, largest, places)
        kept, places = np.unique(places, return_inverse=True)
        return places.astype(np.int64), tuple(f"labels of kind {number + 1}" for number in range(len(kept)))

    def parse(self, values: Sequence[str]) -> Flags:
        """Reads labels that are parted by semicolons; no text means no label."""
        positions = {name: place for place, name in enumerate(self.names)}
        found = np.zeros((len(values), self.size), np.float32)
        unknown: dict[str, None] = {}
        for row, text in enumerate(values):
            for name in split(text):
                if name in positions:
                    found[row, positions[name]] = 1
                else:
                    unknown[name] = None
        if unknown:
            more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
            raise DataError(
                f"There are examples with {', '.join(map(repr, list(unknown)[:_MOST_NAMED]))}{more}. Expected labels "
                f"that the training examples have, such as {', '.join(map(repr, self.names[:_MOST_NAMED]))}."
            )
        return found

    def predictions(self, outputs: npt.NDArray[np.floating], places: Sequence[Located]) -> list[LabelPrediction]:
        """The labels of each example, the likeliest first."""
        found = []
        for one, place in zip(outputs, places, strict=True):
            order = np.argsort(-one, kind="stable").tolist()
            named = {self.names[index]: float(one[index]) for index in order}
            found.append(LabelPrediction(named, path=place.path, row=place.row))
        return found

    def scored(self, scores: LabelEvaluation, **facts: Any) -> ScoredLabels:
        """Scores by label."""
        return ScoredLabels(scores=scores, **facts)

    def to_json(self) -> dict[str, Any]:
        """The names of the labels."""
        return {"labels": list(self.names)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        names = tuple(values["labels"])
        if not names or not all(isinstance(name, str) for name in names):
            raise ValueError("the names of its labels are no texts")
        return cls(names)


def split(text: str) -> list[str]:
    """Returns the labels in a text.

    Example:
        >>> split("red; round;")
        ['red', 'round']
    """
    return [name for part in text.split(SEPARATOR) if (name := part.strip())]
