"""Which trained candidates are better together: greedy selection over their outputs.

Forward selection with replacement and sorted initialization (Caruana et al. 2004, "Ensemble selection from libraries of
models", doi:10.1145/1015330.1015432), averaged over bags of candidates, so that few lucky predictions decide less
(Caruana et al. 2006, "Getting the most out of ensemble selection", doi:10.1109/ICDM.2006.76).

Whatever a search is to improve, a continuous loss selects, such as cross-entropy: the best of hundreds by accuracy were
lucky with some of the very examples that they are selected by. A loss sees more of each example than right or wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter

import numpy as np
import numpy.typing as npt

Loss = Callable[[npt.NDArray[np.floating]], float]
"""Returns the loss of outputs for the same n examples, shape (n, ...); lower is better."""
_NUM_STEPS = 15
"""How many times a candidate is added; the best moment on the way counts."""
_DECIMALS = 6
"""Losses that are equal after so many decimals are the same."""
_HALF_PRECISION = 1e-3
"""Outputs that differ by less are the same."""


def select(
    outputs: Sequence[npt.NDArray[np.floating]],
    *,
    loss: Loss,
    seed: int = 0,
    max_members: int = 5,
    num_bags: int = 10,
) -> npt.NDArray[np.float64]:
    """Weighs candidates so that the weighted mean of their outputs has the lowest loss.

    Args:
        outputs: The outputs of each candidate for n examples that it did not train on, shape (n, ...).
        loss: What is to be low.
        seed: Seed of the bags.
        max_members: How many candidates may have a weight.
        num_bags: How many times to select, each time from a random half of the candidates, but never from fewer than
            `max_members`; where there are no more than that, once is enough.

    Returns:
        A weight for each candidate, shape (num_candidates,), that sum to 1. Where no mean of several is better than the
        best single candidate, that one has weight 1; of equals the first.

    Raises:
        ValueError: there are no outputs, or they differ in shape.

    Example:
        >>> first, second = np.array([[0.9], [0.2]]), np.array([[0.3], [0.6]])
        >>> select([first, second], loss=lambda mean: float(((mean - [[0.6], [0.4]]) ** 2).sum()))
        array([0.5, 0.5])
    """
    shapes = [np.shape(one) for one in outputs]
    if len(set(shapes)) != 1:
        raise ValueError(f"`outputs` must be arrays of one shape, (number of examples, ...). Received: {shapes}.")
    weights = np.zeros(len(outputs))
    distinct = _distinct(outputs)
    weights[distinct] = _select(
        np.stack([outputs[place].astype(np.float32) for place in distinct]),
        lambda mean: round(loss(mean), _DECIMALS),
        seed=seed,
        max_members=max_members,
        num_bags=num_bags,
    )
    return weights


def _select(
    library: npt.NDArray[np.float32],
    loss: Loss,
    *,
    seed: int,
    max_members: int,
    num_bags: int,
) -> npt.NDArray[np.float64]:
    num = len(library)
    bags = [np.arange(num)]
    if (size := max(max_members, -(-num // 2))) < num:
        rng = np.random.default_rng(seed)
        bags = [np.sort(rng.choice(num, size, replace=False)) for _ in range(num_bags)]
    weights = np.zeros(num)
    for bag in bags:
        weights[bag] += _greedy(library[bag], loss, max_members=max_members)
    # Every bag has members of its own: only those that most of them want stay.
    weights[np.argsort(-weights, kind="stable")[max_members:]] = 0.0
    weights /= weights.sum()
    singles = [loss(one) for one in library]
    if loss(np.tensordot(weights, library, 1)) < min(singles):
        return weights
    single: npt.NDArray[np.float64] = np.eye(num)[singles.index(min(singles))]
    return single


def _distinct(outputs: Sequence[npt.NDArray[np.floating]]) -> list[int]:
    """Returns the places of outputs that are not the same as earlier ones: a twin adds nothing but its cost."""
    places: list[int] = []
    for place, one in enumerate(outputs):
        if not any(np.allclose(one, outputs[other], rtol=0.0, atol=_HALF_PRECISION) for other in places):
            places.append(place)
    return places


def _greedy(library: npt.NDArray[np.float32], loss: Loss, *, max_members: int) -> npt.NDArray[np.float64]:
    singles = [loss(one) for one in library]
    order = sorted(range(len(library)), key=singles.__getitem__)
    # Beginning with several of the best makes it less likely that a lucky pair decides.
    starts = [order[:num] for num in range(1, min(max_members, len(order)) + 1)]
    path = [(loss(library[start].mean(axis=0)), start) for start in starts]
    _, members = min(path, key=itemgetter(0))
    total = library[members].sum(axis=0, dtype=np.float64)
    for _ in range(_NUM_STEPS):
        allowed = order if len(set(members)) < max_members else [one for one in order if one in members]
        steps = [(loss((total + library[one]) / (len(members) + 1)), [*members, one]) for one in allowed]
        path.append(min(steps, key=itemgetter(0)))
        _, members = path[-1]
        total += library[members[-1]]
    # Of equals the smallest.
    _, members = min(path, key=itemgetter(0))
    return np.bincount(members, minlength=len(library)) / len(members)
