"""How good a classifier is: accuracy, macro F1, per-class precision and recall, and the confusion matrix."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

_CONFIDENCE = 0.95
_MOST_NAMED = 5
_LARGEST_DEVIATION = 0.01
"""How far the probabilities of an example may be from 1 together: half precision over a thousand classes."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a classifier on one split.

    `num_examples` were scored. `precision`, `recall` and `support` hold one number for each class, in the order of the
    outputs; `confusion` is (num_classes, num_classes), true classes in rows. A class that was never predicted has
    precision 0. Macro means are over all classes that the classifier knows. `further` has the objective's score, by its
    name, where it is none of these.
    """

    num_examples: int
    accuracy: float
    macro_f1: float
    cross_entropy: float
    precision: dict[str, float]
    recall: dict[str, float]
    support: dict[str, int]
    confusion: list[list[int]]
    further: dict[str, float] = field(default_factory=dict)

    def value(self, metric: str) -> float:
        """`accuracy`, `macro_f1`, `cross_entropy` or the objective's score."""
        return self.further[metric] if metric in self.further else float(getattr(self, metric))

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values, from which `parse` makes the same scores."""
        return dataclasses.asdict(self)

    @property
    def num_judged(self) -> int:
        """All: none says what another does."""
        return self.num_examples

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in the order of the outputs."""
        return tuple(self.support)

    @property
    def macro_precision(self) -> float:
        """The mean precision of the classes."""
        return float(np.mean(list(self.precision.values())))

    @property
    def macro_recall(self) -> float:
        """The mean recall of the classes; one that has no example has 0."""
        return float(np.mean(list(self.recall.values())))

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that have examples."""
        return float(np.mean([self.recall[name] for name, count in self.support.items() if count]))

    @property
    def f1(self) -> dict[str, float]:
        """For each class the harmonic mean of precision and recall; 0 for one that is neither there nor predicted."""
        confusion = np.array(self.confusion)
        there = confusion.sum(axis=0) + confusion.sum(axis=1)
        return dict(zip(self.support, (2 * confusion.diagonal() / np.maximum(there, 1)).tolist(), strict=True))

    @property
    def sensitivity(self) -> float | None:
        """The share of the second class's examples that are found: of two classes, the second is the positive one.

        `None` where there are not two classes, or the second has no example.
        """
        return self._recall_of_two(1)

    @property
    def specificity(self) -> float | None:
        """The share of the first class's examples that are found: of two classes, the first is the negative one.

        `None` where there are not two classes, or the first has no example.
        """
        return self._recall_of_two(0)

    def _recall_of_two(self, index: int) -> float | None:
        if len(self.confusion) != 2 or not (count := sum(self.confusion[index])):
            return None
        return self.confusion[index][index] / count

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson score interval of the accuracy.

        It allows for chance in the choice of the examples, and for nothing else (Wilson 1927, "Probable inference, the
        law of succession, and statistical inference", doi:10.1080/01621459.1927.10502953).
        """
        return _interval(self.accuracy, self.num_examples)

    @property
    def most_frequent(self) -> tuple[str, float]:
        """The class with the most examples, and its share: the accuracy of who always answers with it."""
        name = max(self.support, key=self.support.__getitem__)
        return name, self.support[name] / self.num_examples

    def uninformed(self, metric: str) -> float | None:
        """What always answering with the most frequent class, or with the classes' shares, would score."""
        _, share = self.most_frequent
        if metric == "accuracy":
            return share
        if metric == "macro_f1":
            return 2 * share / (1 + share) / len(self.support)
        if metric == "cross_entropy":
            shares = [num / self.num_examples for num in self.support.values() if num]
            return -sum(one * math.log(one) for one in shares)
        # The same answer to all finds one class and no other, and puts no example before another.
        return {"balanced_accuracy": 1 / sum(map(bool, self.support.values())), "roc_auc": 0.5}.get(metric)

    @property
    def is_chance(self) -> bool:
        """Whether always answering with the most frequent class may be as good: the interval goes down to its share.

        So few examples that even all of them right would not tell are no reason to doubt an accuracy above that share.
        """
        _, share = self.most_frequent
        least, _ = _interval(1.0, self.num_examples)
        return self.accuracy <= share or least > share >= self.interval[0]


def _interval(accuracy: float, num_examples: int) -> tuple[float, float]:
    """Returns between what an accuracy lies with a confidence of 95 %."""
    square = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2) ** 2
    center = accuracy + square / (2 * num_examples)
    half = math.sqrt(square * (accuracy * (1 - accuracy) / num_examples + square / (4 * num_examples**2)))
    low, high = ((center + sign * half) / (1 + square / num_examples) for sign in (-1, 1))
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
    from sklearn import metrics

    predicted = probabilities.argmax(axis=1)
    indices = np.arange(len(class_names))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=indices, zero_division=0.0
    )
    return Evaluation(
        num_examples=len(labels),
        accuracy=float(metrics.accuracy_score(labels, predicted)),
        macro_f1=float(f1.mean()),
        cross_entropy=cross_entropy(probabilities, labels),
        precision={name: float(value) for name, value in zip(class_names, precision, strict=True)},
        recall={name: float(value) for name, value in zip(class_names, recall, strict=True)},
        support={name: int(value) for name, value in zip(class_names, support, strict=True)},
        confusion=metrics.confusion_matrix(labels, predicted, labels=indices).tolist(),
    )


def remarks(scores: Evaluation, *, examples: str) -> list[str]:
    """Says which classes are never predicted, and what to do.

    Args:
        scores: Scores on the test split.
        examples: What examples are called, in the plural.
    """
    never = [
        name
        for place, (name, num) in enumerate(scores.support.items())
        if num and not any(row[place] for row in scores.confusion)
    ]
    if not never:
        return []
    more = f" and {len(never) - _MOST_NAMED} more" if len(never) > _MOST_NAMED else ""
    return [
        f"Never predicted on the test split: {', '.join(map(repr, never[:_MOST_NAMED]))}{more}. The objective macro_f1 "
        f"counts every class the same (--objective macro_f1); more {examples} of the rare classes help most."
    ]


def accuracy(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    """Returns the accuracy: the share of examples with the true class as the likeliest one."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def macro_f1(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    """Returns the mean F1 of the classes; one that is neither there nor predicted has 0."""
    predicted, num_classes = probabilities.argmax(axis=1), probabilities.shape[1]
    hits = np.bincount(labels[predicted == labels], minlength=num_classes)
    there = np.bincount(labels, minlength=num_classes) + np.bincount(predicted, minlength=num_classes)
    return float((2 * hits / np.maximum(there, 1)).mean())


def are_probabilities(outputs: npt.NDArray[np.floating]) -> bool:
    """Returns whether each row of an array, shape (n, num_classes), holds probabilities that sum to 1."""
    return bool((outputs >= 0).all() and (abs(outputs.sum(axis=1) - 1) < _LARGEST_DEVIATION).all())


def cross_entropy(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    """Returns the mean negative logarithm of the true classes' probabilities, finite also where one is 0.

    Args:
        probabilities: Shape (n, num_classes).
        labels: True classes as indices, shape (n,).

    Raises:
        ValueError: the shapes do not fit.
    """
    if probabilities.ndim != 2 or probabilities.shape[:1] != labels.shape:
        raise ValueError(
            "`probabilities` must have the shape (number of labels, number of classes). "
            f"Received: {probabilities.shape} for labels of shape {labels.shape}."
        )
    likelihood = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(likelihood, np.finfo(np.float32).eps, 1.0)).mean())


def parse(values: Mapping[str, Any]) -> Evaluation:
    """Reads scores of `Evaluation.to_json`'s, and refuses inconsistent ones: pages are made of them.

    Raises:
        LookupError, TypeError, ValueError: these are no scores of a classifier.
    """
    support = {str(name): int(count) for name, count in values["support"].items()}
    confusion = [[int(count) for count in row] for row in values["confusion"]]
    scores = Evaluation(
        num_examples=int(values["num_examples"]),
        accuracy=_finite(values["accuracy"]),
        macro_f1=_finite(values["macro_f1"]),
        cross_entropy=_finite(values["cross_entropy"]),
        precision={name: _finite(values["precision"][name]) for name in support},
        recall={name: _finite(values["recall"][name]) for name in support},
        support=support,
        confusion=confusion,
        further={str(name): _finite(value) for name, value in values.get("further", {}).items()},
    )
    if not support or [sum(row) for row in confusion] != list(support.values()):
        raise ValueError("the rows of `confusion` do not sum to `support`")
    if {len(row) for row in confusion} != {len(support)} or min(map(min, confusion)) < 0:
        raise ValueError("`confusion` must hold a row and a column for each class")
    if sum(support.values()) != scores.num_examples or not 0 <= scores.accuracy <= 1 or scores.num_examples < 1:
        raise ValueError("the number of examples or the accuracy contradicts `confusion`")
    return scores


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a number, got {value}")
    return number
