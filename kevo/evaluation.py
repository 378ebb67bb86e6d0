"""How good a classifier is: accuracy, macro F1, per-class precision and recall, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn import metrics


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a classifier on one split.

    `precision`, `recall` and `support` hold one number for each class, in the order of the outputs; `confusion` is
    (num_classes, num_classes), true classes in rows. A class that was never predicted has precision 0.
    """

    num_pictures: int
    accuracy: float
    macro_f1: float
    cross_entropy: float
    precision: dict[str, float]
    recall: dict[str, float]
    support: dict[str, int]
    confusion: list[list[int]]


def evaluate(
    probabilities: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    *,
    class_names: Sequence[str],
) -> Evaluation:
    """Scores predicted class probabilities against the true classes.

    Args:
        probabilities: Shape (n, num_classes).
        labels: True classes as indices, shape (n,).
        class_names: Names of the classes, in the order of the outputs.

    Example:
        >>> import numpy as np
        >>> evaluate(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]), class_names=["cat", "dog"]).accuracy
        0.5
    """
    predicted = probabilities.argmax(axis=1)
    indices = np.arange(len(class_names))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=indices, zero_division=0.0
    )
    return Evaluation(
        num_pictures=len(labels),
        accuracy=float(metrics.accuracy_score(labels, predicted)),
        macro_f1=float(f1.mean()),
        cross_entropy=cross_entropy(probabilities, labels),
        precision={name: float(value) for name, value in zip(class_names, precision, strict=True)},
        recall={name: float(value) for name, value in zip(class_names, recall, strict=True)},
        support={name: int(value) for name, value in zip(class_names, support, strict=True)},
        confusion=metrics.confusion_matrix(labels, predicted, labels=indices).tolist(),
    )


def accuracy(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    """Returns the share of pictures whose likeliest class is the true one."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def macro_f1(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    """Returns the mean F1 of the classes; one that is neither there nor predicted has 0."""
    predicted, num_classes = probabilities.argmax(axis=1), probabilities.shape[1]
    hits = np.bincount(labels[predicted == labels], minlength=num_classes)
    there = np.bincount(labels, minlength=num_classes) + np.bincount(predicted, minlength=num_classes)
    return float((2 * hits / np.maximum(there, 1)).mean())


def cross_entropy(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    """Returns the mean negative logarithm of the true classes' probabilities, finite also where one is 0."""
    likelihood = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(likelihood, np.finfo(np.float32).eps, 1.0)).mean())


SCORES: Mapping[str, Callable[[npt.NDArray[np.floating], npt.NDArray[np.integer]], float]] = {
    "val_accuracy": accuracy,
    "val_macro_f1": macro_f1,
    "val_cross_entropy": lambda probabilities, labels: -cross_entropy(probabilities, labels),
}
"""For the metric of each objective its value alone, quickly; greater is better."""
