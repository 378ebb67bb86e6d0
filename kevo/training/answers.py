"""What a stage of training must know of the answers that it learns: the seam between training and a task's outputs.

A task with one class of several, several labels, numbers or a mask as its answer fills one record, and training itself
knows none of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.objective import Objective

Measure = Callable[[npt.NDArray[np.float32], npt.NDArray[Any]], dict[str, float]]
"""Returns the metrics of a network's outputs, shape (n, ...), against the targets of the same examples."""


class StepScore(NamedTuple):
    """A score that is computed in every step, for people to watch.

    Args:
        name: Its name among an epoch's metrics.
        of_each: Returns one number or truth value for each example, shape (n,), of targets and outputs.
    """

    name: str
    of_each: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a network is to answer, and how its answers are judged.

    Args:
        targets: The answers to learn, one for each example, shape (n, ...), as `loss` and `score` take them; or, where
            what changes an example changes its answer, one for each example of all copies, one copy after the other.
        num_copies: Of how many copies of the examples the targets consist.
        weights: How much each example counts, shape (n,); `None` for equally.
        loss: The loss to learn by.
        score: The score of a step; `None` for none.
        validation_targets: The answers for the validation examples, as `measure` takes them.
        measure: Computes the metrics by which epochs and candidates are compared, those of an `Objective` among them.
    """

    targets: npt.NDArray[Any]
    num_copies: int = 1
    weights: npt.NDArray[np.float32] | None = None
    loss: keras.losses.Loss
    score: StepScore | None = None
    validation_targets: npt.NDArray[Any]
    measure: Measure

    def of(self, rows: npt.NDArray[np.int64]) -> Answers:
        """Returns the answers for some of the examples, by their positions, where there is one copy of each."""
        weights = None if self.weights is None else self.weights[rows]
        return dataclasses.replace(self, targets=self.targets[rows], weights=weights)

    def measured(self, outputs: npt.NDArray[np.float32], objective: Objective) -> dict[str, float]:
        """Returns the metrics of outputs for the validation examples, shape (n, ...), an objective's among them."""
        found = self.measure(outputs, self.validation_targets)
        if objective.measure is not None:
            found[objective.metric] = objective.measure(outputs, self.validation_targets)
        return found
