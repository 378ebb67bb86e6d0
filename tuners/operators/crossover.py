"""How two parents become one child. A gene that only one parent has always comes from that parent.

- Holland 1975, Adaptation in Natural and Artificial Systems, doi:10.7551/mitpress/1090.001.0001 (one point)
- De Jong 1975, An Analysis of the Behavior of a Class of Genetic Adaptive Systems (two points)
- Syswerda 1989, Uniform crossover in genetic algorithms
"""

from collections.abc import Callable

import numpy as np

from tuners.genome import Genome, Scalar


def one_point(rng: np.random.Generator, first: Genome, second: Genome) -> dict[str, Scalar]:
    """Takes the genes before a random cut from `first`, those behind it from `second` (Holland 1975)."""
    names = _names(first, second)
    cut = int(rng.integers(1, len(names))) if len(names) > 1 else len(names)
    return _child(first, second, {name: position < cut for position, name in enumerate(names)})


def two_point(rng: np.random.Generator, first: Genome, second: Genome) -> dict[str, Scalar]:
    """Takes the genes between two random cuts from `second`, all others from `first` (De Jong 1975)."""
    names = _names(first, second)
    if len(names) < 2:
        return _child(first, second, dict.fromkeys(names, True))
    start, end = sorted(map(int, rng.choice(len(names) + 1, size=2, replace=False)))
    return _child(first, second, {name: not start <= position < end for position, name in enumerate(names)})


def uniform(rng: np.random.Generator, first: Genome, second: Genome) -> dict[str, Scalar]:
    """Takes each gene from either parent with equal chance (Syswerda 1989)."""
    names = _names(first, second)
    return _child(first, second, dict(zip(names, map(bool, rng.random(len(names)) < 0.5), strict=True)))


def _names(first: Genome, second: Genome) -> list[str]:
    # Not a set: its order would change with every process.
    return [*first, *(name for name in second if name not in first)]


def _child(first: Genome, second: Genome, from_first: dict[str, bool]) -> dict[str, Scalar]:
    return {
        name: first[name] if name not in second or (name in first and takes_first) else second[name]
        for name, takes_first in from_first.items()
    }


CROSSOVERS: dict[str, Callable[[np.random.Generator, Genome, Genome], dict[str, Scalar]]] = {
    "one_point": one_point,
    "two_point": two_point,
    "uniform": uniform,
}
