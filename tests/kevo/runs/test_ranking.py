"""Which trials are best, by their records alone."""

import dataclasses
import itertools

import numpy as np
import pytest

from kevo.objective import Objective, with_costs
from kevo.runs import ranking
from kevo.runs.records import TrialRecord
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from tests.support.searches import failed, record

ACCURACY = (OBJECTIVES["accuracy"],)


def scored(trial_id: str, accuracy: float, loss: float, **changes: object) -> TrialRecord:
    metrics = {"val_accuracy": accuracy, "val_cross_entropy": loss, "params": 1.0}
    return record(trial_id, accuracy, metrics=metrics, **changes)


def names(records: list[TrialRecord]) -> list[str]:
    return [one.trial_id for one in records]


def test_what_was_continued_counts_once_by_its_last_training() -> None:
    first, second = scored("1", 0.9, 1.0), scored("2", 0.8, 1.0, continues="1")
    assert ranking.rivals([first, failed(5), second, scored("3", 0.7, 1.0)]) == [second, scored("3", 0.7, 1.0)]
    # One that failed when it went on counts by what it was before.
    lost = dataclasses.replace(failed(2), continues="1")
    assert ranking.rivals([first, lost]) == [first]


def test_equals_are_within_a_standard_error_of_the_best() -> None:
    # With 100 examples that is 0.03.
    records = [scored("1", 0.88, 1.0), scored("2", 0.9, 2.0), scored("3", 0.7, 0.5)]
    found = ranking.Ranking(ACCURACY, num_judged=100, records=records)
    assert names(list(found.equals)) == ["1", "2"]
    assert names(list(ranking.Ranking(ACCURACY, num_judged=None, records=records).equals)) == ["2"]
    assert list(ranking.Ranking(ACCURACY, num_judged=100).equals) == []


def test_of_equals_a_simple_one_wins() -> None:
    (plain,) = ACCURACY
    objectives = (dataclasses.replace(plain, is_simple=lambda genome: genome["kind"] == "linear"),)
    deep, linear = {"kind": "deep"}, {"kind": "linear"}
    # With 100 examples the margin is 0.03.
    records = [
        scored("lucky", 0.9, 0.1, genome=deep),
        scored("surer", 0.89, 0.05, genome=deep),
        scored("linear", 0.88, 0.4, genome=linear),
        scored("other", 0.87, 0.3, genome=linear),
        scored("worse", 0.86, 0.01, genome=linear),
    ]
    order = ["other", "linear", "surer", "lucky", "worse"]
    assert names(ranking.decided(records, objectives, num_judged=100)) == order
    grown = ranking.Ranking(objectives, num_judged=100, records=records[:3]).with_one(records[3])
    assert names(list(grown)) == order[:-1]
    so_far = ["lucky", "surer", "linear", "other", "other"]
    assert [one and one.trial_id for one in ranking.winners(records, objectives, num_judged=100)] == so_far
    # What leads by more than chance wins, simple or not.
    assert names(ranking.decided(records, objectives, num_judged=10_000))[0] == "lucky"


def test_of_equals_the_earlier_one_comes_first() -> None:
    records = [scored("1", 0.5, 1.0), scored("2", 0.9, 1.0), scored("3", 0.9, 1.0), scored("4", 0.9, 0.5)]
    assert names(ranking.ranked(records, ACCURACY[0])) == ["4", "2", "3", "1"]
    assert names(ranking.decided(records, ACCURACY, num_judged=None)) == ["4", "2", "3", "1"]


@pytest.mark.parametrize(
    ("objectives", "num_judged", "winners"),
    [
        (ACCURACY, 100, ["surer", "sure", "lucky", "worse"]),
        (ACCURACY, 10_000, ["lucky", "sure", "surer", "worse"]),
        (ACCURACY, None, ["lucky", "sure", "surer", "worse"]),
        (with_costs(ACCURACY[0], ["params"]), 100, ["lucky", "sure", "surer", "worse"]),
        ((OBJECTIVES["loss"],), 100, ["worse", "surer", "sure", "lucky"]),
        ((Objective("val_cross_entropy", "min", standard_error=lambda best, num: 1.1 / num),), 10, None),
    ],
)
def test_a_lead_within_its_standard_error_is_none(
    objectives: tuple[Objective, ...], num_judged: int | None, winners: list[str] | None
) -> None:
    records = [
        scored("worse", 0.90, 0.1),
        scored("surer", 0.945, 0.2),
        scored("sure", 0.95, 0.3),
        scored("lucky", 0.96, 0.4),
    ]
    # With a margin and without a tie-breaker the order is that of the scores.
    expected = ["worse", "surer", "sure", "lucky"] if winners is None else winners
    assert names(ranking.decided(records, objectives, num_judged=num_judged)) == expected
    best = ranking.winner(records, objectives, num_judged=num_judged)
    assert best is not None and best.trial_id == expected[0]


@pytest.mark.parametrize("num_judged", [None, 20, 400])
@pytest.mark.parametrize("objective", ["accuracy", "loss"])
def test_a_ranking_that_grows_is_what_it_would_be_from_the_start(num_judged: int | None, objective: str) -> None:
    rng = np.random.default_rng(0)
    objectives = (OBJECTIVES[objective],)
    records, grown = [], ranking.Ranking(objectives, num_judged=num_judged)
    for number in range(300):
        accuracy, loss = (float(rng.integers(10 + number)) / 400 for _ in range(2))
        continues = str(rng.integers(number)) if number and rng.random() < 0.2 else None
        new = failed(number) if rng.random() < 0.1 else scored(str(number), accuracy, loss, continues=continues)
        records.append(new)
        assert names(list(grown.with_one(new))) == names(ranking.decided(records, objectives, num_judged=num_judged))
        grown.add(new)
        assert names(list(grown)) == names(by_sorting(records, objectives, num_judged))
    assert len(grown) > 100 and grown[:2] == [grown[0], grown[1]]


def by_sorting(
    records: list[TrialRecord], objectives: tuple[Objective, ...], num_judged: int | None
) -> list[TrialRecord]:
    """The rule itself: a lead within one standard error of the best is none, and then the tie-breaker decides."""
    objective, ordered = objectives[0], ranking.ranked(records, objectives[0])
    if not ordered or num_judged is None:
        return ordered
    best, _ = objective.rank(ordered[0].metrics)
    margin = objective.margin(ordered[0].metrics[objective.metric], num_examples=num_judged)
    equals = [one for one in ordered if objective.rank(one.metrics)[0] >= best - margin]
    return [*sorted(equals, key=lambda one: objective.tie(one.metrics)), *ordered[len(equals) :]]


def test_where_nothing_has_a_fitness_nothing_wins() -> None:
    assert ranking.decided([failed(1)], ACCURACY, num_judged=10) == []
    assert ranking.winner([], ACCURACY, num_judged=10) is None
    assert list(ranking.winners([failed(1), failed(2)], ACCURACY, num_judged=10)) == [None, None]


def random_records(num: int, seed: int) -> list[TrialRecord]:
    """Records of which many are equal, some failed, and some continue others."""
    rng = np.random.default_rng(seed)
    records: list[TrialRecord] = []
    for number in range(num):
        open_ones = [one for one in ranking.rivals(records) if rng.random() < 0.2]
        changes = {"continues": open_ones[0].trial_id} if open_ones and rng.random() < 0.4 else {}
        one = scored(str(number), int(rng.integers(15, 20)) / 20, int(rng.integers(1, 4)) / 2, **changes)
        if rng.random() < 0.1:
            one = dataclasses.replace(failed(number), trial_id=str(number), **changes)
        records.append(one)
    return records


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_judged", [None, 20, 1000])
@pytest.mark.parametrize("objectives", [ACCURACY, (OBJECTIVES["loss"],), with_costs(ACCURACY[0], ["params"])])
def test_the_winners_so_far_are_those_of_every_moment(
    seed: int, num_judged: int | None, objectives: tuple[Objective, ...]
) -> None:
    records = random_records(60, seed)
    expected = [ranking.winner(records[:num], objectives, num_judged=num_judged) for num in range(1, 1 + len(records))]
    assert list(ranking.winners(records, objectives, num_judged=num_judged)) == expected
    assert len({one and one.trial_id for one in expected}) > 2


@pytest.mark.parametrize("objectives", [ACCURACY, (OBJECTIVES["loss"],), with_costs(ACCURACY[0], ["params"])])
@pytest.mark.parametrize("num_judged", [None, 20, 1000])
def test_who_beats_another_would_win_beside_it(num_judged: int | None, objectives: tuple[Objective, ...]) -> None:
    scores = itertools.product((0.5, 0.8, 0.85, 0.9), (0.1, 0.2, 0.3))
    records = [scored(str(number), *one) for number, one in enumerate(scores)]
    outcomes = set()
    for ours, theirs in itertools.product(records, records):
        # Of equals the one that was there before stays.
        expected = ranking.winner([theirs, ours], objectives, num_judged=num_judged) is ours and ours is not theirs
        found = ranking.beats(ours.metrics, theirs.metrics, objectives, num_judged=num_judged)
        assert found is expected
        outcomes.add(found)
    assert outcomes == {True, False}


def test_what_is_no_better_than_no_model_is_left_out_unless_all_are() -> None:
    records = [scored(str(number), accuracy, 1.0) for number, accuracy in enumerate([0.2, 0.5, 0.500001, 0.9])]
    accuracy = OBJECTIVES["accuracy"]
    assert ranking.informed(records, accuracy, 0.5) == records[2:]
    assert ranking.informed(records, accuracy, None) == ranking.informed(records, accuracy, 0.9) == records
    falling = Objective("val_accuracy", "min")
    assert ranking.informed(records, falling, 0.5) == records[:1]
