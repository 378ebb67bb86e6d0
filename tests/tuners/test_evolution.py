import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tuners.evolution import Evolution, Individual, Pause, Settings
from tuners.genome import Categorical, Condition, Genome, Ordinal, Range, SearchSpace
from tuners.operators.crossover import CROSSOVERS
from tuners.operators.mutation import MUTATIONS
from tuners.operators.selection import SELECTIONS
from tuners.survival import SURVIVALS


def toy_fitness(genome: Genome) -> float:
    """Best at a dense net with 32 units, a rate of 1e-3, batches of 64 and a drop of 0.3."""
    score = {"dense": 1.0, "conv": 0.5, "linear": 0.0}[str(genome["kind"])]
    score -= abs(math.log10(float(genome["rate"])) + 3) / 3
    score -= abs(math.log2(float(genome["batch"])) - 6) / 6
    score -= abs(float(genome["drop"]) - 0.3)
    score -= abs(math.log2(float(genome.get("units", 1))) - 5) / 5
    return score - (0.0 if genome.get("pool") else 0.1)


def born(evolution: Evolution) -> Individual:
    proposal = evolution.propose()
    assert isinstance(proposal, Individual)
    return proposal


def run(evolution: Evolution, num: int, fitness: Callable[[Genome], float] = toy_fitness) -> list[Individual]:
    for _ in range(num):
        one = born(evolution)
        evolution.finish(one.number, fitness=fitness(one.genome))
    return list(evolution.individuals)


def fitness_of(one: Individual) -> float:
    return -math.inf if one.fitness is None else one.fitness


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_starts_from_the_default_then_at_random(space: SearchSpace) -> None:
    individuals = run(Evolution(space, Settings(), seed=3), 8)
    assert individuals[0].genome == space.default()
    assert [one.origin for one in individuals] == ["default"] + ["random"] * 7
    assert {one.generation for one in individuals} == {0}


@pytest.mark.parametrize("survival", SURVIVALS)
@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("crossover", CROSSOVERS)
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_combination_searches(
    space: SearchSpace, survival: str, selection: str, crossover: str, mutation: str
) -> None:
    settings = Settings(survival=survival, selection=selection, crossover=crossover, mutation=mutation)
    individuals = run(Evolution(space, settings, seed=0), 60)
    assert all(space.contains(one.genome) for one in individuals)
    assert len({space.key(one.genome) for one in individuals}) == 60
    for one in individuals:
        assert all(parent < one.number for parent in one.parents)
        assert len(one.parents) == {"default": 0, "random": 0, "mutation": 1, "crossover": 2}[one.origin]
    assert {one.origin for one in individuals[8:]} >= {"mutation", "crossover"}
    first, last = (statistics.mean(map(fitness_of, part)) for part in (individuals[:8], individuals[-8:]))
    assert last > first


def test_generations_are_as_large_as_told(space: SearchSpace) -> None:
    individuals = run(Evolution(space, Settings(population_size=5, num_elites=2), seed=0), 5 + 3 * 4)
    assert [one.generation for one in individuals] == [0] * 5 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3


def test_elites_stay_as_they_are_and_are_not_trained_again(space: SearchSpace) -> None:
    evolution = Evolution(space, Settings(population_size=6, num_elites=2), seed=1)
    for generation in range(1, 6):
        run(evolution, 6 if generation == 1 else 4)
        before = list(evolution.individuals)
        fittest = sorted(before, key=fitness_of, reverse=True)[:2]
        population = evolution.survivors(generation)
        assert len(population) == 6
        assert all(one in population for one in fittest)
        assert population == [before[one.number] for one in population]
    assert len({space.key(one.genome) for one in evolution.individuals}) == len(evolution.individuals)


def test_parents_are_of_the_population(space: SearchSpace) -> None:
    evolution = Evolution(space, Settings(population_size=6, num_elites=1), seed=2)
    for _ in range(60):
        one = born(evolution)
        assert {*one.parents} <= {parent.number for parent in evolution.survivors(one.generation)}
        evolution.finish(one.number, fitness=toy_fitness(one.genome))


@pytest.mark.parametrize("survival", SURVIVALS)
def test_failed_ones_are_never_parents(space: SearchSpace, survival: str) -> None:
    evolution = Evolution(space, Settings(population_size=4, num_elites=1, survival=survival), seed=0)
    for _ in range(80):
        one = born(evolution)
        if one.number % 3:
            evolution.fail(one.number)
        else:
            evolution.finish(one.number, fitness=toy_fitness(one.genome))
    failed = {one.number for one in evolution.individuals if one.status == "failed"}
    parents = {parent for one in evolution.individuals for parent in one.parents}
    assert len(failed) == 53
    assert parents and not parents & failed
    assert all(evolution.individuals[number].fitness is None for number in failed)


@pytest.mark.parametrize("survival", SURVIVALS)
def test_goes_on_at_random_when_all_failed(space: SearchSpace, survival: str) -> None:
    evolution = Evolution(space, Settings(population_size=4, num_elites=1, survival=survival), seed=0)
    for _ in range(12):
        evolution.fail(born(evolution).number)
    assert {one.origin for one in evolution.individuals[1:]} == {"random"}
    assert len({space.key(one.genome) for one in evolution.individuals}) == 12


def test_elders_stand_in_for_a_generation_that_failed(space: SearchSpace) -> None:
    evolution = Evolution(space, Settings(population_size=4, num_elites=1), seed=0)
    run(evolution, 4)
    for _ in range(3):
        evolution.fail(born(evolution).number)
    assert [one.number for one in evolution.survivors(2)] == [0, 1, 2, 3]
    assert {parent < 4 for parent in born(evolution).parents} == {True}


@pytest.mark.parametrize("survival", SURVIVALS)
@pytest.mark.parametrize("seed", [0, 7, -3, 2**70])
def test_same_seed_same_search(space: SearchSpace, seed: int, survival: str) -> None:
    settings = Settings(survival=survival)
    again = [[one.genome for one in run(Evolution(space, settings, seed=seed), 30)] for _ in range(2)]
    assert again[0] == again[1]
    assert again[0] != [one.genome for one in run(Evolution(space, settings, seed=seed + 1), 30)]


@pytest.mark.parametrize("survival", SURVIVALS)
@pytest.mark.parametrize("num", [1, 7, 8, 10, 25])
def test_goes_on_from_its_individuals_alone(space: SearchSpace, survival: str, num: int) -> None:
    settings = Settings(survival=survival)
    whole = Evolution(space, settings, seed=5)
    run(whole, 40)
    part = Evolution(space, settings, seed=5)
    run(part, num)
    resumed = Evolution(space, settings, seed=5, individuals=list(part.individuals))
    run(resumed, 40 - num)
    assert [one.genome for one in resumed.individuals] == [one.genome for one in whole.individuals]


def test_steady_state_never_waits(space: SearchSpace) -> None:
    evolution = Evolution(space, Settings(population_size=3, num_elites=1, survival="steady_state"), seed=0)
    run(evolution, 3)
    assert all(isinstance(evolution.propose(), Individual) for _ in range(20))


def test_a_generation_waits_for_its_parents_and_not_for_ever(space: SearchSpace) -> None:
    clock = Clock()
    settings = Settings(population_size=4, num_elites=1, patience=3.0, min_patience=60.0)
    evolution = Evolution(space, settings, seed=0, clock=clock)
    first = [born(evolution) for _ in range(4)]
    for one, seconds in zip(first[:3], (10, 40, 100), strict=True):
        clock.now = seconds
        evolution.finish(one.number, fitness=toy_fitness(one.genome))
    assert [one.seconds for one in evolution.individuals] == [10, 40, 100, None]
    # The slowest took 100 seconds: the straggler has 300.
    clock.now = 299
    assert evolution.propose() is Pause.WAIT
    clock.now = 300
    child = born(evolution)
    assert child.generation == 1
    assert 3 not in child.parents
    # It joins when it ends after all, and is so much better that it is an elder from then on.
    evolution.finish(3, fitness=10.0)
    assert [one.number for one in evolution.survivors(1)] == [0, 1, 2, 3]
    others = [born(evolution) for _ in range(2)]
    for one in (child, *others):
        evolution.finish(one.number, fitness=0.0)
    assert 3 in [one.number for one in evolution.survivors(2)]


def test_patience_has_a_floor_and_a_rerun_starts_it_anew(space: SearchSpace) -> None:
    clock = Clock()
    evolution = Evolution(space, Settings(population_size=2, num_elites=1, min_patience=60.0), seed=0, clock=clock)
    born(evolution), born(evolution)
    clock.now = 1.0
    evolution.finish(0, fitness=0.0)
    clock.now = 59.0
    assert evolution.propose() is Pause.WAIT
    evolution.restart(1)
    clock.now = 118.0
    assert evolution.propose() is Pause.WAIT
    clock.now = 119.0
    assert isinstance(evolution.propose(), Individual)


def test_more_workers_than_a_generation_wait_too(space: SearchSpace) -> None:
    clock = Clock()
    evolution = Evolution(space, Settings(population_size=2, num_elites=0, min_patience=60.0), seed=0, clock=clock)
    born(evolution), born(evolution)
    assert evolution.propose() is Pause.WAIT
    clock.now = 60.0
    assert born(evolution).origin == "random"


def test_one_worker_never_waits(space: SearchSpace) -> None:
    evolution = Evolution(space, Settings(population_size=2, num_elites=1, min_patience=math.inf), seed=0)
    run(evolution, 20)


@pytest.mark.parametrize("survival", SURVIVALS)
@pytest.mark.parametrize("seed", range(5))
def test_a_small_space_is_exhausted_exactly(small_space: SearchSpace, survival: str, seed: int) -> None:
    evolution = Evolution(small_space, Settings(survival=survival, population_size=4, num_elites=1), seed=seed)
    found = run(evolution, 33, lambda genome: float(len(genome)))
    assert sorted(map(small_space.key, (one.genome for one in found))) == sorted(
        map(small_space.key, small_space.genomes())
    )
    assert evolution.propose() is Pause.EXHAUSTED
    assert evolution.propose() is Pause.EXHAUSTED


def test_an_endless_space_of_few_numbers_ends_too() -> None:
    low = 1.0
    space = SearchSpace((Range(name="x", default=low, low=low, high=math.nextafter(low, 2)),))
    assert space.size is None
    evolution = Evolution(space, Settings(), seed=0)
    assert {one.genome["x"] for one in run(evolution, 2, lambda genome: 0.0)} == {1.0, math.nextafter(low, 2)}
    assert evolution.propose() is Pause.EXHAUSTED


def test_an_unknown_space_is_waited_for(space: SearchSpace) -> None:
    clock = Clock()
    evolution = Evolution(SearchSpace(()), Settings(min_patience=60.0), seed=0, clock=clock)
    assert born(evolution).genome == {}
    assert evolution.propose() is Pause.WAIT
    evolution.grow(space)
    evolution.finish(0, fitness=1.0, genome={**space.default(), "kind": "linear"})
    assert evolution.individuals[0].genome["kind"] == "linear"
    assert space.contains(born(evolution).genome)


def test_the_space_may_grow(small_space: SearchSpace, space: SearchSpace) -> None:
    evolution = Evolution(small_space, Settings(population_size=4, num_elites=1), seed=0)
    run(evolution, 10, lambda genome: 0.0)
    before = list(evolution.individuals)
    evolution.grow(space)
    for old, new in zip(before, evolution.individuals, strict=True):
        assert space.contains(new.genome)
        assert {name: new.genome[name] for name in old.genome} == old.genome
        assert new.genome["momentum"] == 0.9
        assert new == replace(old, genome=new.genome)
    assert len({space.key(one.genome) for one in run(evolution, 20)}) == 30


def test_converges_better_than_random_search(space: SearchSpace) -> None:
    def best(settings: Settings, seed: int) -> float:
        return max(map(fitness_of, run(Evolution(space, settings, seed=seed), 80)))

    seeds = range(9)
    by_chance = statistics.median(best(Settings(population_size=1000), seed) for seed in seeds)
    for survival in SURVIVALS:
        evolved = statistics.median(best(Settings(survival=survival), seed) for seed in seeds)
        # The optimum is 0.9; random search stays more than twice as far from it.
        assert 0.9 - evolved < 0.5 * (0.9 - by_chance)


def test_same_names_under_different_conditions_evolve() -> None:
    space = SearchSpace(
        (
            Categorical(name="kind", default="a", values=("a", "b")),
            Ordinal(name="n", default=0, values=range(50), conditions=(Condition("kind", ("a",)),)),
            Ordinal(name="n", default=50, values=range(50, 100), conditions=(Condition("kind", ("b",)),)),
        )
    )
    individuals = run(Evolution(space, Settings(), seed=0), 60, lambda genome: -abs(int(genome["n"]) - 77))
    assert max(individuals, key=fitness_of).genome == {"kind": "b", "n": 77}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("survival", "x", "survival='x', expected one of: 'generational', 'steady_state'"),
        ("selection", "best", "selection='best', expected one of: 'tournament'"),
        ("crossover", "", "crossover='', expected one of"),
        ("mutation", "gauss", "expected one of: 'typed', 'redraw'"),
        ("population_size", 1, "population_size=1, expected 2 or more"),
        ("num_elites", -1, "num_elites=-1, expected 0 to 7"),
        ("num_elites", 8, "num_elites=8, expected 0 to 7"),
        ("tournament_size", 0, "expected 1 or more"),
        ("crossover_rate", 1.1, "crossover_rate=1.1, expected 0 to 1"),
        ("crossover_rate", math.nan, "crossover_rate=nan, expected 0 to 1"),
        ("mutation_rate", -0.1, "mutation_rate=-0.1, expected 0 to 1"),
        ("patience", -1, "expected 0 or more"),
    ],
)
def test_wrong_settings_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**{field: value})


def test_a_proposal_costs_the_same_late_in_a_search(space: SearchSpace) -> None:
    # Counted, not timed: keys computed for one proposal after 500 others.
    class Counting:
        def __init__(self) -> None:
            self.num_keys = 0

        def __getattr__(self, name: str) -> Any:
            if name == "key":
                self.num_keys += 1
            return getattr(space, name)

    evolution = Evolution(space, Settings(), seed=0)
    run(evolution, 500)
    evolution.space = counting = Counting()  # type: ignore[assignment]
    born(evolution)
    assert counting.num_keys < 5
