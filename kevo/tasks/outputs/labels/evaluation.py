"""How good several labels at once are: average precision, F1 by threshold, and both label by label."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

THRESHOLD = 0.5
"""A label is taken to be there from this probability on."""
_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_CONFIDENCE = 0.95
_NUM_RESAMPLES = 500
_MAX_RESAMPLED = 20_000_000
"""Probabilities that are drawn for an interval, all resamples together."""


@dataclass(frozen=True, slots=True)
class LabelEvaluation:
    """Scores of several labels at once on one split.

    Args:
        num_examples: So many were scored.
        average_precision: The mean over all labels that some example has (macro).
        macro_f1: The mean F1 of the labels, where each counts from a probability of 0.5 on.
        micro_f1: F1 of all labels of all examples together.
        binary_cross_entropy: The mean over examples and labels.
        prevalence: The average precision of a guess: the mean share of examples with a label.
        interval: 95 % bootstrap interval of `average_precision`.
        by_label: For each label its average precision; 0 for one that no example has.
        precision: For each label; 0 for one that is never predicted.
        recall: For each label; 0 for one that no example has.
        support: For each label the number of examples that have it.
        by_threshold: Threshold, micro F1 and macro F1, for several thresholds.
        further: The objective's score, by its name, where it is none of these.
    """

    num_examples: int
    average_precision: float
    macro_f1: float
    micro_f1: float
    binary_cross_entropy: float
    prevalence: float
    interval: tuple[float, float]
    by_label: dict[str, float]
    precision: dict[str, float]
    recall: dict[str, float]
    support: dict[str, int]
    by_threshold: tuple[tuple[float, float, float], ...]
    further: dict[str, float] = field(default_factory=dict)

    def value(self, metric: str) -> float:
        """`average_precision`, `macro_f1`, `micro_f1`, `binary_cross_entropy` or the objective's score."""
        return self.further[metric] if metric in self.further else float(getattr(self, metric))

    @property
    def num_judged(self) -> int:
        """All: none says what another does."""
        return self.num_examples

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, in the order of the outputs."""
        return tuple(self.support)

    def uninformed(self, metric: str) -> float | None:
        """The average precision of a guess; of other scores it is not known."""
        return self.prevalence if metric == "average_precision" else None

    @property
    def is_chance(self) -> bool:
        """Whether a guess may be as good: the interval goes down to its average precision."""
        return self.interval[0] <= self.prevalence

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values, from which `parse` makes the same scores."""
        return dataclasses.asdict(self)


def evaluate(
    probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.floating], *, names: Sequence[str]
) -> LabelEvaluation:
    """Scores predicted probabilities against the labels that are there.

    Args:
        probabilities: Shape (n, num_labels).
        labels: 1 where an example has a label, and else 0; shape (n, num_labels).
        names: The labels, in the order of the outputs.

    Example:
        >>> evaluate(np.array([[0.9, 0.2], [0.1, 0.6]]), np.array([[1, 0], [0, 1]]), names=["a", "b"]).macro_f1
        1.0
    """
    each = average_precisions(probabilities, labels)
    is_there = labels.any(axis=0)
    rng = np.random.default_rng(0)
    num = max(100, min(_NUM_RESAMPLES, _MAX_RESAMPLED // probabilities.size))
    found = []
    for _ in range(num):
        rows = rng.integers(len(labels), size=len(labels))
        found.append(macro_average_precision(probabilities[rows], labels[rows]))
    low, high = np.quantile(found, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2]).tolist()
    hits, predicted, support = _counts(probabilities, labels, THRESHOLD)
    return LabelEvaluation(
        num_examples=len(labels),
        average_precision=float(each[is_there].mean()) if is_there.any() else 0.0,
        macro_f1=macro_f1(probabilities, labels),
        micro_f1=_micro_f1(probabilities, labels, THRESHOLD),
        binary_cross_entropy=binary_cross_entropy(probabilities, labels),
        prevalence=float(labels.mean(axis=0)[is_there].mean()) if is_there.any() else 0.0,
        interval=(low, high),
        by_label=_named(names, each),
        precision=_named(names, hits / np.maximum(predicted, 1)),
        recall=_named(names, hits / np.maximum(support, 1)),
        support={name: int(value) for name, value in zip(names, support, strict=True)},
        by_threshold=tuple(
            (one, _micro_f1(probabilities, labels, one), macro_f1(probabilities, labels, threshold=one))
            for one in _THRESHOLDS
        ),
    )


def average_precisions(
    probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Returns for each label the mean precision over the examples that have it, by descending probability.

    Examples of the same probability count together. A label that no example has gets 0.

    Args:
        probabilities: Shape (n, num_labels).
        labels: 1 or 0, shape (n, num_labels).

    Example:
        >>> average_precisions(np.array([[0.9], [0.8], [0.7]]), np.array([[1], [0], [1]])).round(3).tolist()
        [0.833]
    """
    found = np.zeros(labels.shape[1])
    for place in range(labels.shape[1]):
        order = np.argsort(-probabilities[:, place], kind="stable")
        sorted_, true = probabilities[order, place], labels[order, place].astype(np.float64)
        if not true.any():
            continue
        # Where a run of equal probabilities ends, all of it has been predicted.
        ends = np.flatnonzero(np.append(np.diff(sorted_) != 0, True))
        hits = true.cumsum()[ends]
        gained = np.diff(hits, prepend=0.0)
        found[place] = float((gained * hits / (ends + 1)).sum() / true.sum())
    return found


def macro_average_precision(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.floating]) -> float:
    """Returns the mean average precision of the labels that some example has; 0 where no label is there."""
    is_there = labels.any(axis=0)
    if not is_there.any():
        return 0.0
    return float(average_precisions(probabilities[:, is_there], labels[:, is_there]).mean())


def macro_f1(
    probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.floating], *, threshold: float = THRESHOLD
) -> float:
    """Returns the mean F1 of the labels; one that is neither there nor predicted has 0."""
    hits, predicted, support = _counts(probabilities, labels, threshold)
    return float((2 * hits / np.maximum(predicted + support, 1)).mean())


def binary_cross_entropy(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.floating]) -> float:
    """Returns the mean negative logarithm of what was right, finite also where that had no probability."""
    right = np.where(labels > 0, probabilities, 1 - probabilities).astype(np.float64)
    return float(-np.log(np.clip(right, np.finfo(np.float32).eps, 1.0)).mean())


def measure(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[Any]) -> dict[str, float]:
    """Returns the metrics of the `OBJECTIVES`; shapes as for `evaluate`."""
    return {
        "val_average_precision": macro_average_precision(probabilities, labels),
        "val_macro_f1": macro_f1(probabilities, labels),
        "val_binary_cross_entropy": binary_cross_entropy(probabilities, labels),
    }


def parse(values: Mapping[str, Any]) -> LabelEvaluation:
    """Reads scores of `LabelEvaluation.to_json`'s, and refuses inconsistent ones: pages are made of them.

    Raises:
        LookupError, TypeError, ValueError: these are no scores of labels.
    """
    support = {str(name): int(count) for name, count in values["support"].items()}
    low, high = values["interval"]

    def by_label(part: str) -> dict[str, float]:
        return {name: _finite(values[part][name]) for name in support}

    scores = LabelEvaluation(
        num_examples=int(values["num_examples"]),
        average_precision=_finite(values["average_precision"]),
        macro_f1=_finite(values["macro_f1"]),
        micro_f1=_finite(values["micro_f1"]),
        binary_cross_entropy=_finite(values["binary_cross_entropy"]),
        prevalence=_finite(values["prevalence"]),
        interval=(_finite(low), _finite(high)),
        by_label=by_label("by_label"),
        precision=by_label("precision"),
        recall=by_label("recall"),
        support=support,
        by_threshold=tuple(
            (_finite(threshold), _finite(micro), _finite(macro)) for threshold, micro, macro in values["by_threshold"]
        ),
        further={str(name): _finite(value) for name, value in values.get("further", {}).items()},
    )
    if not support or scores.num_examples < 1 or max(support.values()) > scores.num_examples:
        raise ValueError("there is no label or no example, or a label has more examples than there are")
    if not 0 <= scores.average_precision <= 1:
        raise ValueError("the average precision does not lie between 0 and 1")
    return scores


def _micro_f1(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.floating], threshold: float) -> float:
    hits, predicted, support = (one.sum() for one in _counts(probabilities, labels, threshold))
    return float(2 * hits / max(predicted + support, 1))


def _counts(
    probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.floating], threshold: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns for each label how often it is rightly predicted, predicted, and there."""
    is_predicted, is_there = probabilities >= threshold, labels > 0
    return (is_predicted & is_there).sum(axis=0), is_predicted.sum(axis=0), is_there.sum(axis=0)


def _named(names: Sequence[str], values: npt.NDArray[np.floating]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a number, got {value}")
    return number
