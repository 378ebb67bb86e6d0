"""Which trained candidates are better together: greedy selection over their predictions.

Forward selection with replacement and sorted initialization (Caruana et al. 2004, "Ensemble selection from libraries of
models", doi:10.1145/1015330.1015432), averaged over bags of candidates, so that few lucky predictions decide less
(Caruana et al. 2006, "Getting the most out of ensemble selection", doi:10.1109/ICDM.2006.76).

Whatever a search is to improve, cross-entropy selects: the best of hundreds by accuracy were lucky with some of the
very pictures that they are selected by, and cross-entropy sees more of each picture than right or wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kevo.tasks.outputs.classes.evaluation import cross_entropy

_NUM_STEPS = 15
"""How many times a candidate is added; the best moment on the way counts."""
_DECIMALS = 6
"""Cross-entropies that differ by less are the same."""
_HALF_PRECISION = 1e-3
"""How far two probabilities may be apart that are the same."""
_LARGEST_DEVIATION = 0.01
"""How far the probabilities of a picture may be from 1 together: half precision over a thousand classes."""


def select(
    predictions: Sequence[npt.NDArray[np.floating]],
    labels: npt.NDArray[np.integer],
    *,
    seed: int = 0,
    max_members: int = 5,
    num_bags: int = 10,
) -> npt.NDArray[np.float64]:
    """Weighs candidates so that the weighted mean of their predictions has the lowest cross-entropy.

    Args:
        predictions: For each candidate its class probabilities, shape (n, num_classes), of pictures that it did not
            train on.
        labels: True classes as indices, shape (n,).
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
        >>> select([first, second], np.array([0, 1]))
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
        weights[bag] += _greedy(library[bag], labels, max_members=max_members)
    # Every bag has members of its own: only those that most of them want stay.
    weights[np.argsort(-weights, kind="stable")[max_members:]] = 0.0
    weights /= weights.sum()
    singles = [_loss(one, labels) for one in library]
    if _loss(np.tensordot(weights, library, 1), labels) < min(singles):
        return weights
    single: npt.NDArray[np.float64] = np.eye(num)[singles.index(min(singles))]
    return single


def _distinct(predictions: Sequence[npt.NDArray[np.floating]]) -> list[int]:
    """Returns the places of predictions that are not the same as earlier ones: a twin adds nothing but its cost."""
    places: list[int] = []
    for place, one in enumerate(predictions):
        if not any(np.allclose(one, predictions[other], rtol=0.0, atol=_HALF_PRECISION) for other in places):
            places.append(place)
    return places


def _greedy(
    library: npt.NDArray[np.float32], labels: npt.NDArray[np.integer], *, max_members: int
) -> npt.NDArray[np.float64]:
    singles = [_loss(one, labels) for one in library]
    order = sorted(range(len(library)), key=singles.__getitem__)
    # Beginning with several of the best makes it less likely that a lucky pair decides.
    starts = [order[:num] for num in range(1, min(max_members, len(order)) + 1)]
    path = [(_loss(library[start].mean(axis=0), labels), start) for start in starts]
    _, members = min(path, key=itemgetter(0))
    total = library[members].sum(axis=0, dtype=np.float64)
    for _ in range(_NUM_STEPS):
        allowed = order if len(set(members)) < max_members else [one for one in order if one in members]
        steps = [(_loss((total + library[one]) / (len(members) + 1), labels), [*members, one]) for one in allowed]
        path.append(min(steps, key=itemgetter(0)))
        _, members = path[-1]
        total += library[members[-1]]
    # Of equals the smallest.
    _, members = min(path, key=itemgetter(0))
    return np.bincount(members, minlength=len(library)) / len(members)


def _loss(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    return round(cross_entropy(probabilities, labels), _DECIMALS)


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
