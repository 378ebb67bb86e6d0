"""Scores of class probabilities by rank: the area under the ROC curve, average precision, the true class among five."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kevo.tasks.outputs.labels.evaluation import average_precisions

_NUM_LIKELIEST = 5
_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_MOST_POINTS = 200

Probabilities = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]


def balanced_accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """Returns the mean recall of the classes that have examples.

    Args:
        probabilities: Shape (n, num_classes).
        labels: True classes as indices, shape (n,).

    Example:
        >>> balanced_accuracy(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), np.array([0, 1, 1]))
        0.75
    """
    is_right, count = probabilities.argmax(axis=1) == labels, np.bincount(labels)
    hits = np.bincount(labels[is_right], minlength=len(count))
    return float((hits[count > 0] / count[count > 0]).mean())


def roc_aucs(probabilities: Probabilities, labels: Labels) -> npt.NDArray[np.float64]:
    """Returns for each class the area under the ROC curve of that class against all others.

    It is the chance that an example of the class gets a higher probability of it than another example (Hanley and
    McNeil 1982, doi:10.1148/radiology.143.1.7063747). NaN for a class that no example, or every one, has.

    Args:
        probabilities: Shape (n, num_classes).
        labels: True classes as indices, shape (n,).
    """
    from scipy.stats import rankdata

    is_there = labels[:, None] == np.arange(probabilities.shape[1])
    num = is_there.sum(axis=0)
    pairs = num * (len(labels) - num)
    ranks = (rankdata(probabilities, axis=0) * is_there).sum(axis=0)
    return np.where(pairs > 0, (ranks - num * (num + 1) / 2) / np.maximum(pairs, 1), np.nan)


def roc_auc(probabilities: Probabilities, labels: Labels) -> float:
    """Returns the mean area of the classes for which there is one; 0.5 where there is none. Arguments as before.

    Example:
        >>> roc_auc(np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4]]), np.array([0, 1, 1]))
        1.0
    """
    areas = roc_aucs(probabilities, labels)
    return 0.5 if np.isnan(areas).all() else float(np.nanmean(areas))


def average_precision(probabilities: Probabilities, labels: Labels) -> float:
    """Returns the mean average precision of the classes that have examples; arguments as before.

    Example:
        >>> average_precision(np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4]]), np.array([0, 1, 1]))
        1.0
    """
    there = np.unique(labels)
    return float(average_precisions(probabilities[:, there], labels[:, None] == there).mean())


def top_5(probabilities: Probabilities, labels: Labels) -> float:
    """Returns the share of examples whose true class is among the five likeliest; arguments as before.

    Example:
        >>> top_5(np.eye(6)[[0, 0]], np.array([0, 5]))
        0.5
    """
    likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :_NUM_LIKELIEST]
    return float((likeliest == labels[:, None]).any(axis=1).mean())


def by_class(probabilities: Probabilities, labels: Labels, names: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Returns for each class its `roc_auc` and `average_precision`, `None` where there is none.

    Args:
        probabilities: Shape (n, num_classes).
        labels: True classes as indices, shape (n,).
        names: The classes, in the order of the probabilities.
    """
    areas = roc_aucs(probabilities, labels)
    is_there = labels[:, None] == np.arange(len(names))
    precisions = average_precisions(probabilities, is_there)
    return {
        name: {
            "roc_auc": None if np.isnan(areas[place]) else float(areas[place]),
            "average_precision": float(precisions[place]) if is_there[:, place].any() else None,
        }
        for place, name in enumerate(names)
    }


def thresholds(probabilities: Probabilities, labels: Labels) -> list[dict[str, float]]:
    """Returns how well the second of two classes is told from the first, if it is said from a threshold on.

    Args:
        probabilities: Of the second class, shape (n,).
        labels: 1 for the second class, and else 0; shape (n,).

    Returns:
        Precision, recall, specificity and F1 for thresholds from 0.1 to 0.9; where there is nothing to divide by, 0.

    Example:
        >>> thresholds(np.array([0.2, 0.6, 0.9]), np.array([0, 0, 1]))[4]
        {'threshold': 0.5, 'precision': 0.5, 'recall': 1.0, 'specificity': 0.5, 'f1': 0.6666666666666666}
    """
    is_there, found = labels == 1, []
    for threshold in _THRESHOLDS:
        is_said = probabilities >= threshold
        hits, said, there = (int(one.sum()) for one in (is_said & is_there, is_said, is_there))
        spared = int((~is_said & ~is_there).sum())
        found.append(
            {
                "threshold": threshold,
                "precision": hits / max(said, 1),
                "recall": hits / max(there, 1),
                "specificity": spared / max(len(labels) - there, 1),
                "f1": 2 * hits / max(said + there, 1),
            }
        )
    return found


def roc(probabilities: Probabilities, labels: Labels) -> list[list[float]]:
    """Returns points of the ROC curve, 200 at most: threshold, false positive rate and true positive rate.

    Args:
        probabilities: Of the second of two classes, shape (n,).
        labels: 1 for the second class, and else 0; both occur; shape (n,).
    """
    from sklearn.metrics import roc_curve

    false, true, at = roc_curve(labels, probabilities)
    kept = np.unique(np.linspace(0, len(at) - 1, min(len(at), _MOST_POINTS)).round().astype(int))
    # The first point is where nothing is said.
    at[0] = 1.0
    return np.stack([at, false, true], axis=1)[kept].tolist()  # type: ignore[no-any-return]  # NumPy knows no better.
