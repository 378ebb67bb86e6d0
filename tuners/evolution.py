"""The genetic algorithm: individuals and `Evolution.propose`, all of it without Keras.

Parents are selected, crossed and mutated, the offspring is repaired, survivors are selected: the scheme of Eiben and
Smith 2015, Introduction to Evolutionary Computing, chapter 3, doi:10.1007/978-3-662-44874-8.
"""

import math
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from enum import Enum
from functools import partial
from itertools import islice, takewhile
from typing import NamedTuple

import numpy as np

from tuners import fidelity, pareto
from tuners.genome import Genome, SearchSpace
from tuners.individual import Individual, Origin, Status, contenders, finished, merits, runs_of
from tuners.operators.crossover import CROSSOVERS
from tuners.operators.mutation import MUTATIONS
from tuners.operators.selection import SELECTIONS
from tuners.operators.swarm import move
from tuners.settings import Settings
from tuners.surrogate import Evidence, Surrogate
from tuners.survival import AT_ANY_TIME, SURVIVALS

# Tries to make a new child, or to draw a new genome, before the next means is taken.
_NUM_CHILDREN = 20
_NUM_DRAWS = 100
# Of so many random genomes the cheapest comes into the first population.
_NUM_CHEAPEST_OF = 256
# Share of random genomes among those that the surrogate picks from (the random immigrants of Grefenstette 1992, Genetic
# algorithms for changing environments).
_IMMIGRANTS = 0.1
# Directions between several objectives that the surrogate takes turns to look in.
_NUM_DIRECTIONS = 8
# Trials at the end of a search that train the best candidates up to the top rung.
_NUM_FINALISTS = 3
# Spaces up to this size are listed to find what is left of them.
_MAX_LISTED = 4096
# Draws in spaces that cannot be listed, before they count as exhausted.
_NUM_LAST_DRAWS = 2000


class _Candidate(NamedTuple):
    """A genome that may be proposed."""

    origin: Origin
    parents: tuple[int, ...]
    genome: Genome


class Pause(Enum):
    """Why there is no proposal."""

    WAIT = "the generation before has not ended yet"
    EXHAUSTED = "every genome of the space was proposed, or all epochs were spent"


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
        seeds: Genomes to begin with; what they lack, they get as defaults. By default the default genome.
        cheaper: Returns genomes like a seed that cost less, the most expensive first: where a seed is not feasible, the
            first that is takes its place. By default there are none.
        feasible: Tells of a genome whether it may be trained at all. By default every one may.
        cost: Says how many seconds a genome is going to take. By default the surrogate learns that.
        clock: Seconds since some moment.
    """

    def __init__(
        self,
        space: SearchSpace,
        settings: Settings,
        *,
        seed: int,
        individuals: Sequence[Individual] = (),
        seeds: Sequence[Genome] = ({},),
        cheaper: Callable[[Genome], Sequence[Genome]] = lambda genome: (),
        feasible: Callable[[Genome], bool] | None = None,
        cost: Callable[[Genome], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.clock = clock
        # NumPy takes no negative seeds.
        self._seed = seed % 2**64
        self._seeds = seeds
        self._cheaper = cheaper
        self._feasible = feasible or (lambda genome: True)
        self._cost = cost
        self._individuals = list(individuals)
        self._started = {one.number: clock() for one in individuals if one.status == "pending"}
        self.grow(space)

    @property
    def individuals(self) -> Sequence[Individual]:
        """All individuals so far; the number of each is its index."""
        return self._individuals

    def propose(self, *, num_left: int | None = None) -> Individual | Pause:
        """Brings the next individual into the world.

        A candidate that has earned its promotion comes first. The first population are the seeds, then random genomes
        far from each other. After that children are bred from the survivors, and the surrogate picks one. No genome is
        proposed twice: where breeding only repeats itself, random genomes follow, then whatever is left of the space.

        Args:
            num_left: How many more individuals there will be, this one included: the last ones train the best
                candidates up to the top rung. None means that nobody knows.

        Returns:
            A new individual, pending until `finish` or `fail` is told of it. WAIT if the parents' generation still runs
            elsewhere; ask again later. EXHAUSTED if nothing is left to propose.
        """
        proposal = self._promotion(num_left) or self._newborn()
        if proposal is Pause.EXHAUSTED and len(self.settings.rungs) > 1:
            # What still trains may be promoted yet.
            proposal = self._last_promotion() or (Pause.WAIT if self._awaited() else Pause.EXHAUSTED)
        if isinstance(proposal, Individual):
            self._individuals.append(proposal)
            self._tried.add(self.space.key(proposal.genome))
            self._started[proposal.number] = self.clock()
        return proposal

    def finish(
        self, number: int, *, fitness: float, objectives: Sequence[float] = (), genome: Genome | None = None
    ) -> None:
        """Tells that the trial of individual `number` ended with this fitness, where greater is better.

        Args:
            number: The individual's.
            fitness: Finite.
            objectives: Every objective, the first one being `fitness`, if there are several.
            genome: What was trained in truth, if that is more than was proposed: a space may grow during a trial.
        """
        self._end(number, "finished", fitness, tuple(objectives), genome)

    def fail(self, number: int, *, genome: Genome | None = None) -> None:
        """Tells that the trial of individual `number` failed: it has no fitness and is never a parent."""
        self._end(number, "failed", None, (), genome)

    def restart(self, number: int) -> None:
        """Tells that the trial of individual `number` runs anew."""
        one = self._individuals[number]
        self._individuals[number] = replace(one, status="pending", fitness=None, objectives=(), seconds=None)
        self._started[number] = self.clock()

    def grow(self, space: SearchSpace) -> None:
        """Goes on in another space; genes that earlier individuals lack get their defaults."""
        self.space = space
        self._individuals = [replace(one, genome=space.default(one.genome)) for one in self._individuals]
        self._tried = {space.key(one.genome) for one in self._individuals}
        self._surrogate = Surrogate(space)

    def survivors(self, generation: int) -> list[Individual]:
        """Returns those that `generation` breeds from, ordered by number."""
        at_any_time = self.settings.survival in AT_ANY_TIME
        rated = finished(self._individuals, self.settings)
        elders = contenders([one for one in rated if at_any_time or one.generation < generation])
        staying = SURVIVALS[self.settings.survival](
            merits(elders),
            [one.generation for one in elders],
            size=self.settings.population_size,
            num_elites=self.settings.num_elites,
        )
        return [elders[index] for index in staying]

    def _promotion(self, num_left: int | None) -> Individual | None:
        """Returns the individual that continues another's training in a higher rung, if that is due."""
        rungs, budget = self.settings.rungs, self.settings.max_epochs
        if len(rungs) < 2:
            return None
        if num_left is not None and num_left <= _NUM_FINALISTS:
            return self._final(self._ranking())
        runs = runs_of(self._individuals, self.settings)
        if budget is None:
            return self._promoted(fidelity.promoted_at_any_time(runs, rungs))
        return self._promoted(fidelity.promoted_within(runs, rungs, budget=budget))

    def _last_promotion(self) -> Individual | None:
        """Returns the individual to promote when no new ones will come: a winner must have been trained in full."""
        rungs, budget = self.settings.rungs, self.settings.max_epochs
        if budget is None:
            return self._final(self._ranking()[:_NUM_FINALISTS])
        runs = runs_of(self._individuals, self.settings)
        return self._promoted(fidelity.promoted_within(runs, rungs, budget=budget, is_closed=True))

    def _final(self, ranking: Sequence[Individual]) -> Individual | None:
        """Returns the first of a ranking to be trained up to the top rung, where that is not under way already."""
        rungs, budget = self.settings.rungs, self.settings.max_epochs
        entered = {one.parents[0] for one in self._individuals if one.origin == "promotion"}
        spent = sum(fidelity.num_spent(runs_of(self._individuals, self.settings), rungs))
        for one in ranking:
            can_go_on = one.rung + 1 < len(rungs) and one.number not in entered
            if can_go_on and (budget is None or spent + rungs[-1] - rungs[one.rung] <= budget):
                return self._promoted(one.number, rung=len(rungs) - 1)
        return None

    def _ranking(self) -> list[Individual]:
        """Returns the finished candidates, the best first."""
        rated = finished(self._individuals, self.settings)
        return [one for _, one in sorted(zip(merits(rated), rated, strict=True), key=lambda pair: -pair[0])]

    def _promoted(self, number: int | None, *, rung: int | None = None) -> Individual | None:
        """Returns the individual that goes on from individual `number`, by default in the next rung."""
        if number is None:
            return None
        source = self._individuals[number]
        return Individual(
            number=len(self._individuals),
            genome=source.genome,
            generation=source.generation,
            origin="promotion",
            parents=(number,),
            rung=source.rung + 1 if rung is None else rung,
        )

    def _newborn(self) -> Individual | Pause:
        """Returns a candidate that was never proposed before, or why there is none."""
        if self._has_spent_its_epochs():
            return Pause.EXHAUSTED
        generation = self._next_generation()
        if self._is_worth_waiting_for(generation):
            return Pause.WAIT
        number = len(self._individuals)
        candidates = self._untried(np.random.default_rng([self._seed, number]), generation)
        if not candidates:
            return Pause.EXHAUSTED
        chosen = self._most_promising(candidates)
        return Individual(
            number=number,
            genome=chosen.genome,
            generation=generation,
            origin=chosen.origin,
            parents=chosen.parents,
        )

    def _has_spent_its_epochs(self) -> bool:
        """Tells whether no epochs are left to train new candidates for."""
        rungs, budget = self.settings.rungs, self.settings.max_epochs
        if not rungs or budget is None:
            return False
        return not fidelity.has_room(runs_of(self._individuals, self.settings), rungs, 0, budget=budget)

    def _next_generation(self) -> int:
        newest_first = (one.generation for one in reversed(self._individuals) if one.origin != "promotion")
        last = next(newest_first, None)
        if last is None:
            return 0
        size = 1 + sum(1 for _ in takewhile(lambda generation: generation == last, newest_first))
        elites = self.settings.num_elites if last > 0 and self.settings.survival == "generational" else 0
        return last + (size >= self.settings.population_size - elites)

    def _awaited(self) -> list[int]:
        """Returns the numbers of the individuals in training, without those that have taken far too long."""
        longest = max((one.seconds for one in self._individuals if one.seconds is not None), default=0.0)
        patience, now = max(self.settings.min_patience, self.settings.patience * longest), self.clock()
        return [number for number, started in self._started.items() if now - started < patience]

    def _is_worth_waiting_for(self, generation: int) -> bool:
        # The first trial may be what declares the genes.
        has_any_ended = any(one.seconds is not None for one in self._individuals)
        is_all_known = has_any_ended or self.space.size != len(self._tried)
        if is_all_known and self.settings.survival in AT_ANY_TIME:
            return False
        parents = generation - 1
        return any(not is_all_known or self._individuals[number].generation == parents for number in self._awaited())

    def _untried(self, rng: np.random.Generator, generation: int) -> list[_Candidate]:
        """Returns genomes to choose from, new and feasible, from the first source that has any left."""
        for source, num in self._sources(rng, generation):
            untried: dict[Hashable, _Candidate] = {}
            for candidate in source:
                key = self.space.key(candidate.genome)
                if key not in self._tried and key not in untried and self._feasible(candidate.genome):
                    untried[key] = candidate
                    if len(untried) == num:
                        break
            if untried:
                return list(untried.values())
        return []

    def _sources(self, rng: np.random.Generator, generation: int) -> Iterator[tuple[Iterable[_Candidate], int]]:
        """Yields where candidates come from, the most wanted source first, and how many to take; some may be tried."""
        size = self.settings.population_size
        born = (one for one in self._individuals if one.origin != "promotion")
        # More need not be counted.
        num_born = sum(1 for _ in islice(born, max(size, len(self._seeds))))
        num = self.settings.num_candidates if self.settings.surrogate else 1
        population = self.survivors(generation) if generation > 0 else []
        if num_born < len(self._seeds):
            seed = self.space.default(self._seeds[num_born])
            cheaper = () if self.space.key(seed) in self._tried else self._cheaper(seed)
            yield [_Candidate("seed", (), one) for one in (seed, *cheaper)], 1
        if num_born < size:
            yield [_Candidate("random", (), genome) for genome in self._first_population(num_born)], 1
        if len(population) < 2:
            num = 1
        elif self.settings.proposal == "particle_swarm":
            yield self._moves(rng, num), num
        else:
            yield self._children(rng, population, num), num
        yield (_Candidate("random", (), self.space.sample(rng)) for _ in range(_NUM_DRAWS)), num
        if known := [one for one in self._individuals if one.status != "failed"]:
            # Where little is feasible, it lies near to what was.
            yield (self._mutant(rng, known[int(rng.integers(len(known)))]) for _ in range(_NUM_DRAWS)), num
        if self.space.size is not None and self.space.size <= _MAX_LISTED:
            genomes = self.space.genomes()
            yield (_Candidate("random", (), genomes[index]) for index in rng.permutation(len(genomes))), num
        else:
            yield (_Candidate("random", (), self.space.sample(rng)) for _ in range(_NUM_LAST_DRAWS)), 1

    def _first_population(self, num_born: int) -> Sequence[Genome]:
        """Returns the candidates for the next place in the first population, the most wanted first."""
        if self._cost is None or not self.settings.per_second:
            return [self.space.spread(np.random.default_rng(self._seed), self.settings.population_size)[num_born]]
        # Little is known of the space yet, and less of what is expensive: many cheap looks teach more than a dear one.
        # What costs up to twice as much counts as equal: of the very cheapest most are too small to learn anything.
        rng, cost = np.random.default_rng((self._seed, num_born)), self._cost
        genomes = (self.space.sample(rng) for _ in range(_NUM_CHEAPEST_OF))
        return sorted(genomes, key=lambda genome: math.frexp(cost(genome))[1])

    def _children(self, rng: np.random.Generator, population: Sequence[Individual], num: int) -> Iterator[_Candidate]:
        """Breeds children of the population, `num` at a time."""
        settings = self.settings
        select = SELECTIONS[settings.selection]
        if settings.selection == "tournament":
            select = partial(select, size=settings.tournament_size)
        for _ in range(_NUM_CHILDREN):
            parents = [population[index] for index in select(rng, merits(population), num=2 * num)]
            for first, second in zip(parents[:num], parents[num:], strict=True):
                if settings.surrogate and rng.random() < _IMMIGRANTS:
                    yield _Candidate("random", (), self.space.sample(rng))
                else:
                    yield self._child(rng, first, second)

    def _moves(self, rng: np.random.Generator, num: int) -> Iterator[_Candidate]:
        """Moves the particle whose turn it is, again and again from the same place."""
        size = self.settings.population_size
        born = [one for one in self._individuals if one.origin != "promotion"]
        # A particle is every so manieth individual: the swarm has no state but that.
        path = born[len(born) % size :: size]
        rated = contenders(finished(self._individuals, self.settings))
        merit = {self._first_trial(one).number: value for one, value in zip(rated, merits(rated), strict=True)}
        leader = self._individuals[max(merit, key=lambda number: merit[number])]
        own = max((one for one in path if one.number in merit), key=lambda one: merit[one.number], default=leader)
        place, before = path[-1], path[-2 if len(path) > 1 else -1]
        parents = tuple(dict.fromkeys((place.number, own.number, leader.number)))
        for _ in range(_NUM_CHILDREN * num):
            genome = move(
                rng,
                place.genome,
                before=before.genome,
                own=own.genome,
                leader=leader.genome,
                space=self.space,
                rate=self.settings.mutation_rate,
            )
            yield _Candidate("move", parents, self.space.repair(rng, genome))

    def _child(self, rng: np.random.Generator, first: Individual, second: Individual) -> _Candidate:
        if first is second or rng.random() >= self.settings.crossover_rate:
            return self._mutant(rng, first)
        genome = self.space.repair(rng, CROSSOVERS[self.settings.crossover](rng, first.genome, second.genome))
        return _Candidate("crossover", (first.number, second.number), self._mutated(rng, genome))

    def _mutant(self, rng: np.random.Generator, parent: Individual) -> _Candidate:
        return _Candidate("mutation", (parent.number,), self._mutated(rng, parent.genome))

    def _mutated(self, rng: np.random.Generator, genome: Genome) -> Genome:
        mutate, rate = MUTATIONS[self.settings.mutation], self.settings.mutation_rate
        return self.space.repair(rng, mutate(rng, genome, space=self.space, rate=rate))

    def _most_promising(self, candidates: Sequence[_Candidate]) -> _Candidate:
        """Returns the candidate to train, by the surrogate's word where there is a choice."""
        if len(candidates) == 1:
            return candidates[0]
        genomes = [candidate.genome for candidate in candidates]
        scores = self._surrogate.scores(
            genomes, self._evidence, len(self._individuals), per_second=self.settings.per_second, cost=self._cost
        )
        return candidates[int(np.argmax(scores))]

    def _evidence(self, num: int) -> Evidence:
        """Returns the training data of the surrogate from the first `num` individuals."""
        individuals = self._individuals[:num]
        # A candidate that was promoted is learned from once, by its longest training.
        rated = finished(individuals, self.settings)
        known = sorted([*rated, *(one for one in individuals if one.fitness is None)], key=lambda one: one.number)
        fitness = np.array([one.fitness for one in known], np.float64)
        # What it took before any promotion, as a new one will.
        first = [self._first_trial(one) if one.origin == "promotion" else one for one in known]
        direction = 0
        if rated and rated[0].objectives:
            # Each proposal looks in one of several directions between the objectives (Knowles 2006).
            direction = len(self._individuals) % _NUM_DIRECTIONS
            points = [one.objectives for one in rated]
            fitness[np.isfinite(fitness)] = pareto.chebyshev(points, _directions(len(points[0]))[direction])
        return Evidence(
            numbers=[one.number for one in known],
            genomes=[one.genome for one in known],
            fitness=fitness,
            seconds=np.array([one.seconds for one in first], np.float64),
            failed=np.array([one.status == "failed" for one in known], dtype=bool),
            direction=direction,
        )

    def _first_trial(self, one: Individual) -> Individual:
        """Returns the individual that a candidate was before any promotion."""
        while one.origin == "promotion":
            one = self._individuals[one.parents[0]]
        return one

    def _end(
        self,
        number: int,
        status: Status,
        fitness: float | None,
        objectives: tuple[float, ...],
        genome: Genome | None,
    ) -> None:
        one = self._individuals[number]
        started = self._started.pop(number, None)
        seconds = one.seconds if started is None else self.clock() - started
        if genome is not None:
            self._tried.discard(self.space.key(one.genome))
            one = replace(one, genome=self.space.default(genome))
            self._tried.add(self.space.key(one.genome))
        self._individuals[number] = replace(one, status=status, fitness=fitness, objectives=objectives, seconds=seconds)


def _directions(num_objectives: int) -> list[Sequence[float]]:
    """Returns weights for several objectives: the first alone, then an even spread."""
    spread = np.random.default_rng(0).dirichlet(np.ones(num_objectives), _NUM_DIRECTIONS - 1)
    return [[1.0] + [0.0] * (num_objectives - 1), *spread.tolist()]
