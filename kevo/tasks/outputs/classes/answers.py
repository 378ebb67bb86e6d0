"""Answers of one class of several: indices, cross-entropy, accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.tasks.outputs.classes import evaluation
from kevo.training.answers import Answers, StepScore


def class_answers(
    labels: npt.NDArray[np.integer],
    *,
    validation_labels: npt.NDArray[np.integer],
    num_classes: int,
    class_weights: Mapping[int, float] | None = None,
    label_smoothing: float = 0.0,
) -> Answers:
    """Returns the answers of a classifier with class probabilities as outputs.

    Args:
        labels: True classes of the examples that are learned from, as indices, shape (n,).
        validation_labels: True classes of the validation examples, as indices, shape (m,).
        num_classes: How many classes there are.
        class_weights: How much an example of each class counts; `None` for equally.
        label_smoothing: The share of each target that is spread over all classes.
    """
    return Answers(
        # One-hot they would take a thousand times the room where there are a thousand classes.
        targets=labels.astype(np.int32),
        weights=None if class_weights is None else np.array([class_weights[label] for label in labels], np.float32),
        loss=_Crossentropy(label_smoothing=label_smoothing),
        score=StepScore("accuracy", _is_right),
        validation_targets=validation_labels,
        measure=measure,
    )


def measure(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[Any]) -> dict[str, float]:
    """Returns the metrics of the `OBJECTIVES`.

    Args:
        probabilities: Shape (n, num_classes).
        labels: True classes as indices, shape (n,).
    """
    return {
        "val_accuracy": evaluation.accuracy(probabilities, labels),
        "val_macro_f1": evaluation.macro_f1(probabilities, labels),
        "val_cross_entropy": evaluation.cross_entropy(probabilities, labels),
    }


class _Crossentropy(keras.losses.CategoricalCrossentropy):  # type: ignore[misc]  # Keras is not typed.
    """Cross-entropy with smoothed labels, of classes as indices."""

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return super().call(tf.one_hot(tf.cast(y_true, tf.int32), y_pred.shape[-1], dtype=y_pred.dtype), y_pred)


def _is_right(targets: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
    return tf.equal(tf.cast(targets, tf.int64), tf.argmax(probabilities, axis=-1))
