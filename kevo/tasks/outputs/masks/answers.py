"""Answers that are masks: losses that see a small class too.

Dice of probabilities as a loss is from Milletari et al. 2016, "V-Net", doi:10.1109/3DV.2016.79; together with
cross-entropy it is what Isensee et al. 2021, "nnU-Net", doi:10.1038/s41592-020-01008-z train with; the focal loss is
from Lin et al. 2017, arXiv:1708.02002.
"""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.tasks.outputs.masks.evaluation import THRESHOLD, measure
from kevo.tasks.outputs.masks.losses import LOSSES
from kevo.training.answers import Answers, StepScore

_FOCUS = 2.0
_LEAST = 1e-7
_SMOOTH = 1.0
"""Pixels that are added to both sides of a Dice: a class that is nowhere, and is predicted nowhere, then has 1."""


class MaskLoss(keras.losses.Loss):  # type: ignore[misc]
    """One minus the Dice of probabilities, over all pixels of a batch, and perhaps the cross-entropy of pixels.

    Args:
        name: One of `LOSSES`.
        num_outputs: Number of a network's outputs for each pixel.
    """

    def __init__(self, name: str, *, num_outputs: int) -> None:
        super().__init__(name=name)
        self._kind = name
        self._num_outputs = num_outputs

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each example, shape (n,)."""
        true = one_hot(y_true, self._num_outputs)
        predicted = y_pred if self._num_outputs > 1 else tf.concat([1 - y_pred, y_pred], axis=-1)
        hits = tf.reduce_sum(true * predicted, axis=[0, 1, 2])
        both = tf.reduce_sum(true + predicted, axis=[0, 1, 2])
        dice = tf.reduce_mean(((2 * hits + _SMOOTH) / (both + _SMOOTH))[1:])
        if self._kind == "dice":
            return (1 - dice) * tf.ones_like(y_pred[:, 0, 0, 0])
        right = tf.clip_by_value(tf.reduce_sum(true * predicted, axis=-1), _LEAST, 1.0)
        entropy = -tf.math.log(right)
        if self._kind == "focal_dice":
            entropy *= (1 - right) ** _FOCUS
        return tf.reduce_mean(entropy, axis=[1, 2]) + 1 - dice


def one_hot(masks: tf.Tensor, num_outputs: int) -> tf.Tensor:
    """Returns 1 for the class of each pixel and else 0, the background first.

    Args:
        masks: Classes, shape (n, height, width, 1).
        num_outputs: Number of a network's outputs for each pixel.
    """
    return tf.one_hot(tf.cast(masks[..., 0], tf.int32), max(2, num_outputs))


def dice_of_each(masks: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Returns the Dice of each example, all classes as one, shape (n,)."""
    true = tf.cast(masks[..., 0] > 0, tf.float32)
    is_one = outputs.shape[-1] == 1
    found = outputs[..., 0] >= THRESHOLD if is_one else tf.argmax(outputs, axis=-1) > 0
    predicted = tf.cast(found, tf.float32)
    hits, both = (tf.reduce_sum(one, axis=[1, 2]) for one in (true * predicted, true + predicted))
    return tf.where(both > 0, 2 * hits / tf.maximum(both, 1.0), 1.0)


def mask_answers(
    targets: npt.NDArray[np.uint8],
    *,
    validation_targets: npt.NDArray[np.uint8],
    num_outputs: int,
    loss: str = LOSSES[0],
    num_copies: int = 1,
) -> Answers:
    """Returns the answers of a network with a mask as its output.

    Args:
        targets: The masks that are learned from, shape (n, height, width, 1).
        validation_targets: Those of the validation pictures, shape (m, height, width, 1).
        num_outputs: Number of a network's outputs for each pixel.
        loss: One of `LOSSES`.
        num_copies: Of how many copies of the examples the targets consist, one after the other.
    """
    return Answers(
        targets=targets,
        num_copies=num_copies,
        loss=MaskLoss(loss, num_outputs=num_outputs),
        score=StepScore("dice", dice_of_each),
        validation_targets=validation_targets,
        measure=measure,
    )
