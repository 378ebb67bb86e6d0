"""How good a classifier is: accuracy, macro F1, per-class precision and recall, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
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
    likelihood = np.clip(probabilities[np.arange(len(labels)), labels], np.finfo(np.float32).eps, 1.0)
    return Evaluation(
        num_pictures=len(labels),
        accuracy=float(metrics.accuracy_score(labels, predicted)),
        macro_f1=float(f1.mean()),
        cross_entropy=float(-np.log(likelihood).mean()),
        precision={name: float(value) for name, value in zip(class_names, precision, strict=True)},
        recall={name: float(value) for name, value in zip(class_names, recall, strict=True)},
        support={name: int(value) for name, value in zip(class_names, support, strict=True)},
        confusion=metrics.confusion_matrix(labels, predicted, labels=indices).tolist(),
    )
