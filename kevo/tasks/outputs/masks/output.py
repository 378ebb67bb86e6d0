"""A mask as what is asked: the class of each pixel of a picture."""

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
from kevo.tasks.outputs.located import Located
from kevo.tasks.outputs.masks import evaluation
from kevo.tasks.outputs.masks.evaluation import MaskEvaluation, Masks, classes_of
from kevo.tasks.outputs.masks.objectives import OBJECTIVES
from kevo.tasks.outputs.masks.predictions import MaskPrediction
from kevo.tasks.outputs.masks.scored import ScoredMasks

if TYPE_CHECKING:
    import keras

    from kevo.training.answers import Answers

SEGMENTATION = "segmentation"
"""The word for it in `Settings.task`."""
BACKGROUND = "background"
_LEAST_IN_STRATUM = 10
_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True)
class PixelClasses:
    """The class of each pixel; a network answers with a probability for each class, or with one of a single class.

    Args:
        classes: The names of the classes, without the background.
        values: What the masks of the source have for the background and for each class, in this order.
    """

    classes: tuple[str, ...]
    values: tuple[int, ...]

    @property
    def asks(self) -> str:
        """Segmentation."""
        return SEGMENTATION

    @property
    def names(self) -> tuple[str, ...]:
        """The only class; or the background and all classes."""
        return self.classes if len(self.classes) == 1 else (BACKGROUND, *self.classes)

    @property
    def size(self) -> int:
        """Number of outputs for each pixel."""
        return len(self.names)

    @property
    def objectives(self) -> Objectives:
        """Dice, intersection over union, and the loss."""
        return OBJECTIVES

    @property
    def returns(self) -> str:
        """Probabilities for each pixel."""
        what = "the probability of the class" if self.size == 1 else "the probabilities of background and classes"
        return f"{what} for each pixel"

    def summary(self) -> str:
        """How many classes there are."""
        return f"masks of {len(self.classes)} class{'es' * (len(self.classes) > 1)}"

    def finish(self, x: keras.KerasTensor, *, regularizer: keras.Regularizer | None) -> keras.KerasTensor:
        """A convolution of one pixel with a sigmoid or softmax: from feature maps, shape (batch, h, w, any)."""
        from keras import layers

        return layers.Conv2D(
            self.size,
            1,
            activation="sigmoid" if self.size == 1 else "softmax",
            dtype="float32",
            kernel_regularizer=regularizer,
            name="masks",
        )(x)

    def answers(
        self,
        targets: Masks,
        *,
        validation_targets: Masks,
        class_weights: Mapping[int, float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Answers:
        """Classes of pixels, by cross-entropy and Dice."""
        from kevo.tasks.outputs.masks.answers import mask_answers

        return mask_answers(targets, validation_targets=validation_targets, num_outputs=self.size)

    def class_weights(self, targets: Masks) -> None:
        """None: Dice looks after small classes."""

    def are_valid(self, outputs: npt.NDArray[np.floating]) -> bool:
        """Whether all are probabilities, which sum to 1 where there are several."""
        if not ((outputs >= 0) & (outputs <= 1)).all():
            return False
        return self.size == 1 or bool((abs(outputs.sum(axis=-1) - 1) < _TOLERANCE).all())

    def check(self, outputs: npt.NDArray[np.floating], name: str) -> None:
        """Raises a `ModelError` where one is no probability."""
        if not self.are_valid(outputs):
            raise ModelError(
                f"The outputs of {name} are no masks: they are no probabilities of pixels. Expected a model that was "
                "trained to its end."
            )

    def score(
        self, outputs: npt.NDArray[np.floating], targets: Masks, *, objective: Objective | None = None
    ) -> MaskEvaluation:
        """Dice and intersection over union, with an interval over pictures."""
        scores = evaluation.evaluate(outputs, targets, names=self.classes)
        return dataclasses.replace(scores, further=scorers.further(objective, outputs, targets))

    def loss(self, outputs: npt.NDArray[np.floating], targets: Masks) -> float:
        """Cross-entropy and Dice of probabilities."""
        return evaluation.mask_loss(outputs, targets)

    def calibrate(
        self, model: keras.Model, outputs: npt.NDArray[np.floating], targets: Masks
    ) -> tuple[keras.Model, None]:
        """Not at all: Dice as a loss does not ask for probabilities that mean what they say."""
        return model, None

    def main_score(self, outputs: npt.NDArray[np.floating], targets: Masks) -> float:
        """Dice."""
        return evaluation.measure(outputs.astype(np.float32), targets)["val_dice"]

    def linear_targets(self, targets: Masks) -> npt.NDArray[np.float64]:
        """The share of each picture that is no background, with mean 0 and standard deviation 1."""
        shares = (targets > 0).mean(axis=(1, 2, 3))[:, np.newaxis]
        scaled: npt.NDArray[np.float64] = (shares - shares.mean()) / max(float(shares.std()), 1e-9)
        return scaled

    def strata(self, targets: Masks) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
        """Pictures with and without any class, where there are enough of both."""
        has_class = targets.reshape(len(targets), -1).max(axis=1) > 0
        if min(int(has_class.sum()), int((~has_class).sum())) < _LEAST_IN_STRATUM:
            return np.zeros(len(targets), np.int64), ("pictures with masks",)
        return has_class.astype(np.int64), ("pictures without any class", "pictures with a class")

    def parse(self, values: Sequence[str]) -> Masks:
        """Raises a `DataError`: masks are files."""
        raise DataError(f"Masks are no texts. Received {len(values)} of them. Expected a folder of pictures and masks.")

    def predictions(self, outputs: npt.NDArray[np.floating], places: Sequence[Located]) -> list[MaskPrediction]:
        """The mask of each picture, at the size of the outputs."""
        return [
            MaskPrediction(classes_of(one)[..., 0], self.classes, path=place.path, row=place.row)
            for one, place in zip(outputs, places, strict=True)
        ]

    def scored(self, scores: MaskEvaluation, **facts: Any) -> ScoredMasks:
        """Dice of pictures and classes."""
        return ScoredMasks(scores=scores, **facts)

    def to_json(self) -> dict[str, Any]:
        """The names of the classes, and the values of the masks."""
        return {"masks": {"classes": list(self.classes), "values": list(self.values)}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        found = cls(tuple(values["classes"]), tuple(values["values"]))
        are_names = all(isinstance(name, str) for name in found.classes)
        are_values = all(type(value) is int for value in found.values)
        if not found.classes or not are_names or not are_values or len(found.values) != len(found.classes) + 1:
            raise ValueError("it does not name the classes of its masks, or not a value for each")
        return found
