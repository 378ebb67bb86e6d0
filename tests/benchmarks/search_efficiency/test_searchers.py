import pytest

from benchmarks.search_efficiency.searchers import INNER_PARTS, PARTS, SEARCHERS
from benchmarks.search_efficiency.searches import Problem
from tests.benchmarks.search_efficiency.samples import SMALL, count_up


@pytest.mark.parametrize("name", [name for name, searcher in SEARCHERS.items() if not searcher.rungs_only])
def test_every_searcher_plays(name: str) -> None:
    if SEARCHERS[name].is_missing:
        pytest.skip(f"{SEARCHERS[name].needs} is not installed")
    first, second = (count_up(SEARCHERS[name].start(SMALL, 0), 12) for _ in range(2))
    assert first == second
    assert {training.epochs for training in first} == {1}
    assert all(len(training.genome) == 6 and set(training.genome) <= {0, 1} for training in first)
    assert first != count_up(SEARCHERS[name].start(SMALL, 1), 12)


@pytest.mark.parametrize("part", [*PARTS, *INNER_PARTS])
def test_a_part_that_is_switched_off_is_missed(part: str) -> None:
    problem = Problem(num_values=(4,) * 6, rungs=(1,), budget=60)
    whole, lacking = (count_up(SEARCHERS[name].start(problem, 0), 60) for name in ("kevo", part))
    assert whole != lacking
    assert whole == count_up(SEARCHERS["kevo"].start(problem, 0), 60)


def test_seeds_of_the_random_search_do_not_overlap() -> None:
    first, second = (
        [training.genome for training in count_up(SEARCHERS["random"].start(SMALL, seed), 12)] for seed in (0, 6)
    )
    # Keras Tuner draws one value for each number that it counts up from its seed.
    assert first[1:] != second[:-1]


def test_hyperband_climbs_from_rung_to_rung() -> None:
    problem = Problem(num_values=(5,) * 6, rungs=(12, 200), budget=2200)
    asked = count_up(SEARCHERS["hyperband"].start(problem, 0), 30)
    assert {(one.initial_epoch, one.epochs) for one in asked} == {(0, 12), (12, 200), (0, 200)}
    low = {one.genome: sum(one.genome) for one in asked if one.epochs == 12}
    promoted = [one.genome for one in asked if one.initial_epoch == 12]
    assert {low[genome] for genome in promoted} <= set(sorted(low.values())[-len(promoted) :])


def test_ours_climbs_from_rung_to_rung() -> None:
    problem = Problem(num_values=(5,) * 6, rungs=(12, 200), budget=2200)
    asked = count_up(SEARCHERS["kevo"].start(problem, 0), 95)
    steps = {(one.initial_epoch, one.epochs) for one in asked}
    assert {(0, 12), (12, 200)} <= steps
    assert {one.genome for one in asked if one.initial_epoch} <= {one.genome for one in asked if one.epochs == 12}
    assert {(one.initial_epoch, one.epochs) for one in count_up(SEARCHERS["full"].start(problem, 0), 5)} == {(0, 200)}
