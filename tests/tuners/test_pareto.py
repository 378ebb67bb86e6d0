"""Dominance, crowding and volume against arithmetic by hand, naive definitions and Monte Carlo."""

from itertools import product

import numpy as np
import pytest

from tuners import pareto


def dominates(first: np.ndarray, second: np.ndarray) -> bool:
    return bool((first >= second).all() and (first > second).any())


def peeled(points: np.ndarray) -> list[list[int]]:
    """The definition: take off what none of the rest dominates, again and again."""
    left, found = list(range(len(points))), []
    while left:
        found.append([one for one in left if not any(dominates(points[other], points[one]) for other in left)])
        left = [one for one in left if one not in found[-1]]
    return found


def sampled(seed: int, num_objectives: int, levels: int | None) -> np.ndarray:
    """Random points; with few levels many are equal, in one objective or in all."""
    rng = np.random.default_rng(seed)
    points = rng.random((60, num_objectives))
    return points if levels is None else np.floor(points * levels) - 1.0


CASES = [(seed, num, levels) for seed, num, levels in product(range(4), (1, 2, 3, 4), (2, 5, None))]


@pytest.mark.parametrize(("seed", "num_objectives", "levels"), CASES)
def test_fronts_are_the_definition(seed: int, num_objectives: int, levels: int | None) -> None:
    points = sampled(seed, num_objectives, levels)
    assert pareto.fronts(points) == peeled(points)
    assert pareto.front(points) == peeled(points)[0]


@pytest.mark.parametrize(("seed", "num_objectives", "levels"), CASES)
def test_fitness_is_the_crowded_comparison(seed: int, num_objectives: int, levels: int | None) -> None:
    points = sampled(seed, num_objectives, levels)
    fitness = pareto.fitness(points)
    for rank, members in enumerate(pareto.fronts(points)):
        distances = pareto.crowding(points[members])
        assert all(-rank <= fitness[one] < 1 - rank for one in members)
        for (first, near), (second, far) in product(zip(members, distances, strict=True), repeat=2):
            assert (fitness[first] < fitness[second]) == (near < far)


def test_crowding_by_hand() -> None:
    points = [[0, 10], [1, 6], [4, 5], [10, 0]]
    assert pareto.crowding(points).tolist() == [np.inf, 4 / 10 + 5 / 10, 9 / 10 + 6 / 10, np.inf]


def test_crowding_counts_equal_points_once() -> None:
    points = [[0, 10], [1, 6], [1, 6], [4, 5], [10, 0], [10, 0]]
    assert pareto.crowding(points).tolist() == [np.inf, 0.9, 0, 1.5, np.inf, 0]
    assert pareto.crowding([[3, 3], [3, 3]]).tolist() == [np.inf, 0]


def test_crowding_ignores_constant_objectives() -> None:
    points = np.array([[0, 7, 10], [1, 7, 6], [4, 7, 5], [10, 7, 0]])
    assert pareto.crowding(points).tolist() == pareto.crowding(points[:, ::2]).tolist()


def test_units_do_not_matter() -> None:
    points = sampled(0, 3, None)
    assert pareto.fitness(points * [1e-9, 1.0, 1e12]) == pytest.approx(pareto.fitness(points))


def test_one_objective_is_sorted_by_itself() -> None:
    assert np.argsort(pareto.fitness([[2.0], [5.0], [-1.0]])).tolist() == [2, 0, 1]


@pytest.mark.parametrize("empty", [[], np.zeros((0, 2))])
def test_nobody(empty: list[list[float]] | np.ndarray) -> None:
    assert pareto.fronts(empty) == pareto.front(empty) == pareto.fitness(empty) == []
    assert pareto.crowding(empty).tolist() == pareto.chebyshev(empty, [1, 1]).tolist() == []
    assert pareto.hypervolume(empty, [0, 0]) == 0


@pytest.mark.parametrize("points", [[1.0, 2.0], [[1.0, np.nan]], [[np.inf, 1.0]]])
def test_refuses_what_cannot_be_compared(points: list[float]) -> None:
    with pytest.raises(ValueError, match="expected|leave it out"):
        pareto.fronts(points)


@pytest.mark.parametrize(
    ("points", "reference", "volume"),
    [
        ([[5]], [2], 3),
        ([[1, 3], [2, 2], [3, 1]], [0, 0], 6),
        ([[1, 3], [2, 2], [3, 1], [1, 1], [2, 2]], [0, 0], 6),
        ([[0, 4], [-1, 9], [2, 2]], [0, 0], 4),
        ([[-1, -1]], [-3, -2], 2),
        ([[2, 3, 4]], [0, 1, 2], 8),
        # Two boxes of 1 * 2 * 2 that share 1 * 1 * 2.
        ([[1, 1, 2], [1, 2, 1]], [0, 0, 0], 3),
        # Three bars of 1 * 1 * 3 that share a cube of 1.
        ([[3, 1, 1], [1, 3, 1], [1, 1, 3]], [0, 0, 0], 7),
        ([[2, 1, 1, 1], [1, 1, 1, 2]], [0, 0, 0, 0], 3),
    ],
)
def test_hypervolume_of_boxes(points: list[list[float]], reference: list[float], volume: float) -> None:
    assert pareto.hypervolume(points, reference) == volume


@pytest.mark.parametrize("num_objectives", [2, 3, 4])
def test_hypervolume_against_monte_carlo(num_objectives: int) -> None:
    rng = np.random.default_rng(0)
    points = rng.random((12, num_objectives))
    darts = rng.random((100_000, num_objectives))
    share = (darts[:, None, :] <= points[None, :, :]).all(axis=2).any(axis=1).mean()
    # Five standard errors of the share.
    assert pareto.hypervolume(points, [0] * num_objectives) == pytest.approx(share, abs=0.008)


def test_hypervolume_refuses_another_number_of_objectives() -> None:
    with pytest.raises(ValueError, match="reference of 3 objectives, expected 2"):
        pareto.hypervolume([[1, 2]], [0, 0, 0])


def test_chebyshev_by_hand() -> None:
    points = [[0, 30], [5, 20], [10, 10]]
    assert pareto.chebyshev(points, [0.8, 0.2]) == pytest.approx([-0.84, -0.425, -0.21])
    assert pareto.chebyshev(points, [0.8, 0.2], rho=0) == pytest.approx([-0.8, -0.4, -0.2])


@pytest.mark.parametrize("seed", range(20))
def test_chebyshev_finds_points_of_the_front(seed: int) -> None:
    points = sampled(seed, 3, None)
    weights = np.random.default_rng(seed).dirichlet([1, 1, 1])
    assert int(pareto.chebyshev(points, weights).argmax()) in pareto.front(points)


def test_chebyshev_reaches_dents_that_a_sum_does_not() -> None:
    points = [[0, 1], [0.4, 0.4], [1, 0]]
    assert pareto.chebyshev(points, [0.5, 0.5]).argmax() == 1


def test_chebyshev_of_constant_objectives_and_wrong_weights() -> None:
    assert pareto.chebyshev([[1, 2], [1, 3]], [0.5, 0.5]) == pytest.approx([-0.525, 0])
    with pytest.raises(ValueError, match="1 weights, expected 2"):
        pareto.chebyshev([[1, 2]], [1.0])
