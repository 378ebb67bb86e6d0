"""How good a classifier is: accuracy, macro F1, per-class precision and recall, and the confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from sklearn import metrics

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a classifier on one split.

    `precision`, `recall` and `support` hold one number for each class, in the order of the outputs; `confusion` is
    (num_classes, num_classes), true classes in rows. A class that was never predicted has precision 0. Macro means are
    over all classes that the classifier knows.
    """

    num_pictures: int
    accuracy: float
    macro_f1: float
    cross_entropy: float
    precision: dict[str, float]
    recall: dict[str, float]
    support: dict[str, int]
    confusion: list[list[int]]

    @property
    def macro_precision(self) -> float:
        """The mean precision of the classes."""
        return float(np.mean(list(self.precision.values())))

    @property
    def macro_recall(self) -> float:
        """The mean recall of the classes; one that has no picture has 0."""
        return float(np.mean(list(self.recall.values())))

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that have pictures, whatever their number."""
        return float(np.mean([self.recall[name] for name, count in self.support.items() if count]))

    @property
    def f1(self) -> dict[str, float]:
        """For each class the harmonic mean of precision and recall; 0 for one that is neither there nor predicted."""
        confusion = np.array(self.confusion)
        there = confusion.sum(axis=0) + confusion.sum(axis=1)
        return dict(zip(self.support, (2 * confusion.diagonal() / np.maximum(there, 1)).tolist(), strict=True))

    @property
    def sensitivity(self) -> float | None:
        """The share of the second class's pictures that are found: of two classes, the second is the positive one.

        `None` where there are not two classes, or the second has no picture.
        """
        return self._recall_of_two(1)

    @property
    def specificity(self) -> float | None:
        """The share of the first class's pictures that are found: of two classes, the first is the negative one.

        `None` where there are not two classes, or the first has no picture.
        """
        return self._recall_of_two(0)

    def _recall_of_two(self, index: int) -> float | None:
        if len(self.confusion) != 2 or not (count := sum(self.confusion[index])):
            return None
        return self.confusion[index][index] / count

    @property
    def interval(self) -> tuple[float, float]:
        """Between what the accuracy on all such pictures lies, with a confidence of 95 %.

        The score interval (Wilson 1927, "Probable inference, the law of succession, and statistical inference",
        doi:10.1080/01621459.1927.10502953). It knows of chance in the choice of the pictures, and of nothing else.
        """
        num, square = self.num_pictures, NormalDist().inv_cdf((1 + _CONFIDENCE) / 2) ** 2
        center = self.accuracy + square / (2 * num)
        half = math.sqrt(square * (self.accuracy * (1 - self.accuracy) / num + square / (4 * num**2)))
        low, high = ((center + sign * half) / (1 + square / num) for sign in (-1, 1))
        # Rounding may leave either end a hair outside.
        return max(0.0, low), min(1.0, high)


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
