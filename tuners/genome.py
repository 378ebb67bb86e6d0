"""Genes with their ranges and conditions, and the one `repair` that makes any mapping a valid genome."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

Scalar = str | int | float | bool
Genome = Mapping[str, Scalar]
Scale = Literal["linear", "log", "reverse_log"]
_Option = TypeVar("_Option")

# Spread of a mutation step, as a share of the gene's range on its own scale.
_STEP = 0.1
# Counting a space stops at so many combinations of condition values.
_MAX_BRANCHES = 10_000
# Stands for all values of a gene that no condition asks for.
_OTHER = object()


@dataclass(frozen=True)
class Condition:
    """Holds where the gene `name` is active and has one of `values`.

    Values compare as Keras Tuner compares them, so that 1 also stands for True.
    """

    name: str
    values: tuple[Scalar, ...]

    def holds(self, genome: Mapping[str, object]) -> bool:
        """Tells whether the active genes of `genome` meet this condition."""
        return self.name in genome and genome[self.name] in self.values


@dataclass(frozen=True, kw_only=True)
class Gene(ABC):
    """One hyperparameter: which values it may take, and under which conditions it counts.

    Values are plain Python `str`, `int`, `float` or `bool`: Keras takes no NumPy scalars for sizes, nor does JSON.
    """

    name: str
    default: Scalar
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if not self.contains(self.default):
            raise ValueError(f"Gene {self.name!r} got the default {self.default!r}, expected one of its own values.")

    def counts(self, genome: Mapping[str, object]) -> bool:
        """Tells whether the active genes of `genome` meet all conditions of this one."""
        return all(test.holds(genome) for test in self.conditions)

    @abstractmethod
    def domain(self) -> Sequence[Scalar] | None:
        """Returns all values, or None where they cannot be listed."""

    @abstractmethod
    def contains(self, value: object) -> bool:
        """Tells whether `value` is one of the gene's values, type included: True is not 1."""

    @abstractmethod
    def at(self, position: float) -> Scalar:
        """Returns the value at a position from 0 to 1 on the gene's own scale, where each value has an equal share."""

    def sample(self, rng: np.random.Generator) -> Scalar:
        """Draws a value, uniformly on the gene's own scale."""
        return self.at(rng.random())

    @abstractmethod
    def encode(self, value: Any) -> tuple[float, ...]:
        """Returns coordinates of `value` such that values are as far apart as they differ, 1 at most.

        None stands for a gene that does not count: it lies in the middle of all values.
        """

    @abstractmethod
    def _other(self, rng: np.random.Generator, value: Any) -> Scalar:
        """Draws a value near `value` that differs from it; there are at least two values."""

    def step(self, rng: np.random.Generator, value: Scalar) -> Scalar:
        """Returns a neighbor of `value` that differs from it, or `value` itself where the gene has no other."""
        return value if self.cardinality == 1 else self._other(rng, value)

    @property
    def cardinality(self) -> int | None:
        """Number of values; None when there is no end to them."""
        domain = self.domain()
        return None if domain is None else len(domain)


@final
@dataclass(frozen=True, kw_only=True)
class Categorical(Gene):
    """Values without an order: no two are closer than others."""

    values: tuple[Scalar, ...]

    def domain(self) -> Sequence[Scalar]:
        return self.values

    def contains(self, value: object) -> bool:
        return (type(value), value) in self._own

    @cached_property
    def _own(self) -> frozenset[tuple[type, Scalar]]:
        return frozenset((type(value), value) for value in self.values)

    def at(self, position: float) -> Scalar:
        return self.values[min(math.floor(position * len(self.values)), len(self.values) - 1)]

    def encode(self, value: Any) -> tuple[float, ...]:
        return self._corners[None if value is None else self.values.index(value)]

    @cached_property
    def _corners(self) -> dict[int | None, tuple[float, ...]]:
        size = len(self.values)
        corners: dict[int | None, tuple[float, ...]] = {None: (math.sqrt(0.5) / size,) * size}
        for place in range(size):
            corners[place] = tuple(math.sqrt(0.5) * (place == other) for other in range(size))
        return corners

    def _other(self, rng: np.random.Generator, value: Any) -> Scalar:
        return _pick(rng, [own for own in self.values if own != value])


@final
@dataclass(frozen=True, kw_only=True)
class Ordinal(Gene):
    """Finitely many numbers in ascending order, encoded as places at even distances."""

    values: Sequence[int | float]

    def domain(self) -> Sequence[Scalar]:
        return self.values

    def contains(self, value: object) -> bool:
        return type(value) is type(self.values[0]) and value in self.values

    def at(self, position: float) -> Scalar:
        return self.values[min(math.floor(position * len(self.values)), len(self.values) - 1)]

    def encode(self, value: Any) -> tuple[float, ...]:
        return (0.5 if value is None else self.values.index(value) / max(1, len(self.values) - 1),)

    def _other(self, rng: np.random.Generator, value: Any) -> Scalar:
        index, last = self.values.index(value), len(self.values) - 1
        distance = max(1, round(abs(rng.normal(0.0, _STEP * len(self.values)))))
        near = [other for other in (index - distance, index + distance) if 0 <= other <= last]
        return self.values[_pick(rng, near or [end for end in (0, last) if end != index])]


@final
@dataclass(frozen=True, kw_only=True)
class Range(Gene):
    """All numbers from `low` to `high`, both included: integers when `low` is one. Steps follow the scale."""

    low: int | float
    high: int | float
    scale: Scale = "linear"

    def __post_init__(self) -> None:
        if not self.low <= self.high or (self.scale != "linear" and self.low <= 0):
            raise ValueError(
                f"Gene {self.name!r} got the range {self.low} to {self.high} on a {self.scale} scale, expected low <= "
                "high, and low > 0 unless the scale is linear."
            )
        super().__post_init__()

    def domain(self) -> Sequence[Scalar] | None:
        if isinstance(self.low, int) and isinstance(self.high, int):
            return range(self.low, self.high + 1)
        return (self.low,) if self.low == self.high else None

    def contains(self, value: object) -> bool:
        return isinstance(value, int | float) and type(value) is type(self.low) and self.low <= value <= self.high

    def encode(self, value: Any) -> tuple[float, ...]:
        return (0.5 if value is None or self.low == self.high else self._to_unit(value),)

    def _other(self, rng: np.random.Generator, value: Any) -> Scalar:
        other: int | float = value
        spread = _STEP
        while other == value:
            # Reflected at the borders: clipping would pile values up on them.
            position = abs(self._to_unit(value) + rng.normal(0.0, spread))
            # Where the range holds few floats, a step may round to none.
            spread = min(1.0, 2.0 * spread)
            other = self.at(max(0.0, 2.0 - position if position > 1.0 else position))
            if other == value and isinstance(value, int):
                other = _pick(rng, [near for near in (value - 1, value + 1) if self.contains(near)])
        return other

    def _end(self) -> int | float:
        """The upper border; each integer owns the stretch up to the next one."""
        return self.high + 1 if isinstance(self.high, int) else self.high

    def at(self, position: float) -> int | float:
        low, end = self.low, self._end()
        if self.scale == "linear":
            value = low + position * (end - low)
        elif self.scale == "log":
            value = low * math.pow(end / low, position)
        else:
            value = end + low - low * math.pow(end / low, 1.0 - position)
        value = math.floor(value) if isinstance(low, int) else float(value)
        return min(max(value, low), self.high)

    def _to_unit(self, value: int | float) -> float:
        low, end = self.low, self._end()
        if isinstance(value, int):
            value += 0.5
        if self.scale == "linear":
            return (value - low) / (end - low)
        if self.scale == "log":
            return math.log(value / low) / math.log(end / low)
        return 1.0 - math.log((end + low - value) / low) / math.log(end / low)


@final
@dataclass(frozen=True)
class SearchSpace:
    """The genes of a search, parents before the genes that depend on them.

    A name may occur several times under different conditions; the first active gene of a name counts.

    >>> space = SearchSpace((
    ...     Categorical(name="kind", default="dense", values=("dense", "conv")),
    ...     Ordinal(name="filters", default=16, values=(16, 32), conditions=(Condition("kind", ("conv",)),)),
    ... ))
    >>> space.size
    3
    >>> space.active({"kind": "dense", "filters": 32})
    {'kind': 'dense'}
    """

    genes: tuple[Gene, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "genes", _parents_first(self.genes))

    @classmethod
    def from_hyperparameters(cls, hyperparameters: HyperParameters) -> SearchSpace:
        """Reads the genes from the `space` of a `keras_tuner.HyperParameters`.

        Raises:
            TypeError: A hyperparameter is of a kind that Keras Tuner itself does not define.
        """
        return cls(tuple(_gene(hyperparameter) for hyperparameter in hyperparameters.space))

    def active_genes(self, genome: Genome) -> dict[str, Gene]:
        """Returns the genes that count in `genome`, by name, as far as it has values for them."""
        genes: dict[str, Gene] = {}
        known: dict[str, Scalar] = {}
        for gene in self.genes:
            name = gene.name
            if name in genome and name not in known and (not gene.conditions or gene.counts(known)):
                genes[name], known[name] = gene, genome[name]
        return genes

    def active(self, genome: Genome) -> dict[str, Scalar]:
        """Returns the part of `genome` that counts."""
        return {name: genome[name] for name in self.active_genes(genome)}

    def contains(self, genome: Genome) -> bool:
        """Tells whether `genome` has a valid value for each active gene and nothing else."""
        # Completion replaces values that do not fit, fills in missing ones and drops what is inactive.
        valid = self.default(genome)
        return valid.keys() == genome.keys() and all(
            type(genome[name]) is type(value) and genome[name] == value for name, value in valid.items()
        )

    def default(self, given: Genome | None = None) -> dict[str, Scalar]:
        """Returns the genome of all defaults, or `given` with defaults where it has no valid value."""
        return self._complete(given or {}, lambda gene: gene.default)

    def sample(self, rng: np.random.Generator) -> dict[str, Scalar]:
        """Draws a genome."""
        return self.repair(rng, {})

    def spread(self, rng: np.random.Generator, num: int) -> list[dict[str, Scalar]]:
        """Draws `num` genomes that share out the scale of every gene evenly (Latin hypercube, McKay et al. 1979).

        See doi:10.2307/1268522.
        """
        shares = np.array([rng.permutation(num) for _ in self.genes]).reshape(len(self.genes), num)
        positions = (shares + rng.random(shares.shape)) / num
        places = {id(gene): place for place, gene in enumerate(self.genes)}

        def at(column: NDArray[np.float64]) -> Callable[[Gene], Scalar]:
            return lambda gene: gene.at(float(column[places[id(gene)]]))

        return [self._complete({}, at(column)) for column in positions.T]

    def repair(self, rng: np.random.Generator, genome: Genome) -> dict[str, Scalar]:
        """Makes any mapping a genome of this space: the one place that does.

        Args:
            rng: Draws the values of genes that are missing or hold no valid value.
            genome: Any mapping of gene names to values; left as it is.

        Returns:
            A new genome that keeps every valid value of an active gene, in the order of the space.
        """
        return self._complete(genome, lambda gene: gene.sample(rng))

    def key(self, genome: Genome) -> Hashable:
        """Returns a key that is equal exactly for genomes with the same active genes."""
        # True, 1 and 1.0 are equal in Python.
        return tuple((name, type(genome[name]), genome[name]) for name in self.active_genes(genome))

    @cached_property
    def columns(self) -> NDArray[np.intp]:
        """Which gene, by its place in `genes`, each column of `encode` belongs to."""
        return np.repeat(np.arange(len(self.genes)), [len(gene.encode(None)) for gene in self.genes])

    def encode(self, genomes: Sequence[Genome]) -> NDArray[np.float64]:
        """Places genomes in a space where near ones are alike, for models that learn from them.

        Args:
            genomes: n genomes of this space.

        Returns:
            Shape (n, number of `columns`). Each gene's distance between two genomes is at most 1: that of two
            categories, or of the ends of a scale. A gene that does not count lies in the middle of its values.
        """
        rows = np.empty((len(genomes), len(self.columns)))
        for row, genome in zip(rows, genomes, strict=True):
            known: set[str] = set()
            places: list[float] = []
            for gene in self.genes:
                name = gene.name
                counts = name in genome and name not in known and (not gene.conditions or gene.counts(genome))
                if counts:
                    known.add(name)
                places.extend(gene.encode(genome[name] if counts else None))
            row[:] = places
        return rows

    @cached_property
    def size(self) -> int | None:
        """Number of distinct genomes; None when there is no end to them, or too many branches to count them."""
        asked: dict[str, list[Scalar]] = {}
        for gene in self.genes:
            for condition in gene.conditions:
                asked.setdefault(condition.name, []).extend(condition.values)

        # Counted gene by gene. A state remembers of the genes so far only what matters to the genes to come.
        states: Counter[frozenset[tuple[str, object]]] = Counter({frozenset(): 1})
        for position, gene in enumerate(self.genes):
            later = self.genes[position + 1 :]
            matters = {test.name for other in later for test in other.conditions} | {other.name for other in later}
            grown: Counter[frozenset[tuple[str, object]]] = Counter()
            for state, count in states.items():
                known = dict(state)
                branches: list[tuple[dict[str, object], int]] = [(known, 1)]
                if gene.name not in known and gene.counts(known):
                    domain = gene.domain()
                    if domain is None:
                        return None
                    named = {domain[domain.index(value)] for value in asked.get(gene.name, ()) if value in domain}
                    branches = [({**known, gene.name: value}, 1) for value in named]
                    if len(domain) > len(named):
                        branches.append(({**known, gene.name: _OTHER}, len(domain) - len(named)))
                for branch, weight in branches:
                    grown[frozenset(item for item in branch.items() if item[0] in matters)] += count * weight
            if len(grown) > _MAX_BRANCHES:
                return None
            states = grown
        return states.total()

    def genomes(self) -> list[dict[str, Scalar]]:
        """Lists every genome; for spaces of a `size` that fits into memory.

        Raises:
            ValueError: A gene has no end of values.
        """
        genomes: list[dict[str, Scalar]] = [{}]
        for gene in self.genes:
            grown: list[dict[str, Scalar]] = []
            for genome in genomes:
                if gene.name in genome or not gene.counts(genome):
                    grown.append(genome)
                    continue
                domain = gene.domain()
                if domain is None:
                    raise ValueError(f"Gene {gene.name!r} has no end of values: expected a space with a size.")
                grown.extend({**genome, gene.name: value} for value in domain)
            genomes = grown
        return genomes

    def _complete(self, given: Genome, choose: Callable[[Gene], Scalar]) -> dict[str, Scalar]:
        genome: dict[str, Scalar] = {}
        for gene in self.genes:
            name = gene.name
            if name in genome or (gene.conditions and not gene.counts(genome)):
                continue
            value = given.get(name)
            genome[name] = value if value is not None and gene.contains(value) else choose(gene)
        return genome


def _pick(rng: np.random.Generator, options: Sequence[_Option]) -> _Option:
    return options[int(rng.integers(len(options)))]


def _parents_first(genes: Iterable[Gene]) -> tuple[Gene, ...]:
    """Moves genes behind all genes that their conditions name: a space may have any order."""
    waiting, ordered = list(genes), []
    while waiting:
        names = {gene.name for gene in waiting}
        ready = (gene for gene in waiting if all(test.name not in names for test in gene.conditions))
        # Conditions that go in a circle never hold, so that any order does.
        ordered.append(next(ready, waiting[0]))
        waiting.remove(ordered[-1])
    return tuple(ordered)


def _plain(value: Any) -> Scalar:
    """Turns NumPy scalars into Python's own."""
    scalar = value.item() if isinstance(value, np.generic) else value
    if not isinstance(scalar, str | int | float | bool):
        raise TypeError(f"Got the hyperparameter value {value!r}, expected a str, int, float or bool.")
    return scalar


def _gene(hyperparameter: Any) -> Gene:
    from keras_tuner.engine import hyperparameters as kinds

    name = str(hyperparameter.name)
    conditions = tuple(
        Condition(str(condition.name), tuple(map(_plain, condition.values))) for condition in hyperparameter.conditions
    )
    if isinstance(hyperparameter, kinds.Boolean):
        default: Scalar = bool(hyperparameter.default)
        return Categorical(name=name, default=default, conditions=conditions, values=(False, True))
    default = _plain(hyperparameter.default)
    if isinstance(hyperparameter, kinds.Choice) and hyperparameter.ordered:
        # Sorted, so that a step from 32 leads to 16 or 64 in whatever order they were declared.
        numbers = tuple(sorted(cast("set[int | float]", set(map(_plain, hyperparameter.values)))))
        return Ordinal(name=name, default=default, conditions=conditions, values=numbers)
    if isinstance(hyperparameter, kinds.Choice | kinds.Fixed):
        values = tuple(dict.fromkeys(map(_plain, hyperparameter.values)))
        return Categorical(name=name, default=default, conditions=conditions, values=values)
    if isinstance(hyperparameter, kinds.Int | kinds.Float):
        return _numerical(hyperparameter, name, conditions, int if isinstance(hyperparameter, kinds.Int) else float)
    raise TypeError(
        f"Hyperparameter {name!r} is a {type(hyperparameter).__name__}, expected Boolean, Choice, Fixed, Float or Int."
    )


def _numerical(
    hyperparameter: Any, name: str, conditions: tuple[Condition, ...], number: type[int] | type[float]
) -> Gene:
    low, high = number(hyperparameter.min_value), number(hyperparameter.max_value)
    default = min(max(number(hyperparameter.default), low), high)
    if hyperparameter.step is None:
        scale: Scale = hyperparameter.sampling
        return Range(name=name, default=default, conditions=conditions, low=low, high=high, scale=scale)
    grid = _grid(low, high, hyperparameter.step, hyperparameter.sampling)
    if default not in grid:
        # Keras Tuner allows a default beside the grid, and the search starts from it.
        grid = tuple(sorted([*grid, default]))
    return Ordinal(name=name, default=default, conditions=conditions, values=grid)


def _grid(low: int | float, high: int | float, step: int | float, scale: Scale) -> Sequence[int | float]:
    """Lists the values from `low` to `high`: `step` is added on the linear scale and multiplied on the others."""
    if scale == "linear" and isinstance(low, int):
        return range(low, int(high) + 1, int(step))
    # The small share keeps the last value where the division comes out just below a whole number.
    if scale == "linear":
        values = [low + index * step for index in range(math.floor((high - low) / step + 1e-8) + 1)]
    else:
        num_values = math.floor(math.log(high / low, step) + 1e-8) + 1
        values = [low * step**index for index in range(num_values)]
        if scale == "reverse_log":
            values = sorted(high + low - value for value in values)
    if isinstance(low, int):
        return tuple(map(int, values))
    # 0.1 * 3 is to be 0.3, which is also what a person gives as the default.
    return tuple(min(max(float(f"{value:.12g}"), low), high) for value in values)
