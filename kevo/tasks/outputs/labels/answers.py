"""Answers of several labels at once: a target of 0 or 1 for each, binary cross-entropy."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.tasks.outputs.labels.evaluation import THRESHOLD, measure
from kevo.training.answers import Answers, StepScore


def label_answers(
    labels: npt.NDArray[np.float32], *, validation_labels: npt.NDArray[np.float32], label_smoothing: float = 0.0
) -> Answers:
    """Returns the answers of a network with a probability for each label as its outputs.

    Args:
        labels: 1 where an example has a label, and else 0; shape (n, num_labels).
        validation_labels: The same of the validation examples.
        label_smoothing: The share of each target that is spread over yes and no.
    """
    return Answers(
        targets=labels,
        loss=keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing),
        score=StepScore("binary_accuracy", _share_right),
        validation_targets=validation_labels,
        measure=measure,
    )


def _share_right(targets: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
    is_right = tf.equal(targets >= THRESHOLD, probabilities >= THRESHOLD)
    return tf.reduce_mean(tf.cast(is_right, tf.float32), axis=-1)
