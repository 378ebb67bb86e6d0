"""The protocol of what is asked of each example, whatever the examples are; each kind of answer has a folder here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from kevo.objective import Objective
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.protocols.scores import Calibration, Scores
from kevo.tasks.protocols.use import Prediction, Scored

if TYPE_CHECKING:
    import keras

    from kevo.scorers import Objectives
    from kevo.tasks.outputs.located import Located
    from kevo.training.answers import Answers

Targets = npt.NDArray[Any]
"""The true answers, one for each example, shape (n, ...)."""


class Output(Protocol):
    """What is asked of each example, and how a network answers it. Loads neither TensorFlow nor Keras until it must."""

    @property
    def asks(self) -> str:
        """The word for it in `Settings.task`."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each of a network's outputs stands for, in their order."""

    @property
    def size(self) -> int:
        """Number of a network's outputs for one example."""

    @property
    def objectives(self) -> Objectives:
        """What may be improved, by name; the first is the default."""

    @property
    def returns(self) -> str:
        """What a network answers with for one example: `a probability for each class`."""

    def summary(self) -> str:
        """What is asked in a few words: `3 classes`."""

    def finish(self, x: keras.KerasTensor, *, regularizer: keras.Regularizer | None) -> keras.KerasTensor:
        """The last layers of a network: from its features, shape (batch, any), to its outputs, shape (batch, size)."""

    def answers(
        self,
        targets: Targets,
        *,
        validation_targets: Targets,
        class_weights: Mapping[int, float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Answers:
        """What a network learns, and how it is judged.

        Args:
            targets: Of the examples that are learned from.
            validation_targets: Of the validation examples.
            class_weights: How much an example of each class counts; `None` for equally.
            label_smoothing: The share of each class's target that is spread over all; means nothing elsewhere.
        """

    def class_weights(self, targets: Targets) -> dict[int, float] | None:
        """Weights with which each class counts the same; `None` where there is nothing to balance."""

    def are_valid(self, outputs: npt.NDArray[np.floating]) -> bool:
        """Whether outputs, shape (n, size), can be some network's."""

    def check(self, outputs: npt.NDArray[np.floating], name: str) -> None:
        """Raises a `ModelError` where the outputs of the model of this name are not valid."""

    def score(
        self, outputs: npt.NDArray[np.floating], targets: Targets, *, objective: Objective | None = None
    ) -> Scores:
        """How good outputs are, by the objective too where it is none of the scores that are always computed."""

    def loss(self, outputs: npt.NDArray[np.floating], targets: Targets) -> float:
        """The loss that decides between equally good models; lower is better."""

    def calibrate(
        self, model: keras.Model, outputs: npt.NDArray[np.floating], targets: Targets
    ) -> tuple[keras.Model, Calibration | None]:
        """Makes a model's probabilities mean what they say; see `Task.calibrate`."""

    def main_score(self, outputs: npt.NDArray[np.floating], targets: Targets) -> float:
        """The score of the default objective; higher is better."""

    def linear_targets(self, targets: Targets) -> npt.NDArray[np.float64]:
        """What a linear model is fitted to, shape (n, any), with a variance of about 1."""

    def strata(self, targets: Targets) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
        """What each split holds the same part of: for each example its stratum, and the names of the strata."""

    def parse(self, values: Sequence[str]) -> Targets:
        """Reads answers as a table has them.

        Raises:
            DataError: a value is no answer of this kind.
        """

    def predictions(self, outputs: npt.NDArray[np.floating], places: Sequence[Located]) -> Sequence[Prediction]:
        """What outputs say of the examples in these places."""

    def scored(
        self,
        scores: Any,
        *,
        data: str,
        split: str,
        examples: str,
        is_familiar: bool = False,
        num_familiar: int = 0,
        skipped: tuple[Skipped, ...] = (),
        outputs: npt.NDArray[np.floating] | None = None,
        targets: Targets | None = None,
    ) -> Scored:
        """Scores of a saved model, in words; see `Scored`."""

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values, from which `parsing.output` makes the same."""
