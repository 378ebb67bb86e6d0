"""Which trained candidates are better together: greedy selection over their predictions.

Forward selection with replacement and sorted initialization (Caruana et al. 2004, "Ensemble selection from libraries of
models", doi:10.1145/1015330.1015432), averaged over bags of candidates, so that few lucky predictions decide less
(Caruana et al. 2006, "Getting the most out of ensemble selection", doi:10.1109/ICDM.2006.76).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kevo import evaluation

Score = Callable[[npt.NDArray[np.floating], npt.NDArray[np.integer]], float]
"""From probabilities and labels to what is to be improved; greater is better."""

_NUM_STEPS = 15
"""How many times a candidate is added; the best moment on the way counts."""
_DECIMALS = 6
"""Scores that differ by less are the same."""
_HALF_PRECISION = 1e-3
"""How far two probabilities may be apart that are the same."""
_LARGEST_DEVIATION = 0.01
"""How far the probabilities of a picture may be from 1 together: half precision over a thousand classes."""


def select(
    predictions: Sequence[npt.NDArray[np.floating]],
    labels: npt.NDArray[np.integer],
    *,
    score: Score,
    seed: int = 0,
    max_members: int = 5,
    num_bags: int = 10,
) -> npt.NDArray[np.float64]:
    """Weighs candidates so that the weighted mean of their predictions scores best.

    Args:
        predictions: For each candidate its class probabilities, shape (n, num_classes), of pictures that it did not
            train on.
        labels: True classes as indices, shape (n,).
        score: What to improve. Equals are told apart by their cross-entropy.
        seed: Seed of the bags.
        max_members: How many candidates may have a weight.
        num_bags: How many times to select, each time from a random half of the candidates, but never from fewer than
            `max_members`; where there are no more than that, once is enough.

    Returns:
        A weight for each candidate, shape (num_candidates,), that sum to 1. Where no mean of several is better than the
        best single candidate, that one has weight 1; of equals the first.

    Raises:
        ValueError: there are no predictions, they differ in shape, or do not fit the labels.

    Example:
        >>> first, second = np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([[0.4, 0.6], [0.1, 0.9]])
        >>> select([first, second], np.array([0, 1]), score=evaluation.SCORES["val_accuracy"])
        array([0.5, 0.5])
    """
    shapes = {np.shape(one) for one in predictions}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 2 or shape[:1] != np.shape(labels):
        raise ValueError(
            "`predictions` must be arrays of one shape, (number of labels, number of classes). "
            f"Received: {[np.shape(one) for one in predictions]} for labels of shape {np.shape(labels)}."
        )
    num, places = len(predictions), _distinct(predictions)
    if len(places) < num:
        weights = np.zeros(num)
        weights[places] = select(
            [predictions[place] for place in places],
            labels,
            score=score,
            seed=seed,
            max_members=max_members,
            num_bags=num_bags,
        )
        return weights
    library = np.stack([one.astype(np.float32) for one in predictions])
    bags = [np.arange(num)]
    if (size := max(max_members, -(-num // 2))) < num:
        rng = np.random.default_rng(seed)
        bags = [np.sort(rng.choice(num, size, replace=False)) for _ in range(num_bags)]
    weights = np.zeros(num)
    for bag in bags:
        weights[bag] += _greedy(library[bag], labels, score=score, max_members=max_members)
    # Every bag has members of its own: only those that most of them want stay.
    weights[np.argsort(-weights, kind="stable")[max_members:]] = 0.0
    weights /= weights.sum()
    singles = [_rank(one, labels, score) for one in library]
    if _rank(np.tensordot(weights, library, 1), labels, score) > max(singles):
        return weights
    single: npt.NDArray[np.float64] = np.eye(num)[singles.index(max(singles))]
    return single


def _distinct(predictions: Sequence[npt.NDArray[np.floating]]) -> list[int]:
    """Returns the places of predictions that are not the same as earlier ones: a twin adds nothing but its cost."""
    places: list[int] = []
    for place, one in enumerate(predictions):
        if not any(np.allclose(one, predictions[other], rtol=0.0, atol=_HALF_PRECISION) for other in places):
            places.append(place)
    return places


def _greedy(
    library: npt.NDArray[np.float32], labels: npt.NDArray[np.integer], *, score: Score, max_members: int
) -> npt.NDArray[np.float64]:
    singles = [_rank(one, labels, score) for one in library]
    order = sorted(range(len(library)), key=singles.__getitem__, reverse=True)
    # Beginning with several of the best makes it less likely that a lucky pair decides.
    starts = [order[:num] for num in range(1, min(max_members, len(order)) + 1)]
    path = [(_rank(library[start].mean(axis=0), labels, score), start) for start in starts]
    _, members = max(path, key=_by_rank)
    total = library[members].sum(axis=0, dtype=np.float64)
    for _ in range(_NUM_STEPS):
        allowed = order if len(set(members)) < max_members else [one for one in order if one in members]
        steps = [
            (_rank((total + library[one]) / (len(members) + 1), labels, score), [*members, one]) for one in allowed
        ]
        path.append(max(steps, key=_by_rank))
        _, members = path[-1]
        total += library[members[-1]]
    # Of equals the smallest.
    _, members = max(path, key=_by_rank)
    return np.bincount(members, minlength=len(library)) / len(members)


def _rank(
    probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], score: Score
) -> tuple[float, float]:
    value, loss = score(probabilities, labels), evaluation.cross_entropy(probabilities, labels)
    return round(value, _DECIMALS), -round(loss, _DECIMALS)


def _by_rank(step: tuple[tuple[float, float], list[int]]) -> tuple[float, float]:
    return step[0]


def read_predictions(path: Path, *, shape: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
    """Reads class probabilities that were kept with `numpy.save` in half precision.

    Args:
        path: The file, which may come from someone else: nothing in it is executed.
        shape: What to expect, (n, num_classes).

    Returns:
        The probabilities; `None` where the file is missing, damaged or holds something else.
    """
    try:
        # As a map, a header that promises terabytes costs none.
        mapped = np.lib.format.open_memmap(path, mode="r")
        if mapped.shape != shape or mapped.dtype != np.float16:
            return None
        stored = mapped.astype(np.float32)
    except (ArithmeticError, LookupError, OSError, SyntaxError, TypeError, ValueError):
        return None
    is_whole = (stored >= 0).all() and (abs(stored.sum(axis=1) - 1) < _LARGEST_DEVIATION).all()
    return stored if is_whole else None
