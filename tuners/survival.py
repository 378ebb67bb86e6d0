"""Survivor selection: who stays in the population.

- De Jong 1975, An Analysis of the Behavior of a Class of Genetic Adaptive Systems (elitism, generation gap)
- Schwefel 1981, Numerical Optimization of Computer Models ((mu + lambda))
- Whitley 1989, The GENITOR algorithm and selection pressure (steady state)
- Real et al. 2019, Regularized evolution for image classifier architecture search, doi:10.1609/aaai.v33i01.33014780
"""

from collections.abc import Callable, Sequence

import numpy as np


def generational(fitness: Sequence[float], generations: Sequence[int], *, size: int, num_elites: int) -> list[int]:
    """Keeps the youngest generation and the fittest of all before it (De Jong 1975).

    The elders get `num_elites` places, and those that the youngest leave free because some of them failed.

    Args:
        fitness: One value per individual that finished; greater is better.
        generations: The generation of each.
        size: Number of places.
        num_elites: Number of elders that stay in any case.

    Returns:
        Indices of those who stay, in ascending order.
    """
    if not fitness:
        return []
    last = max(generations)
    youngest = [index for index, generation in enumerate(generations) if generation == last]
    elders = [index for index, generation in enumerate(generations) if generation < last]
    return sorted([*youngest, *_fittest(fitness, elders, max(num_elites, size - len(youngest)))])


def fittest(fitness: Sequence[float], generations: Sequence[int], *, size: int, num_elites: int) -> list[int]:
    """Keeps the fittest of all, parents and children alike: (mu + lambda) (Schwefel 1981; Whitley 1989).

    Arguments and result are those of `generational`; the ages do not count, and elites need no places of their own.
    """
    return sorted(_fittest(fitness, range(len(fitness)), size))


def aging(fitness: Sequence[float], generations: Sequence[int], *, size: int, num_elites: int) -> list[int]:
    """Keeps the youngest, however fit: each newcomer replaces the oldest (Real et al. 2019).

    Arguments and result are those of `generational`; individuals come in the order of their birth.
    """
    return list(range(max(0, len(fitness) - size), len(fitness)))


def _fittest(fitness: Sequence[float], indices: Sequence[int], num: int) -> list[int]:
    # Among equals the elder stays: a search on a plateau is then the same in whatever order workers finish.
    order = np.argsort(-np.asarray(fitness, np.float64)[list(indices)], kind="stable")
    return [indices[place] for place in order[:num].tolist()]


SURVIVALS: dict[str, Callable[..., list[int]]] = {
    "generational": generational,
    "mu_plus_lambda": fittest,
    "steady_state": fittest,
    "aging": aging,
}
AT_ANY_TIME = frozenset({"steady_state", "aging"})
"""Schemes that let each newcomer compete at once; the others wait for a generation to end."""
