"""Answers that are numbers: errors count in standard deviations of the target."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.tasks.outputs.numbers.evaluation import measure
from kevo.training.answers import Answers


class ScaledHuber(keras.losses.Loss):  # type: ignore[misc]
    """Huber's loss of errors in units of the target's spread: squared for small ones, absolute for large ones.

    An outlier then pulls no more than a few ordinary examples (Huber 1964, "Robust estimation of a location parameter",
    doi:10.1214/aoms/1177703732).

    Args:
        scale: The target's standard deviation.
    """

    def __init__(self, scale: float) -> None:
        super().__init__(name="scaled_huber")
        self._scale = scale

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each example, shape (n,)."""
        return keras.losses.huber(y_true / self._scale, y_pred / self._scale)


class LogHuber(keras.losses.Loss):  # type: ignore[misc]
    """The same of the logarithms of positive numbers.

    Args:
        scale: The standard deviation of the target's logarithm.
        least: Smaller targets count as this number.
    """

    def __init__(self, scale: float, least: float) -> None:
        super().__init__(name="log_huber")
        self._scale = scale
        self._least = least

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each example, shape (n,)."""
        true, predicted = (tf.math.log(tf.maximum(one, self._least)) / self._scale for one in (y_true, y_pred))
        return keras.losses.huber(true, predicted)


def number_answers(
    targets: npt.NDArray[np.float32],
    *,
    validation_targets: npt.NDArray[np.float32],
    deviation: float,
    least: float | None = None,
) -> Answers:
    """Returns the answers of a network with a number as its output.

    Args:
        targets: Of the examples that are learned from, shape (n,).
        validation_targets: Of the validation examples, shape (m,).
        deviation: The standard deviation of the targets, or of their logarithms.
        least: Below this number, no logarithm of a target is learned; `None` to learn the targets themselves.
    """
    return Answers(
        targets=targets.reshape(-1, 1),
        loss=ScaledHuber(deviation) if least is None else LogHuber(deviation, least),
        validation_targets=validation_targets,
        measure=measure,
    )
