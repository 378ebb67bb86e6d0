"""One class of several as what is asked."""

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
from kevo.tasks.outputs.classes import evaluation
from kevo.tasks.outputs.classes.evaluation import Evaluation, are_probabilities
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from kevo.tasks.outputs.classes.predictions import Prediction
from kevo.tasks.outputs.classes.scored import ScoredClasses
from kevo.tasks.outputs.located import Located
from kevo.tasks.protocols.scores import Calibration

if TYPE_CHECKING:
    import keras

    from kevo.training.answers import Answers

CLASSIFICATION = "classification"
"""The word for it in `Settings.task`."""
_BALANCED = 1.5
"""Up to this ratio between the largest and the smallest class, weights would change less than chance does."""
_MOST_NAMED = 10

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Classes:
    """One class of several; a network answers with a probability for each.

    Args:
        names: The classes, in the order of the outputs.
    """

    names: tuple[str, ...]

    @property
    def asks(self) -> str:
        """Classification."""
        return CLASSIFICATION

    @property
    def size(self) -> int:
        """Number of classes."""
        return len(self.names)

    @property
    def objectives(self) -> Objectives:
        """Accuracy, macro F1, cross-entropy."""
        return OBJECTIVES

    @property
    def returns(self) -> str:
        """Probabilities."""
        return "a probability for each class"

    def summary(self) -> str:
        """How many classes there are."""
        return f"{self.size} classes"

    def finish(self, x: keras.KerasTensor, *, regularizer: keras.Regularizer | None) -> keras.KerasTensor:
        """A dense layer with softmax."""
        from keras import layers

        # Probabilities stay float32 under mixed precision: float16 cannot tell 0.9999 from 1.
        return layers.Dense(
            self.size, activation="softmax", dtype="float32", kernel_regularizer=regularizer, name="probabilities"
        )(x)

    def answers(
        self,
        targets: Labels,
        *,
        validation_targets: Labels,
        class_weights: Mapping[int, float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Answers:
        """One-hot targets and cross-entropy."""
        from kevo.tasks.outputs.classes.answers import class_answers

        return class_answers(
            targets,
            validation_labels=validation_targets,
            num_classes=self.size,
            class_weights=class_weights,
            label_smoothing=label_smoothing,
        )

    def class_weights(self, targets: Labels) -> dict[int, float] | None:
        """Weighs the classes so that each counts the same in training.

        Returns:
            For each label `n / (k * count)`, with n examples in k classes, as scikit-learn's "balanced"; `None` when
            the largest class has at most 1.5 times the examples of the smallest.
        """
        counts = np.bincount(targets, minlength=self.size)
        if counts.max() <= _BALANCED * counts.min():
            return None
        return {label: len(targets) / (self.size * int(count)) for label, count in enumerate(counts)}

    def are_valid(self, outputs: npt.NDArray[np.floating]) -> bool:
        """Whether they are probabilities that sum to 1."""
        return are_probabilities(outputs)

    def check(self, outputs: npt.NDArray[np.floating], name: str) -> None:
        """Raises a `ModelError` where they are no class probabilities."""
        if not are_probabilities(outputs):
            raise ModelError(
                f"The outputs of {name} are no class probabilities: they do not lie between 0 and 1, or do not "
                "sum to 1. Expected a model that ends in a softmax."
            )

    def score(
        self, outputs: npt.NDArray[np.floating], targets: Labels, *, objective: Objective | None = None
    ) -> Evaluation:
        """Accuracy, F1 and the confusion matrix."""
        scores = evaluation.evaluate(outputs, targets, class_names=self.names)
        return dataclasses.replace(scores, further=scorers.further(objective, outputs, targets))

    def loss(self, outputs: npt.NDArray[np.floating], targets: Labels) -> float:
        """Cross-entropy."""
        return evaluation.cross_entropy(outputs, targets)

    def calibrate(
        self, model: keras.Model, outputs: npt.NDArray[np.floating], targets: Labels
    ) -> tuple[keras.Model, Calibration | None]:
        """Divides what goes into the softmax by a temperature."""
        from kevo.tasks.outputs.classes import calibration

        found = calibration.fit(outputs, targets)
        return (model if found is None else calibration.tempered(model, found.temperature)), found

    def main_score(self, outputs: npt.NDArray[np.floating], targets: Labels) -> float:
        """The accuracy."""
        return evaluation.accuracy(outputs, targets)

    def linear_targets(self, targets: Labels) -> npt.NDArray[np.float64]:
        """1 for the class of an example, and -1 for all others that occur."""
        return np.where(targets[:, None] == np.unique(targets), 1.0, -1.0)

    def strata(self, targets: Labels) -> tuple[Labels, tuple[str, ...]]:
        """The classes."""
        return targets, self.names

    def parse(self, values: Sequence[str]) -> Labels:
        """Finds the positions of names of classes."""
        positions = {name: place for place, name in enumerate(self.names)}
        if unknown := sorted(set(values) - set(positions)):
            raise DataError(
                f"There are rows of {_listed(unknown)}. Expected the model's classes: {_listed(self.names)}."
            )
        return np.array([positions[value] for value in values], np.int64)

    def predictions(self, outputs: npt.NDArray[np.floating], places: Sequence[Located]) -> list[Prediction]:
        """The classes of each example, the likeliest first."""
        found = []
        for one, place in zip(outputs, places, strict=True):
            order = np.argsort(-one, kind="stable").tolist()
            named = {self.names[index]: float(one[index]) for index in order}
            found.append(Prediction(named, path=place.path, row=place.row, grad_cam=place.grad_cam))
        return found

    def scored(self, scores: Evaluation, **facts: Any) -> ScoredClasses:
        """Scores by class."""
        return ScoredClasses(scores=scores, **facts)

    def to_json(self) -> dict[str, Any]:
        """The names of the classes."""
        return {"class_names": list(self.names)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        names = tuple(values["class_names"])
        if not all(isinstance(name, str) for name in names):
            raise ValueError("the names of its classes are no texts")
        return cls(names)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more
