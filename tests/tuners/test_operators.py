from collections import Counter
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import pytest

from tuners.genome import Genome, SearchSpace
from tuners.operators.crossover import CROSSOVERS
from tuners.operators.mutation import MUTATIONS
from tuners.operators.selection import SELECTIONS, rank_shares, roulette_shares, tournament
from tuners.operators.swarm import move
from tuners.survival import SURVIVALS, aging, fittest, generational

SEEDS = range(40)
FITNESS = [-3.0, 1.5, 0.0, 1.5, -200.0]


def parents(space: SearchSpace, seed: int) -> tuple[Genome, Genome]:
    rng = np.random.default_rng([7, seed])
    # Read-only, so that an operator that writes to a parent fails.
    return MappingProxyType(space.sample(rng)), MappingProxyType(space.sample(rng))


@pytest.mark.parametrize("crossover", CROSSOVERS.values(), ids=CROSSOVERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_crossover_contract(crossover: Callable[..., Genome], seed: int, space: SearchSpace) -> None:
    first, second = parents(space, seed)
    child = crossover(np.random.default_rng(seed), first, second)
    assert child == crossover(np.random.default_rng(seed), first, second)
    assert child.keys() == first.keys() | second.keys()
    assert all(value in [parent[name] for parent in (first, second) if name in parent] for name, value in child.items())
    assert space.contains(space.repair(np.random.default_rng(seed), child))
    assert crossover(np.random.default_rng(seed), first, first) == first
    assert crossover(np.random.default_rng(seed), {}, {}) == {}
    assert crossover(np.random.default_rng(seed), {"a": 1}, {"a": 2})["a"] in (1, 2)


@pytest.mark.parametrize("crossover", CROSSOVERS.values(), ids=CROSSOVERS)
def test_crossover_mixes(crossover: Callable[..., Genome]) -> None:
    first, second = dict.fromkeys("abcdef", 1), dict.fromkeys("abcdef", 2)
    mixed = [set(crossover(np.random.default_rng(seed), first, second).values()) == {1, 2} for seed in SEEDS]
    assert np.mean(mixed) > 0.8


def children(name: str) -> list[str]:
    first, second = dict.fromkeys("abcdef", 1), dict.fromkeys("abcdef", 2)
    drawn = [CROSSOVERS[name](np.random.default_rng(seed), first, second) for seed in range(400)]
    return ["".join(str(child[gene]) for gene in "abcdef") for child in drawn]


def test_one_point_has_one_cut_anywhere_inside() -> None:
    assert set(children("one_point")) == {"122222", "112222", "111222", "111122", "111112"}


def test_two_point_has_one_stretch_of_the_second() -> None:
    stretches = {"1" * start + "2" * (end - start) + "1" * (6 - end) for end in range(7) for start in range(end)}
    assert set(children("two_point")) == stretches


def test_uniform_tosses_a_coin_for_each_gene() -> None:
    drawn = children("uniform")
    assert len(set(drawn)) == 64
    assert np.mean([[gene == "1" for gene in child] for child in drawn], axis=0) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
@pytest.mark.parametrize("rate", [None, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_mutation_contract(mutation: Callable[..., Genome], rate: float | None, seed: int, space: SearchSpace) -> None:
    parent, _ = parents(space, seed)
    child = mutation(np.random.default_rng(seed), parent, space=space, rate=rate)
    assert child == mutation(np.random.default_rng(seed), parent, space=space, rate=rate)
    changed = {name for name in parent if child[name] != parent[name]}
    assert changed
    assert all(gene.contains(child[name]) for name, gene in space.active_genes(parent).items())
    repaired = space.repair(np.random.default_rng(seed), child)
    assert space.contains(repaired)
    assert space.key(repaired) != space.key(parent)
    if rate == 1.0:
        assert changed == parent.keys() - {"version"}
    if rate == 0.0:
        assert len(changed) == 1


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_mutation_without_anything_to_change(
    mutation: Callable[..., Genome], genes: tuple, rng: np.random.Generator
) -> None:
    assert mutation(rng, {}, space=SearchSpace(()), rate=None) == {}
    only = SearchSpace((genes[-1],))
    assert mutation(rng, {"version": "v1"}, space=only, rate=1.0) == {"version": "v1"}


def test_default_rate_changes_one_gene_on_average(space: SearchSpace) -> None:
    parent = space.default()
    num_changed = [
        sum(
            MUTATIONS["typed"](np.random.default_rng(seed), parent, space=space)[name] != parent[name]
            for name in parent
        )
        for seed in range(1000)
    ]
    # Six genes can change: one on average, and one more where none would have, which has the chance (5/6)^6.
    assert np.mean(num_changed) == pytest.approx(1 + (5 / 6) ** 6, abs=0.08)


def test_typed_steps_where_redraw_jumps(space: SearchSpace) -> None:
    parent = {**space.default(), "drop": 0.4}
    spread = {
        name: np.std([mutate(np.random.default_rng(s), parent, space=space, rate=1.0)["drop"] for s in range(300)])
        for name, mutate in MUTATIONS.items()
    }
    assert spread["typed"] < 0.5 * spread["redraw"]


@pytest.mark.parametrize("select", SELECTIONS.values(), ids=SELECTIONS)
@pytest.mark.parametrize("fitness", [FITNESS, [5.0], [0.0, 0.0, 0.0], [-1e308, 1e308], [1e-320, 0.0]])
def test_selection_contract(select: Callable[..., list[int]], fitness: list[float]) -> None:
    before = list(fitness)
    for seed in SEEDS:
        for num in (1, 2, 7):
            chosen = select(np.random.default_rng(seed), fitness, num=num)
            assert len(chosen) == num
            assert all(type(index) is int and 0 <= index < len(fitness) for index in chosen)
            assert chosen == select(np.random.default_rng(seed), fitness, num=num)
    assert fitness == before


@pytest.mark.parametrize("select", SELECTIONS.values(), ids=SELECTIONS)
def test_selection_prefers_the_fit_and_treats_equals_alike(select: Callable[..., list[int]]) -> None:
    def shares(fitness: list[float]) -> list[float]:
        rng = np.random.default_rng(1)
        counts = Counter(index for _ in range(1000) for index in select(rng, fitness, num=2))
        return [counts[index] / 2000 for index in range(len(fitness))]

    rising = shares([-2.0, -1.0, 0.0, 1.0])
    assert rising == sorted(rising)
    assert rising[-1] > 1.3 * rising[0]
    assert shares([4.0, 4.0, 4.0, 4.0]) == pytest.approx([0.25] * 4, abs=0.04)


def test_roulette_by_hand() -> None:
    # Leads over the worst: 0, 1, 2; a third of the spread on top: 2/3, 5/3, 8/3; the sum is 5.
    assert roulette_shares([1.0, 2.0, 3.0]) == pytest.approx([2 / 15, 5 / 15, 8 / 15])
    assert roulette_shares([-3.0, -2.0, -1.0]) == pytest.approx([2 / 15, 5 / 15, 8 / 15])
    assert roulette_shares([7.0, 7.0]) == pytest.approx([1 / 2, 1 / 2])
    drawn = SELECTIONS["roulette"](np.random.default_rng(0), [1.0, 2.0, 3.0], num=6000)
    assert [drawn.count(index) for index in range(3)] == pytest.approx([800, 2000, 3200], abs=150)


def test_rank_by_hand() -> None:
    # Baker's line from 0.2 expected offspring of the worst to 1.8 of the best, whatever their distance.
    assert rank_shares([10.0, -5.0, 1e6, 11.0]) * 4 == pytest.approx([0.2 + 1.6 / 3, 0.2, 1.8, 0.2 + 3.2 / 3])
    # Equals share the ranks 1 and 2.
    assert rank_shares([0.0, 1.0, 1.0, 2.0]) * 4 == pytest.approx([0.2, 1.0, 1.0, 1.8])
    assert rank_shares([3.0]) == pytest.approx([1.0])


@pytest.mark.parametrize("seed", SEEDS)
def test_stochastic_universal_by_hand(seed: int) -> None:
    # Of 15 places the shares 2/15, 5/15 and 8/15 get exactly 2, 5 and 8, at every spin; of 4 they get 0.53, 1.33, 2.13.
    chosen = Counter(SELECTIONS["stochastic_universal"](np.random.default_rng(seed), [1.0, 2.0, 3.0], num=15))
    assert [chosen[index] for index in range(3)] == [2, 5, 8]
    few = Counter(SELECTIONS["stochastic_universal"](np.random.default_rng(seed), [1.0, 2.0, 3.0], num=4))
    assert few[0] in (0, 1) and few[1] in (1, 2) and few[2] in (2, 3)


def test_tournament_by_hand() -> None:
    # The worst of three wins only against itself: (1/3)^2. The best loses only if never drawn: 1 - (2/3)^2.
    drawn = tournament(np.random.default_rng(0), [3.0, 1.0, 2.0], num=9000, size=2)
    assert [drawn.count(index) for index in (1, 2, 0)] == pytest.approx([1000, 3000, 5000], abs=200)
    assert set(tournament(np.random.default_rng(0), [3.0, 1.0, 2.0], num=50, size=40)) == {0}


@pytest.mark.parametrize("survive", SURVIVALS.values(), ids=SURVIVALS)
@pytest.mark.parametrize("seed", SEEDS)
def test_survival_contract(survive: Callable[..., list[int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    num = int(rng.integers(0, 30))
    fitness = [float(value) for value in rng.integers(0, 5, size=num)]
    generations = sorted(int(value) for value in rng.integers(0, 4, size=num))
    before = list(fitness), list(generations)
    staying = survive(fitness, generations, size=6, num_elites=2)
    assert (fitness, generations) == before
    assert staying == sorted(set(staying)) == survive(fitness, generations, size=6, num_elites=2)
    assert all(type(index) is int and 0 <= index < num for index in staying)
    # The best of all stays, and nobody leaves before the population is full.
    assert num == 0 or survive is aging or max(fitness) in [fitness[index] for index in staying]
    assert len(staying) >= min(num, 6)


def test_generational_by_hand() -> None:
    fitness, generations = [9.0, 1.0, 8.0, 7.0, 2.0, 3.0], [0, 0, 0, 1, 1, 1]
    # All three of generation 1, and the best two elders.
    assert generational(fitness, generations, size=5, num_elites=2) == [0, 2, 3, 4, 5]
    # One elite.
    assert generational(fitness, generations, size=4, num_elites=1) == [0, 3, 4, 5]
    # Only one of generation 1 finished: elders keep the free places.
    assert generational(fitness[:4], generations[:4], size=4, num_elites=1) == [0, 1, 2, 3]
    assert generational(fitness[:4], generations[:4], size=3, num_elites=0) == [0, 2, 3]
    assert generational([], [], size=3, num_elites=1) == []


def test_fittest_by_hand() -> None:
    assert fittest([1.0, 5.0, 3.0, 4.0], [0, 0, 1, 1], size=3, num_elites=0) == [1, 2, 3]
    # Among equals the elder stays.
    assert fittest([2.0, 2.0, 2.0], [0, 1, 2], size=2, num_elites=0) == [0, 1]


def test_aging_by_hand() -> None:
    assert aging([9.0, 1.0, 2.0, 3.0], [0, 0, 1, 1], size=3, num_elites=2) == [1, 2, 3]
    assert aging([9.0], [0], size=3, num_elites=0) == [0]


@pytest.mark.parametrize("rate", [None, 0.0, 1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_move_contract(rate: float | None, seed: int, space: SearchSpace) -> None:
    (place, before), (own, leader) = parents(space, seed), parents(space, seed + 1000)

    def moved() -> Genome:
        rng = np.random.default_rng(seed)
        return move(rng, place, before=before, own=own, leader=leader, space=space, rate=rate)

    child = moved()
    assert child == moved()
    assert all(gene.contains(child[name]) for name, gene in space.active_genes(place).items())
    assert space.contains(space.repair(np.random.default_rng(seed), child))


def test_a_particle_that_is_where_all_are_drawn_to_stays(space: SearchSpace) -> None:
    place = space.default()
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        stays = move(rng, place, before=place, own=place, leader=place, space=space, rate=0.0)
        assert {**stays, "rate": 0, "momentum": 0} == {**place, "rate": 0, "momentum": 0}
        assert (stays["rate"], stays["momentum"]) == pytest.approx((place["rate"], place["momentum"]))


def test_a_particle_keeps_a_part_of_its_last_step(space: SearchSpace) -> None:
    place, before = {**space.default(), "drop": 0.4}, {**space.default(), "drop": 0.3}
    found = move(np.random.default_rng(0), place, before=before, own=place, leader=place, space=space, rate=0.0)
    assert found["drop"] == pytest.approx(0.4 + 0.7298 * 0.1)
    # It stays within the borders.
    place, before = {**place, "drop": 0.8}, {**place, "drop": 0.2}
    found = move(np.random.default_rng(0), place, before=before, own=place, leader=place, space=space, rate=0.0)
    assert found["drop"] == pytest.approx(0.8)


def test_a_particle_is_drawn_by_its_own_best_and_by_the_leader(space: SearchSpace) -> None:
    place, leader = {**space.default(), "drop": 0.0, "units": 8}, {**space.default(), "drop": 0.8, "units": 64}

    def moves(own: Genome, leader: Genome) -> list[Genome]:
        return [
            move(np.random.default_rng(seed), place, before=place, own=own, leader=leader, space=space, rate=0.0)
            for seed in range(1000)
        ]

    for found in (moves(place, leader), moves(leader, place)):
        # On average three quarters of the way, cut off at its end: the pull is uniform up to 1.4962.
        expected = 0.8 * (0.5 / 1.4962 + (1 - 1 / 1.4962))
        assert np.mean([one["drop"] for one in found]) == pytest.approx(expected, abs=0.02)
        # Places are rounded by chance, so that their mean is the same share of the way, from the first to the fourth.
        places = [(8, 16, 32, 64).index(int(one["units"])) for one in found]
        assert np.mean(places) == pytest.approx(3 * expected / 0.8, abs=0.1)


def test_values_without_an_order_are_taken_over_by_chance(space: SearchSpace) -> None:
    place = {**space.default(), "kind": "dense"}
    own, leader = {**place, "kind": "linear"}, space.default({**place, "kind": "conv"})
    found = Counter(
        move(np.random.default_rng(seed), place, before=place, own=own, leader=leader, space=space, rate=0.0)["kind"]
        for seed in range(3000)
    )
    # Inertia against two pulls of 0.7481 on average; both are equally strong.
    assert found["conv"] == pytest.approx(found["linear"], abs=150)
    assert 0.3 < found["dense"] / 3000 < 0.45
    # A gene that this switches on has the leader's value.
    child = move(np.random.default_rng(0), place, before=place, own=own, leader=leader, space=space, rate=0.0)
    assert child["pool"] is False
