"""The genetic algorithm: settings, individuals and `Evolution.propose`, all of it without Keras.

Parents are selected, crossed and mutated, the offspring is repaired, survivors are selected: the scheme of Eiben and
Smith 2015, Introduction to Evolutionary Computing, chapter 3, doi:10.1007/978-3-662-44874-8.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Literal

import numpy as np

from tuners.genome import Genome, SearchSpace
from tuners.operators.crossover import CROSSOVERS
from tuners.operators.mutation import MUTATIONS
from tuners.operators.selection import SELECTIONS
from tuners.survival import SURVIVALS

Origin = Literal["default", "random", "crossover", "mutation"]
Status = Literal["pending", "finished", "failed"]

# Tries to make a new child, or to draw a new genome, before the next means is taken.
_NUM_CHILDREN = 20
_NUM_DRAWS = 100
# Spaces up to this size are listed to find what is left of them.
_MAX_LISTED = 4096
# Draws in spaces that cannot be listed, before they count as exhausted.
_NUM_LAST_DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to evolve. The defaults suit searches of some dozens to some hundreds of trials.

    Args:
        population_size: Number of individuals that breed, elites included, 2 at least. The first ones are random.
        num_elites: The fittest so far that stay in the population of every generation. They are not trained again, so
            that a generation trains `population_size - num_elites` children.
        survival: "generational", or "steady_state", which breeds from the fittest so far at any time and never waits.
        selection: "tournament", "roulette", "rank" or "stochastic_universal".
        tournament_size: Competitors per tournament; more of them favor the best more.
        crossover: "uniform", "one_point" or "two_point".
        crossover_rate: Chance that a child has two parents, from 0 to 1. Every child is mutated.
        mutation: "typed" moves numbers a step and redraws categories; "redraw" redraws both.
        mutation_rate: Chance of each gene to change. By default one over the number of genes.
        patience: A new generation waits for what still runs of the one before, each for at most this many times the
            longest trial so far.
        min_patience: Seconds that a new generation is willing to wait in any case.

    Raises:
        ValueError: A value is outside its range, or a name is unknown.
    """

    population_size: int = 8
    num_elites: int = 2
    survival: str = "generational"
    selection: str = "tournament"
    tournament_size: int = 3
    crossover: str = "uniform"
    crossover_rate: float = 0.7
    mutation: str = "typed"
    mutation_rate: float | None = None
    patience: float = 3.0
    min_patience: float = 60.0

    def __post_init__(self) -> None:
        tables: dict[str, Mapping[str, object]] = {
            "survival": SURVIVALS,
            "selection": SELECTIONS,
            "crossover": CROSSOVERS,
            "mutation": MUTATIONS,
        }
        for field, table in tables.items():
            name = getattr(self, field)
            if name not in table:
                raise ValueError(f"Got {field}={name!r}, expected one of: {', '.join(map(repr, table))}.")
        for field, low, high in (
            ("population_size", 2, None),
            ("num_elites", 0, self.population_size - 1),
            ("tournament_size", 1, None),
            ("crossover_rate", 0, 1),
            ("mutation_rate", 0, 1),
            ("patience", 0, None),
            ("min_patience", 0, None),
        ):
            value = getattr(self, field)
            if field == "mutation_rate" and value is None:
                continue
            # Written so that NaN is refused too.
            if not (value >= low and (high is None or value <= high)):
                bounds = f"{low} or more" if high is None else f"{low} to {high}"
                raise ValueError(f"Got {field}={value!r}, expected {bounds}.")


@dataclass(frozen=True, kw_only=True)
class Individual:
    """One genome and what became of it.

    Args:
        number: Counts all individuals from 0, in the order of birth.
        genome: Its active genes.
        generation: Counts from 0.
        origin: How it came to be.
        parents: Their numbers.
        status: "pending" until its trial has ended.
        fitness: Greater is better. None unless the trial finished.
        seconds: How long the trial took. None until it has ended.
    """

    number: int
    genome: Genome
    generation: int
    origin: Origin
    parents: tuple[int, ...] = ()
    status: Status = "pending"
    fitness: float | None = None
    seconds: float | None = None


class Pause(Enum):
    """Why there is no proposal."""

    WAIT = "the generation before has not ended yet"
    EXHAUSTED = "every genome of the space was proposed"


class Evolution:
    """A search in progress: every individual so far, and which comes next.

    Each proposal draws from a generator of its own, seeded with the search's seed and the number of individuals born.
    So the individuals are the whole state: a search that is taken up again goes on as if it had never stopped.

    >>> from tuners.genome import Range
    >>> space = SearchSpace((Range(name="x", default=0.0, low=-5.0, high=5.0),))
    >>> evolution = Evolution(space, Settings(population_size=4), seed=0)
    >>> for _ in range(60):
    ...     individual = evolution.propose()
    ...     evolution.finish(individual.number, fitness=-abs(individual.genome["x"] - 2))
    >>> best = max(evolution.individuals, key=lambda individual: individual.fitness)
    >>> abs(best.genome["x"] - 2) < 0.1
    True

    Args:
        space: Where to search.
        settings: How to evolve.
        seed: Any integer.
        individuals: Those of a search to take up, ordered by number without gaps.
        clock: Seconds since some moment.
    """

    def __init__(
        self,
        space: SearchSpace,
        settings: Settings,
        *,
        seed: int,
        individuals: Sequence[Individual] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.clock = clock
        # NumPy takes no negative seeds.
        self._seed = seed % 2**64
        self._individuals = list(individuals)
        self._started = {one.number: clock() for one in individuals if one.status == "pending"}
        self.grow(space)

    @property
    def individuals(self) -> Sequence[Individual]:
        """All individuals so far; the number of each is its index."""
        return self._individuals

    def propose(self) -> Individual | Pause:
        """Brings the next individual into the world.

        The first one is the default genome of the space, the rest of the first population random. After that children
        are bred from the survivors. No genome is proposed twice: where breeding only repeats itself, random genomes
        follow, then whatever is left of the space.

        Returns:
            A new individual, pending until `finish` or `fail` is told of it. WAIT if the parents' generation still runs
            elsewhere; ask again later. EXHAUSTED if nothing is left to propose.
        """
        number = len(self._individuals)
        generation = self._next_generation()
        if self._is_worth_waiting_for(generation):
            return Pause.WAIT
        rng = np.random.default_rng([self._seed, number])
        for origin, parents, genome in self._candidates(rng, generation):
            key = self.space.key(genome)
            if key in self._tried:
                continue
            child = Individual(number=number, genome=genome, generation=generation, origin=origin, parents=parents)
            self._individuals.append(child)
            self._tried.add(key)
            self._started[number] = self.clock()
            return child
        return Pause.EXHAUSTED

    def finish(self, number: int, *, fitness: float, genome: Genome | None = None) -> None:
        """Tells that the trial of individual `number` ended with this fitness, where greater is better.

        Args:
            number: The individual's.
            fitness: Finite.
            genome: What was trained in truth, if that is more than was proposed: a space may grow during a trial.
        """
        self._end(number, "finished", fitness, genome)

    def fail(self, number: int, *, genome: Genome | None = None) -> None:
        """Tells that the trial of individual `number` failed: it has no fitness and is never a parent."""
        self._end(number, "failed", None, genome)

    def restart(self, number: int) -> None:
        """Tells that the trial of individual `number` runs anew."""
        self._individuals[number] = replace(self._individuals[number], status="pending", fitness=None, seconds=None)
        self._started[number] = self.clock()

    def grow(self, space: SearchSpace) -> None:
        """Goes on in another space: what the individuals so far do not have of it, they get as its defaults."""
        self.space = space
        self._individuals = [replace(one, genome=space.default(one.genome)) for one in self._individuals]
        self._tried = {space.key(one.genome) for one in self._individuals}

    def survivors(self, generation: int) -> list[Individual]:
        """Returns those that `generation` breeds from, ordered by number."""
        steady = self.settings.survival == "steady_state"
        elders, fitness = [], []
        for one in self._individuals:
            # In a generation of its own, a child waits to be a parent until all its siblings are born.
            if one.fitness is not None and (steady or one.generation < generation):
                elders.append(one)
                fitness.append(one.fitness)
        staying = SURVIVALS[self.settings.survival](
            fitness,
            [one.generation for one in elders],
            size=self.settings.population_size,
            num_elites=self.settings.num_elites,
        )
        return [elders[index] for index in staying]

    def _next_generation(self) -> int:
        if not self._individuals:
            return 0
        last = self._individuals[-1].generation
        elites = self.settings.num_elites if last > 0 and self.settings.survival == "generational" else 0
        born = sum(one.generation == last for one in self._individuals)
        return last + (born >= self.settings.population_size - elites)

    def _is_worth_waiting_for(self, generation: int) -> bool:
        ended = [one.seconds for one in self._individuals if one.seconds is not None]
        patience = max(self.settings.min_patience, self.settings.patience * max(ended, default=0.0))
        # The first trial may be what declares the genes.
        is_all_known = bool(ended) or self.space.size != len(self._tried)
        is_generational = self.settings.survival == "generational"
        awaited = [
            one
            for one in self._individuals
            if not is_all_known or (is_generational and one.generation == generation - 1)
        ]
        now = self.clock()
        return any(one.status == "pending" and now - self._started[one.number] < patience for one in awaited)

    def _candidates(
        self, rng: np.random.Generator, generation: int
    ) -> Iterator[tuple[Origin, tuple[int, ...], Genome]]:
        """Yields genomes to propose, the most wanted first; tried ones are among them."""
        if not self._individuals:
            yield "default", (), self.space.default()
        population = self.survivors(generation) if generation > 0 else []
        if len(population) >= 2:
            for _ in range(_NUM_CHILDREN):
                yield self._breed(rng, population)
        for _ in range(_NUM_DRAWS):
            yield "random", (), self.space.sample(rng)
        if self.space.size is not None and self.space.size <= _MAX_LISTED:
            left = [genome for genome in self.space.genomes() if self.space.key(genome) not in self._tried]
            if left:
                yield "random", (), left[int(rng.integers(len(left)))]
        else:
            for _ in range(_NUM_LAST_DRAWS):
                yield "random", (), self.space.sample(rng)

    def _breed(
        self, rng: np.random.Generator, population: Sequence[Individual]
    ) -> tuple[Origin, tuple[int, ...], Genome]:
        settings = self.settings
        fitness = [one.fitness for one in population]
        select = SELECTIONS[settings.selection]
        if settings.selection == "tournament":
            select = partial(select, size=settings.tournament_size)
        first, second = (population[index] for index in select(rng, fitness, num=2))
        genome = first.genome
        origin: Origin = "mutation"
        parents: tuple[int, ...] = (first.number,)
        if first is not second and rng.random() < settings.crossover_rate:
            genome = CROSSOVERS[settings.crossover](rng, first.genome, second.genome)
            origin, parents = "crossover", (first.number, second.number)
        genome = MUTATIONS[settings.mutation](
            rng, self.space.repair(rng, genome), space=self.space, rate=settings.mutation_rate
        )
        return origin, parents, self.space.repair(rng, genome)

    def _end(self, number: int, status: Status, fitness: float | None, genome: Genome | None) -> None:
        one = self._individuals[number]
        started = self._started.pop(number, None)
        seconds = one.seconds if started is None else self.clock() - started
        if genome is not None:
            self._tried.discard(self.space.key(one.genome))
            one = replace(one, genome=self.space.default(genome))
            self._tried.add(self.space.key(one.genome))
        self._individuals[number] = replace(one, status=status, fitness=fitness, seconds=seconds)
