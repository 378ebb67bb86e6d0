"""Parent selection. Fitness is maximized; each function returns indices into it, drawn with replacement.

- Goldberg and Deb 1991, A comparative analysis of selection schemes, doi:10.1016/B978-0-08-050684-5.50008-2
- Baker 1985, Adaptive selection methods for genetic algorithms (linear ranking)
- Baker 1987, Reducing bias and inefficiency in the selection algorithm (stochastic universal sampling)
- Goldberg 1989, Genetic Algorithms in Search, Optimization and Machine Learning (roulette wheel, windowing)
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

# Offspring that linear ranking expects of the best, where the average is one; Baker's bound is two.
_RANK_PRESSURE = 1.8


def tournament(rng: np.random.Generator, fitness: Sequence[float], *, num: int, size: int = 3) -> list[int]:
    """Takes the fittest of `size` drawn at random, `num` times (Goldberg and Deb 1991).

    Args:
        rng: Draws the competitors.
        fitness: One value per individual.
        num: Number of parents.
        size: Competitors per tournament, drawn with replacement; 1 is a random choice.

    Returns:
        `num` indices into `fitness`.
    """
    rounds = rng.integers(len(fitness), size=(num, size))
    winners = np.asarray(fitness)[rounds].argmax(axis=1)
    return [int(index) for index in rounds[np.arange(num), winners]]


def roulette(rng: np.random.Generator, fitness: Sequence[float], *, num: int) -> list[int]:
    """Draws in proportion to the lead over the worst (Goldberg 1989); see `roulette_shares`."""
    return [int(index) for index in rng.choice(len(fitness), size=num, p=roulette_shares(fitness))]


def rank(rng: np.random.Generator, fitness: Sequence[float], *, num: int) -> list[int]:
    """Draws in proportion to the rank (Baker 1985); see `rank_shares`."""
    return [int(index) for index in rng.choice(len(fitness), size=num, p=rank_shares(fitness))]


def stochastic_universal(rng: np.random.Generator, fitness: Sequence[float], *, num: int) -> list[int]:
    """Spins the roulette wheel once and reads it at `num` equally spaced pointers (Baker 1987).

    Each individual is taken at most once more or less often than its share says. The order is shuffled, since
    neighbors on the wheel would else be mated with each other.
    """
    borders = np.cumsum(roulette_shares(fitness))
    pointers = (rng.random() + np.arange(num)) / num
    # Rounding may leave the last border just below one.
    taken = np.minimum(np.searchsorted(borders, pointers, side="right"), len(fitness) - 1)
    return [int(index) for index in rng.permutation(taken)]


def roulette_shares(fitness: Sequence[float]) -> NDArray[np.float64]:
    """Returns each individual's share of the wheel; the shares add up to one.

    An individual counts by its lead over the worst, which works for negative fitness too. Everyone, the worst included,
    gets an n-th part of the spread on top. Equal fitness gives equal shares.
    """
    values = np.asarray(fitness, dtype=np.float64)
    # Halved, since the spread of two huge numbers would overflow.
    lead = values / 2 - values.min() / 2
    spread = lead.max()
    if spread == 0:
        return np.full(len(values), 1 / len(values))
    weights = lead / spread + 1 / len(values)
    return np.asarray(weights / weights.sum())


def rank_shares(fitness: Sequence[float]) -> NDArray[np.float64]:
    """Returns shares that rise linearly from the worst to the best; equals share alike. They add up to one."""
    values = np.asarray(fitness, dtype=np.float64)
    if len(values) == 1:
        return np.ones(1)
    below = (values[None, :] < values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    ranks = below + (equal - 1) / 2
    slope = 2 * (_RANK_PRESSURE - 1) / (len(values) - 1)
    return np.asarray((2 - _RANK_PRESSURE + slope * ranks) / len(values))


SELECTIONS: dict[str, Callable[..., list[int]]] = {
    "tournament": tournament,
    "roulette": roulette,
    "rank": rank,
    "stochastic_universal": stochastic_universal,
}
