"""Compares individuals by several objectives at once, every one of them maximized.

- Deb et al. 2002, A fast and elitist multiobjective genetic algorithm: NSGA-II, doi:10.1109/4235.996017
- Zhang et al. 2015, An efficient approach to nondominated sorting, doi:10.1109/TEVC.2014.2308305 (two objectives)
- While et al. 2006, A faster algorithm for calculating hypervolume, doi:10.1109/TEVC.2005.851275
- Knowles 2006, ParEGO: a hybrid algorithm with on-line landscape approximation, doi:10.1109/TEVC.2005.851274
"""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def fronts(points: ArrayLike) -> list[list[int]]:
    """Sorts points by dominance (Deb et al. 2002): a point dominates another that it equals or exceeds in everything.

    >>> fronts([[1, 4], [3, 3], [1, 3], [4, 1], [3, 3]])
    [[0, 1, 3, 4], [2]]

    Args:
        points: Shape (n, num_objectives), finite; greater is better.

    Returns:
        Indices by front, each in ascending order: nothing dominates the first front, only it the second, and so on.
        Equal points share a front.

    Raises:
        ValueError: `points` has another shape, or a value that is not finite.
    """
    points = _checked(points)
    # In descending order nobody is dominated by those behind; of equal points one is compared for all.
    unique, places = np.unique(0.0 - points, axis=0, return_inverse=True)
    ranks = (_ranks_of_pairs if points.shape[1] == 2 else _ranks)(-unique)[places.ravel()]
    order = np.argsort(ranks, kind="stable")
    return [part.tolist() for part in np.split(order, np.flatnonzero(np.diff(ranks[order])) + 1) if len(part)]


def front(points: ArrayLike) -> list[int]:
    """Returns the indices of the points that none dominates, in ascending order; arguments as for `fronts`.

    Far faster than `fronts` where the front is short: each of its points takes away all that it dominates at once.
    """
    points = _checked(points)
    members = []
    # In descending order nobody is dominated by those behind.
    left = np.lexsort(-points.T[::-1]) if len(points) else np.zeros(0, np.intp)
    while len(left):
        best = points[left[0]]
        is_best = (points[left] == best).all(axis=1)
        members.extend(left[is_best].tolist())
        left = left[(points[left] > best).any(axis=1)]
    return sorted(members)


def crowding(points: ArrayLike) -> Array:
    """Returns how alone each point of a front is (Deb et al. 2002).

    Args:
        points: As for `fronts`.

    Returns:
        Shape (n,): the sum over the objectives of the distance between a point's neighbors, in parts of the objective's
        range. Infinite for the best and the worst of each objective, for the first of them where several are equal.
        Of equal points only the first is there at all, and the others have 0. An objective that is the same everywhere
        counts for nothing.
    """
    points = _checked(points)
    distances = np.zeros(len(points))
    firsts = np.sort(np.unique(points, axis=0, return_index=True)[1])
    if len(firsts) < 3:
        distances[firsts] = np.inf
        return distances
    for values in points[firsts].T:
        span = np.ptp(values)
        if span == 0:
            continue
        order = np.argsort(values, kind="stable")
        padded = np.pad(values[order], 1, mode="edge")
        distances[firsts[order]] += (padded[2:] - padded[:-2]) / span
        distances[firsts[[values.argmin(), values.argmax()]]] = np.inf
    return distances


def fitness(points: ArrayLike) -> list[float]:
    """Returns one number for each point, in the order of NSGA-II's crowded comparison (Deb et al. 2002).

    >>> fitness([[1, 4], [3, 3], [1, 3], [4, 1]])
    [0.8333333333333334, 0.6666666666666666, -0.16666666666666663, 0.8333333333333334]

    Args:
        points: As for `fronts`.

    Returns:
        Minus the number of the point's front, from 0, plus its crowding within the front, brought to [0, 1).
    """
    points = _checked(points)
    values = np.zeros(len(points))
    num_objectives = points.shape[1]
    for rank, members in enumerate(fronts(points)):
        # A finite distance is `num_objectives` at most.
        values[members] = np.minimum(crowding(points[members]), num_objectives + 0.5) / (num_objectives + 1) - rank
    return [float(value) for value in values]


def hypervolume(points: ArrayLike, reference: Sequence[float]) -> float:
    """Returns the volume that is dominated by at least one of the points, by slicing (While et al. 2006).

    >>> hypervolume([[1, 3], [2, 2], [3, 1]], [0, 0])
    6.0

    Args:
        points: As for `fronts`.
        reference: Where the volume begins, one value per objective. A point that does not exceed it everywhere adds
            nothing.

    Raises:
        ValueError: As for `fronts`, or `reference` has another length.
    """
    points = _checked(points)
    if len(reference) != points.shape[1] and len(points):
        raise ValueError(
            f"Got a reference of {len(reference)} objectives, expected {points.shape[1]} as in the points."
        )
    heights = points - np.asarray(reference, dtype=float) if len(points) else points
    return _volume(heights[(heights > 0).all(axis=1)])


def chebyshev(points: ArrayLike, weights: Sequence[float], *, rho: float = 0.05) -> Array:
    """Weighs several objectives into one by the augmented Chebyshev function (Knowles 2006).

    Whatever the weights, its maximum is a point that none dominates; over all weights every such point is reached.

    Args:
        points: As for `fronts`. Each objective is brought to [0, 1], from its worst value to its best.
        weights: One per objective, 0 or more.
        rho: How much the weighted sum of all objectives counts beside the worst of them.

    Returns:
        Shape (n,): greater is better, and 0 at a point that is best in everything.

    Raises:
        ValueError: As for `fronts`, or there is another number of weights.
    """
    # Halved, so that no range is too wide for a float.
    points = _checked(points) / 2
    if len(weights) != points.shape[1] and len(points):
        raise ValueError(f"Got {len(weights)} weights, expected {points.shape[1]}, one per objective.")
    if not len(points):
        return np.zeros(0)
    span = np.ptp(points, axis=0)
    lost = np.asarray(weights) * (points.max(axis=0) - points) / np.where(span > 0, span, 1.0)
    return np.asarray(-lost.max(axis=1) - rho * lost.sum(axis=1))


def _checked(points: ArrayLike) -> Array:
    array = np.asarray(points, dtype=float)
    if array.size == 0:
        return array.reshape(0, array.shape[1] if array.ndim == 2 else 0)
    if array.ndim != 2:
        raise ValueError(f"Got points of shape {array.shape}, expected (number of points, number of objectives).")
    if not np.isfinite(array).all():
        raise ValueError("Got points that are not finite; a failed individual has no fitness, leave it out.")
    return array


def _ranks(points: Array) -> NDArray[np.intp]:
    """Returns the number of each point's front; no two points are equal."""
    dominates = np.ones((len(points), len(points)), dtype=bool)
    for values in points.T:
        dominates &= values[:, None] >= values[None, :]
    np.fill_diagonal(dominates, False)
    num_above = dominates.sum(axis=0)
    ranks = np.zeros(len(points), dtype=np.intp)
    rank = 0
    members = np.flatnonzero(num_above == 0)
    while len(members):
        ranks[members] = rank
        num_above[members] = -1
        num_above -= dominates[members].sum(axis=0)
        rank, members = rank + 1, np.flatnonzero(num_above == 0)
    return ranks


def _ranks_of_pairs(points: Array) -> NDArray[np.intp]:
    """As `_ranks`, faster: for two objectives, and points in descending order (Zhang et al. 2015)."""
    ranks = []
    # Minus the best second objective so far of each front; a front dominates the next point if that is not above it.
    tops: list[float] = []
    for value in (-points[:, 1]).tolist():
        rank = bisect_right(tops, value)
        tops[rank : rank + 1] = [value]
        ranks.append(rank)
    return np.asarray(ranks, dtype=np.intp)


def _volume(heights: Array) -> float:
    """Returns the volume between the origin and points above it."""
    if not len(heights):
        return 0.0
    if heights.shape[1] == 1:
        return float(heights.max())
    heights = heights[front(heights)]
    heights = heights[np.argsort(-heights[:, 0], kind="stable")]
    if heights.shape[1] == 2:
        return float(heights[:, 0] @ np.diff(np.maximum.accumulate(heights[:, 1]), prepend=0.0))
    depths = heights[:, 0] - np.append(heights[1:, 0], 0.0)
    return sum(float(depth) * _volume(heights[: count + 1, 1:]) for count, depth in enumerate(depths) if depth > 0)
