import math
import re
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tuners import fidelity, pareto
from tuners.evolution import Evolution, Pause
from tuners.genome import Categorical, Condition, Genome, Ordinal, Range, SearchSpace
from tuners.individual import Individual, runs_of
from tuners.operators.crossover import CROSSOVERS
from tuners.operators.mutation import MUTATIONS
from tuners.operators.selection import SELECTIONS
from tuners.settings import Settings
from tuners.survival import AT_ANY_TIME, SURVIVALS


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


def plain(**changes: Any) -> Settings:
    """Evolution without a surrogate, in generations."""
    return Settings(**{"surrogate": False, "survival": "generational", "population_size": 8, **changes})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def swarm(**changes: Any) -> Settings:
    """Six particles, without a surrogate."""
    return Settings(**{"proposal": "particle_swarm", "surrogate": False, "population_size": 6, **changes})


def test_particles_take_turns_and_move_from_where_they_were(space: SearchSpace) -> None:
    individuals = run(Evolution(space, swarm(), seed=1), 60)
    assert [one.origin for one in individuals[:6]] == ["seed"] + ["random"] * 5
    moved = [one for one in individuals[6:] if one.origin == "move"]
    assert len(moved) > 45
    for one in moved:
        before = individuals[: one.number]
        place, *drawn = one.parents
        assert place == one.number - 6
        leader = max(before, key=fitness_of)
        own = max(before[one.number % 6 :: 6], key=fitness_of)
        assert {*drawn, place} == {place, own.number, leader.number}


def test_a_swarm_gets_better_than_chance(space: SearchSpace) -> None:
    def best(settings: Settings) -> list[float]:
        return [max(map(fitness_of, run(Evolution(space, settings, seed=seed), 60))) for seed in range(8)]

    assert statistics.median(best(swarm())) > statistics.median(best(plain(population_size=60))) + 0.1


def test_a_swarm_goes_on_as_if_it_had_never_stopped(space: SearchSpace) -> None:
    whole = run(Evolution(space, swarm(), seed=2), 30)
    half = run(Evolution(space, swarm(), seed=2), 15)
    again = run(Evolution(space, swarm(), seed=2, individuals=half), 15)
    assert [one.genome for one in again] == [one.genome for one in whole]


def test_a_swarm_whose_particles_fail_or_still_train_goes_on(space: SearchSpace) -> None:
    evolution = Evolution(space, swarm(), seed=0)
    for number in range(40):
        one = born(evolution)
        # The first that finishes leads all others.
        if number % 6 < 2:
            evolution.finish(one.number, fitness=toy_fitness(one.genome))
        elif number % 6 < 4:
            evolution.fail(one.number)
    assert len({space.key(one.genome) for one in evolution.individuals}) == 40
    assert {one.origin for one in evolution.individuals[6:]} >= {"move"}


def test_a_swarm_with_rungs_several_objectives_and_a_surrogate(space: SearchSpace) -> None:
    evolution = Evolution(space, swarm(rungs=(1, 3)), seed=0)
    individuals = run(evolution, 40)
    assert {one.origin for one in individuals} >= {"move", "promotion"}
    evolution = Evolution(space, swarm(surrogate=True, num_candidates=4), seed=0)
    for _ in range(20):
        one = born(evolution)
        fitness = toy_fitness(one.genome)
        evolution.finish(one.number, fitness=fitness, objectives=(fitness, -float(one.genome["batch"])))
    assert {one.origin for one in evolution.individuals[6:]} == {"move"}


def test_starts_from_the_default_then_at_random(space: SearchSpace) -> None:
    individuals = run(Evolution(space, plain(), seed=3), 8)
    assert individuals[0].genome == space.default()
    assert [one.origin for one in individuals] == ["seed"] + ["random"] * 7
    assert {one.generation for one in individuals} == {0}


@pytest.mark.parametrize("survival", SURVIVALS)
@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("crossover", CROSSOVERS)
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_combination_searches(
    space: SearchSpace, survival: str, selection: str, crossover: str, mutation: str
) -> None:
    settings = plain(survival=survival, selection=selection, crossover=crossover, mutation=mutation)
    individuals = run(Evolution(space, settings, seed=0), 60)
    assert all(space.contains(one.genome) for one in individuals)
    assert len({space.key(one.genome) for one in individuals}) == 60
    for one in individuals:
        assert all(parent < one.number for parent in one.parents)
        assert len(one.parents) == {"seed": 0, "random": 0, "mutation": 1, "crossover": 2}[one.origin]
    assert {one.origin for one in individuals[8:]} >= {"mutation", "crossover"}
    if survival != "aging":
        # Where the fit die as soon as all others, a weak selection gains nothing in so short a time.
        first, last = (statistics.mean(map(fitness_of, part)) for part in (individuals[:8], individuals[-8:]))
        assert last > first


def test_generations_are_as_large_as_told(space: SearchSpace) -> None:
    individuals = run(Evolution(space, plain(population_size=5, num_elites=2), seed=0), 5 + 3 * 4)
    assert [one.generation for one in individuals] == [0] * 5 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3


def test_elites_stay_as_they_are_and_are_not_trained_again(space: SearchSpace) -> None:
    evolution = Evolution(space, plain(population_size=6, num_elites=2), seed=1)
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
    evolution = Evolution(space, plain(population_size=6, num_elites=1), seed=2)
    for _ in range(60):
        one = born(evolution)
        assert {*one.parents} <= {parent.number for parent in evolution.survivors(one.generation)}
        evolution.finish(one.number, fitness=toy_fitness(one.genome))


@pytest.mark.parametrize("surrogate", [False, True])
@pytest.mark.parametrize("survival", SURVIVALS)
def test_failed_ones_are_never_parents(space: SearchSpace, survival: str, surrogate: bool) -> None:
    evolution = Evolution(space, plain(population_size=4, num_elites=1, survival=survival, surrogate=surrogate), seed=0)
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


@pytest.mark.parametrize("surrogate", [False, True])
@pytest.mark.parametrize("survival", SURVIVALS)
def test_goes_on_at_random_when_all_failed(space: SearchSpace, survival: str, surrogate: bool) -> None:
    evolution = Evolution(space, plain(population_size=4, num_elites=1, survival=survival, surrogate=surrogate), seed=0)
    for _ in range(12):
        evolution.fail(born(evolution).number)
    assert {one.origin for one in evolution.individuals[1:]} == {"random"}
    assert len({space.key(one.genome) for one in evolution.individuals}) == 12


def test_elders_stand_in_for_a_generation_that_failed(space: SearchSpace) -> None:
    evolution = Evolution(space, plain(population_size=4, num_elites=1), seed=0)
    run(evolution, 4)
    for _ in range(3):
        evolution.fail(born(evolution).number)
    assert [one.number for one in evolution.survivors(2)] == [0, 1, 2, 3]
    assert {parent < 4 for parent in born(evolution).parents} == {True}


@pytest.mark.parametrize("surrogate", [False, True])
@pytest.mark.parametrize("survival", SURVIVALS)
@pytest.mark.parametrize("seed", [0, 7, -3, 2**70])
def test_same_seed_same_search(space: SearchSpace, seed: int, survival: str, surrogate: bool) -> None:
    settings = plain(survival=survival, surrogate=surrogate)
    again = [[one.genome for one in run(Evolution(space, settings, seed=seed), 30)] for _ in range(2)]
    assert again[0] == again[1]
    assert again[0] != [one.genome for one in run(Evolution(space, settings, seed=seed + 1), 30)]


@pytest.mark.parametrize("surrogate", [False, True])
@pytest.mark.parametrize("survival", SURVIVALS)
@pytest.mark.parametrize("num", [1, 7, 8, 10, 25])
def test_goes_on_from_its_individuals_alone(space: SearchSpace, survival: str, num: int, surrogate: bool) -> None:
    settings = plain(survival=survival, surrogate=surrogate)
    whole = Evolution(space, settings, seed=5)
    run(whole, 40)
    part = Evolution(space, settings, seed=5)
    run(part, num)
    resumed = Evolution(space, settings, seed=5, individuals=list(part.individuals))
    run(resumed, 40 - num)
    assert [one.genome for one in resumed.individuals] == [one.genome for one in whole.individuals]


@pytest.mark.parametrize("survival", sorted(AT_ANY_TIME))
@pytest.mark.parametrize("surrogate", [False, True])
def test_some_schemes_never_wait(space: SearchSpace, survival: str, surrogate: bool) -> None:
    settings = plain(population_size=3, num_elites=1, survival=survival, surrogate=surrogate)
    evolution = Evolution(space, settings, seed=0)
    run(evolution, 3)
    assert all(isinstance(evolution.propose(), Individual) for _ in range(20))


def test_a_generation_waits_for_its_parents_and_not_for_ever(space: SearchSpace) -> None:
    clock = Clock()
    settings = plain(population_size=4, num_elites=1, patience=3.0, min_patience=60.0)
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
    evolution = Evolution(space, plain(population_size=2, num_elites=1, min_patience=60.0), seed=0, clock=clock)
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
    evolution = Evolution(space, plain(population_size=2, num_elites=0, min_patience=60.0), seed=0, clock=clock)
    born(evolution), born(evolution)
    assert evolution.propose() is Pause.WAIT
    clock.now = 60.0
    assert born(evolution).origin == "random"


def test_one_worker_never_waits(space: SearchSpace) -> None:
    evolution = Evolution(space, plain(population_size=2, num_elites=1, min_patience=math.inf), seed=0)
    found = run(evolution, 20)
    # One of two survives, so that each generation after the first has one child.
    assert [one.generation for one in found] == [0, *range(19)]
    assert all(one.fitness is not None for one in found)


@pytest.mark.parametrize("surrogate", [False, True])
@pytest.mark.parametrize("survival", SURVIVALS)
@pytest.mark.parametrize("seed", range(2))
def test_a_small_space_is_exhausted_exactly(
    small_space: SearchSpace, survival: str, seed: int, surrogate: bool
) -> None:
    evolution = Evolution(
        small_space, plain(survival=survival, surrogate=surrogate, population_size=4, num_elites=1), seed=seed
    )
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
    evolution = Evolution(space, plain(), seed=0)
    assert {one.genome["x"] for one in run(evolution, 2, lambda genome: 0.0)} == {1.0, math.nextafter(low, 2)}
    assert evolution.propose() is Pause.EXHAUSTED


def test_an_unknown_space_is_waited_for(space: SearchSpace) -> None:
    clock = Clock()
    evolution = Evolution(SearchSpace(()), plain(min_patience=60.0), seed=0, clock=clock)
    assert born(evolution).genome == {}
    assert evolution.propose() is Pause.WAIT
    evolution.grow(space)
    evolution.finish(0, fitness=1.0, genome={**space.default(), "kind": "linear"})
    assert evolution.individuals[0].genome["kind"] == "linear"
    assert space.contains(born(evolution).genome)


def test_the_space_may_grow(small_space: SearchSpace, space: SearchSpace) -> None:
    evolution = Evolution(small_space, plain(population_size=4, num_elites=1), seed=0)
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

    def best_by_chance(seed: int) -> float:
        rng = np.random.default_rng(seed)
        return max(toy_fitness(space.sample(rng)) for _ in range(80))

    seeds = range(9)
    by_chance = statistics.median(map(best_by_chance, seeds))
    for survival in SURVIVALS:
        evolved = statistics.median(best(plain(survival=survival), seed) for seed in seeds)
        # The optimum is 0.9.
        assert 0.9 - evolved < 0.75 * (0.9 - by_chance)


def test_same_names_under_different_conditions_evolve() -> None:
    space = SearchSpace(
        (
            Categorical(name="kind", default="a", values=("a", "b")),
            Ordinal(name="n", default=0, values=range(50), conditions=(Condition("kind", ("a",)),)),
            Ordinal(name="n", default=50, values=range(50, 100), conditions=(Condition("kind", ("b",)),)),
        )
    )
    individuals = run(Evolution(space, plain(), seed=0), 60, lambda genome: -abs(int(genome["n"]) - 77))
    assert max(individuals, key=fitness_of).genome == {"kind": "b", "n": 77}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("survival", "x", "survival='x', expected one of: 'generational', 'mu_plus_lambda'"),
        ("selection", "best", "selection='best', expected one of: 'tournament'"),
        ("proposal", "swarm", "proposal='swarm', expected one of"),
        ("crossover", "", "crossover='', expected one of"),
        ("mutation", "gauss", "expected one of: 'typed', 'redraw'"),
        ("population_size", 1, "population_size=1, expected 2 or more"),
        ("num_elites", -1, "num_elites=-1, expected 0 to 11"),
        ("num_elites", 12, "num_elites=12, expected 0 to 11"),
        ("tournament_size", 0, "expected 1 or more"),
        ("crossover_rate", 1.1, "crossover_rate=1.1, expected 0 to 1"),
        ("crossover_rate", math.nan, "crossover_rate=nan, expected 0 to 1"),
        ("mutation_rate", -0.1, "mutation_rate=-0.1, expected 0 to 1"),
        ("patience", -1, "expected 0 or more"),
        ("num_candidates", 0, "expected 1 or more"),
        ("rungs", (3, 3), "rungs=(3, 3), expected numbers of epochs that rise"),
        ("rungs", (0, 3), "expected numbers of epochs that rise"),
    ],
)
def test_wrong_settings_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
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

    evolution = Evolution(space, plain(), seed=0)
    run(evolution, 500)
    evolution.space = counting = Counting()  # type: ignore[assignment]
    born(evolution)
    assert counting.num_keys < 5


def test_seeds_come_first_and_the_rest_of_the_first_population_is_spread_out(space: SearchSpace) -> None:
    seeds = [{}, {"kind": "conv", "units": 150, "rate": 7.0}, {}, {"kind": "linear"}]
    individuals = run(Evolution(space, plain(), seed=0, seeds=seeds), 8)
    assert [one.origin for one in individuals[:4]] == ["seed", "seed", "random", "seed"]
    # A rate out of range becomes the default, as does what a seed does not say.
    assert individuals[1].genome == space.default({"kind": "conv", "units": 150})

    # Every quarter of the scale of every gene gets two of eight, whatever the seed.
    for seed in range(5):
        drawn = run(Evolution(space, plain(), seed=seed, seeds=[]), 8)
        quarters = [int(4 * float(one.genome["drop"]) / 0.8) for one in drawn]
        assert sorted(quarters) == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("surrogate", [False, True])
def test_what_is_not_feasible_is_never_proposed(space: SearchSpace, surrogate: bool) -> None:
    evolution = Evolution(
        space, plain(surrogate=surrogate), seed=0, feasible=lambda genome: float(genome["drop"]) < 0.3
    )
    assert all(float(one.genome["drop"]) < 0.3 for one in run(evolution, 40))
    nothing = Evolution(space, plain(surrogate=surrogate), seed=0, feasible=lambda genome: False)
    assert nothing.propose() is Pause.EXHAUSTED


def test_the_surrogate_finds_more_with_as_many_trials(space: SearchSpace) -> None:
    def best(settings: Settings, seed: int) -> float:
        return max(map(fitness_of, run(Evolution(space, settings, seed=seed), 60)))

    with_it = statistics.median(best(Settings(), seed) for seed in range(9))
    without = statistics.median(best(Settings(surrogate=False), seed) for seed in range(9))
    # The optimum is 0.9.
    assert 0.9 - with_it < 0.5 * (0.9 - without)


def test_candidates_in_training_are_spread_like_trained_ones(space: SearchSpace) -> None:
    evolution = Evolution(space, Settings(), seed=0)
    run(evolution, 20)
    waiting = [born(evolution) for _ in range(10)]
    assert len({space.key(one.genome) for one in waiting}) == 10
    assert {one.status for one in waiting} == {"pending"}


def test_a_hopeless_corner_is_avoided(space: SearchSpace) -> None:
    def num_hopeless(settings: Settings) -> int:
        evolution = Evolution(space, settings, seed=0)
        for _ in range(60):
            one = born(evolution)
            # Where training fails is also where it would seem best.
            if one.genome["kind"] == "dense" and int(one.genome["units"]) >= 32:
                evolution.fail(one.number)
            else:
                evolution.finish(one.number, fitness=toy_fitness(one.genome))
        return sum(one.status == "failed" for one in evolution.individuals[20:])

    assert num_hopeless(Settings()) <= 5


def test_gain_per_second_prefers_what_is_quick(space: SearchSpace) -> None:
    def mean_seconds(settings: Settings) -> float:
        clock = Clock()
        evolution = Evolution(space, settings, seed=0, clock=clock)
        for _ in range(50):
            one = born(evolution)
            clock.now += 1.0 + float(one.genome["batch"])
            evolution.finish(one.number, fitness=toy_fitness(one.genome))
        return statistics.mean(one.seconds or 0.0 for one in evolution.individuals[8:])

    assert mean_seconds(Settings(per_second=True)) < 0.7 * mean_seconds(Settings())


def learn(genome: Genome, epochs: int) -> float:
    """A learning curve that rises towards the toy fitness."""
    return toy_fitness(genome) - 2.0 / epochs


@pytest.mark.parametrize("surrogate", [False, True])
def test_rungs_promote_the_best(space: SearchSpace, surrogate: bool) -> None:
    rungs = (1, 4, 16)
    evolution = Evolution(space, plain(rungs=rungs, surrogate=surrogate, survival="steady_state"), seed=0)
    for _ in range(100):
        one = born(evolution)
        evolution.finish(one.number, fitness=learn(one.genome, rungs[one.rung]))
    by_rung = [[one for one in evolution.individuals if one.rung == rung] for rung in range(3)]
    # Every rung spends as many epochs as the one below: three more cost three times one, twelve more four times three.
    assert abs(len(by_rung[1]) - len(by_rung[0]) / 3) <= 1
    assert abs(len(by_rung[2]) - len(by_rung[1]) / 4) <= 1
    for one in by_rung[1] + by_rung[2]:
        (parent,) = (evolution.individuals[number] for number in one.parents)
        assert (one.origin, parent.rung, parent.genome) == ("promotion", one.rung - 1, one.genome)
    sources = [one.parents[0] for one in by_rung[1] + by_rung[2]]
    assert len(set(sources)) == len(sources)
    promoted = statistics.mean(fitness_of(evolution.individuals[number]) for number in sources)
    assert promoted > statistics.mean(map(fitness_of, by_rung[0]))


def test_the_last_trials_take_the_best_to_the_top(space: SearchSpace) -> None:
    rungs = (1, 4, 16)
    evolution = Evolution(space, plain(rungs=rungs, survival="steady_state"), seed=0)
    for num_left in range(12, 0, -1):
        one = evolution.propose(num_left=num_left)
        assert isinstance(one, Individual)
        evolution.finish(one.number, fitness=learn(one.genome, rungs[one.rung]))
    last = evolution.individuals[-3:]
    assert [(one.origin, one.rung) for one in last] == [("promotion", 2)] * 3
    best = sorted(evolution.individuals[:-3], key=fitness_of)[-1]
    assert best.genome in [one.genome for one in last]


def test_a_budget_of_epochs_is_kept_and_used(space: SearchSpace) -> None:
    rungs = (1, 4, 16)
    evolution = Evolution(space, Settings(rungs=rungs, max_epochs=120), seed=0)
    spent = 0
    while isinstance(one := evolution.propose(), Individual):
        spent += rungs[one.rung] - (rungs[one.rung - 1] if one.rung else 0)
        evolution.finish(one.number, fitness=learn(one.genome, rungs[one.rung]))
    assert one is Pause.EXHAUSTED
    assert 120 - 12 <= spent <= 120
    assert [sum(one.rung == rung for one in evolution.individuals) for rung in range(3)] == [40, 13, 3]
    # A share of a third must suffice for the twelve epochs from the second rung to the third.
    with pytest.raises(ValueError, match="max_epochs=35, expected 36 or more"):
        Settings(rungs=rungs, max_epochs=35)


@pytest.mark.parametrize("max_epochs", [None, 120])
def test_rungs_end_at_the_top_in_a_small_space_too(small_space: SearchSpace, max_epochs: int | None) -> None:
    def fitness(one: Individual) -> float:
        return one.rung + sum(map(ord, str(one.genome))) % 97 / 97

    evolution = Evolution(small_space, Settings(rungs=(1, 4, 16), max_epochs=max_epochs), seed=0)
    pending: list[Individual] = []
    while True:
        proposal = evolution.propose()
        if isinstance(proposal, Individual):
            pending.append(proposal)
        elif not pending:
            break
        if len(pending) == 2 or not isinstance(proposal, Individual):
            evolution.finish(pending[0].number, fitness=fitness(pending[0]))
            del pending[0]
    assert proposal is Pause.EXHAUSTED
    lowest = sorted((one for one in evolution.individuals if one.rung == 0), key=fitness)
    assert len(lowest) == small_space.size
    top = [one.genome for one in evolution.individuals if one.rung == 2]
    assert len(top) >= 3 and lowest[-1].genome in top


def test_rungs_wait_for_the_very_first_too() -> None:
    space = SearchSpace((Categorical(name="kind", default="a", values=("a", "b")),))
    evolution = Evolution(space, Settings(rungs=(1, 2)), seed=0)
    first, second = born(evolution), born(evolution)
    evolution.finish(second.number, fitness=1.0)
    evolution.finish(born(evolution).number, fitness=2.0)
    assert evolution.propose() is Pause.WAIT
    evolution.finish(first.number, fitness=1.5)
    assert born(evolution).parents == (first.number,)
    assert evolution.propose() is Pause.WAIT


def test_rungs_do_not_wait_for_ever(small_space: SearchSpace) -> None:
    clock = Clock()
    settings = Settings(rungs=(1, 4), max_epochs=10, patience=3.0, min_patience=5.0)
    evolution = Evolution(small_space, settings, seed=0, clock=clock)
    for _ in range(5):
        one = born(evolution)
    assert evolution.propose() is Pause.WAIT
    clock.now = 5.5
    assert evolution.propose() is Pause.EXHAUSTED
    evolution.finish(one.number, fitness=1.0)
    assert born(evolution).rung == 1


def test_the_last_trials_keep_to_the_budget(space: SearchSpace) -> None:
    evolution = Evolution(space, Settings(rungs=(1, 16), max_epochs=30), seed=0)
    for num_left in range(12, 0, -1):
        one = evolution.propose(num_left=num_left)
        if isinstance(one, Individual):
            evolution.finish(one.number, fitness=learn(one.genome, 1 + one.rung))
    # A second one would take 15 epochs more.
    assert fidelity.num_spent(runs_of(evolution.individuals, evolution.settings), (1, 16)) == [11, 15]


def test_promotions_take_nothing_from_the_first_population(space: SearchSpace) -> None:
    seeds: list[Genome] = [{"drop": drop / 10} for drop in range(5)]
    evolution = Evolution(space, Settings(rungs=(1, 2), population_size=8), seed=0, seeds=seeds)
    run(evolution, 20, lambda genome: 0.0)
    born_here = [one for one in evolution.individuals if one.origin != "promotion"]
    assert len(born_here) < 20
    assert [one.origin for one in born_here[:8]] == ["seed"] * 5 + ["random"] * 3


def test_where_little_is_feasible_it_is_found_near_what_was(space: SearchSpace) -> None:
    """One draw in ten thousand would do."""

    def feasible(genome: Genome) -> bool:
        return genome["kind"] == "linear" and 0.29 < float(genome["drop"]) < 0.31 and float(genome["rate"]) < 1.3e-4

    evolution = Evolution(
        space, Settings(), seed=0, seeds=[{"kind": "linear", "drop": 0.3, "rate": 1e-4}], feasible=feasible
    )
    found = run(evolution, 40)
    assert all(feasible(one.genome) for one in found)


def test_a_space_without_genes_has_one_genome() -> None:
    evolution = Evolution(SearchSpace(()), Settings(), seed=0)
    evolution.finish(born(evolution).number, fitness=1.0)
    assert evolution.propose() is Pause.EXHAUSTED


def test_a_seed_that_is_too_expensive_gives_its_place_to_the_first_cheaper_one_that_is_not(space: SearchSpace) -> None:
    def cheaper(genome: Genome) -> list[Genome]:
        return [{**genome, "drop": drop} for drop in (0.6, 0.4, 0.2, 0.0)]

    seeds = [{"kind": "linear", "drop": drop} for drop in (0.8, 0.7, 0.3, 0.3)]
    evolution = Evolution(
        space, plain(), seed=0, seeds=seeds, cheaper=cheaper, feasible=lambda genome: float(genome["drop"]) < 0.5
    )
    individuals = run(evolution, 4)
    # A seed that was tried has no need of another.
    assert [one.origin for one in individuals] == ["seed"] * 3 + ["random"]
    assert [one.genome["drop"] for one in individuals[:3]] == [0.4, 0.2, 0.3]


@pytest.mark.parametrize("settings", [Settings(), Settings(rungs=(1, 3))])
def test_goes_on_when_the_whole_first_population_failed(space: SearchSpace, settings: Settings) -> None:
    evolution = Evolution(space, settings, seed=0)
    for _ in range(30):
        evolution.fail(born(evolution).number)
    run(evolution, 10)
    for _ in range(40):
        born(evolution)
    found = run(evolution, 3)
    assert [one.status for one in found] == ["failed"] * 30 + ["finished"] * 10 + ["pending"] * 40 + ["finished"] * 3
    bred = [one for one in found if one.parents]
    # Two that have finished are enough to breed from, and no failed one is a parent.
    assert {one.number for one in bred} >= set(range(32, 40)) and found[-1] in bred
    assert all(found[parent].status == "finished" for one in bred for parent in one.parents)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_any_finite_fitness_will_do(space: SearchSpace, scale: float) -> None:
    as_usual = run(Evolution(space, Settings(), seed=0), 25, lambda genome: toy_fitness(genome))
    scaled = run(Evolution(space, Settings(), seed=0), 25, lambda genome: scale * toy_fitness(genome))
    assert [one.genome for one in scaled][:20] == [one.genome for one in as_usual][:20]


def test_rungs_go_on_from_the_individuals_alone(space: SearchSpace) -> None:
    rungs = (1, 3, 9)
    settings = Settings(rungs=rungs)

    def go_on(evolution: Evolution, num: int) -> Evolution:
        for _ in range(num):
            one = born(evolution)
            evolution.finish(one.number, fitness=learn(one.genome, rungs[one.rung]))
        return evolution

    whole = go_on(Evolution(space, settings, seed=5), 40)
    part = go_on(Evolution(space, settings, seed=5), 23)
    resumed = go_on(Evolution(space, settings, seed=5, individuals=list(part.individuals)), 17)
    assert [(one.genome, one.rung) for one in resumed.individuals] == [
        (one.genome, one.rung) for one in whole.individuals
    ]


@pytest.mark.parametrize("settings", [plain(), plain(survival="steady_state"), Settings()])
def test_several_objectives_give_a_front(space: SearchSpace, settings: Settings) -> None:
    def objectives(genome: Genome) -> tuple[float, float]:
        """Good or small, not both: drop trades one for the other."""
        drop = float(genome["drop"])
        return toy_fitness({**genome, "drop": 0.3}) - drop, -abs(0.8 - drop)

    evolution = Evolution(space, settings, seed=0)
    for _ in range(60):
        one = born(evolution)
        values = objectives(one.genome)
        evolution.finish(one.number, fitness=values[0], objectives=values)
    points = [one.objectives for one in evolution.individuals]
    rng = np.random.default_rng(0)
    by_chance = [objectives(space.sample(rng)) for _ in range(60)]
    worst = (-3.0, -1.0)
    found = pareto.hypervolume([points[index] for index in pareto.front(points)], worst)
    assert found > pareto.hypervolume([by_chance[index] for index in pareto.front(by_chance)], worst)


def test_several_objectives_go_on_from_the_individuals_alone(space: SearchSpace) -> None:
    def go_on(evolution: Evolution, num: int) -> Evolution:
        for _ in range(num):
            one = born(evolution)
            values = (toy_fitness(one.genome), -float(one.genome["batch"]))
            evolution.finish(one.number, fitness=values[0], objectives=values)
        return evolution

    whole = go_on(Evolution(space, Settings(), seed=5), 40)
    part = go_on(Evolution(space, Settings(), seed=5), 21)
    resumed = go_on(Evolution(space, Settings(), seed=5, individuals=list(part.individuals)), 19)
    assert [one.genome for one in resumed.individuals] == [one.genome for one in whole.individuals]


def test_what_is_known_to_be_expensive_waits(space: SearchSpace) -> None:
    def cost(genome: Genome) -> float:
        return 1000.0 if genome["kind"] == "conv" else 1.0

    def expensive(settings: Settings) -> list[int]:
        evolution = Evolution(space, settings, seed=0, seeds=[{}], cost=cost)
        return [one.number for one in run(evolution, 30) if cost(one.genome) > 1.0]

    waiting, at_once = (expensive(Settings(population_size=8, per_second=per_second)) for per_second in (True, False))
    assert not any(number < 8 for number in waiting) and any(number < 8 for number in at_once)
    assert len(waiting) < len(at_once)
