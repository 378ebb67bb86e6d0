"""The last trainings of a search: how long they are, and what they leave to others."""

import dataclasses
import itertools
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kevo
from kevo.engine.budget import Budget
from kevo.engine.messages import TrialResult, TrialSpec
from kevo.engine.scheduler import Idle, Scheduler
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import FeatureCache
from kevo.tasks.images.genes import speed_key
from kevo.tasks.protocols.task import Work
from tests.support.samples import CONV_GENOME
from tests.support.schedulers import (
    DONE,
    FROZEN,
    METRICS,
    begun_at_last,
    cut_short,
    evolved,
    in_time,
    scheduler,
    taken_up,
    tasks,
)
from tests.support.searches import SETTINGS, record
from tuners.genome import Genome


def test_where_time_is_scarce_one_network_is_trained_once_and_goes_on_with_all_examples(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    one = in_time(tmp_path, dataset, per_epoch=10.0)
    first = begun_at_last(one)
    assert first.effort.num_epochs == 40 and first.effort.seconds == pytest.approx(0.8 * 380, abs=20)
    one._budget._seconds_before = 315.0
    one.finish("a", cut_short(30, seconds=300.0), save=lambda path: path.write_text("a model"))
    # 30 epochs show each picture often.
    assert first.genome["augment"] and first.genome["augment/translation"] == 0.1
    last = one.next("a")
    assert isinstance(last, TrialSpec) and last.genome == first.genome and last.continues == first.trial_id
    # 79 seconds are left. An epoch with the validation split takes up to a quarter longer than the 10 of one without
    # it: where they take half of that, the time decides when it ends.
    assert last.effort.num_epochs == 13 and last.effort.refit == {"train": 13} and last.effort.rate == 0.5
    # The learning rate rises and falls anew.
    assert one.running.model_for("a") is not None and last.history == last.stages == ()
    assert last.effort.seconds == pytest.approx(78, abs=3)
    one.finish("a", DONE, save=lambda path: path.write_text("a better one"))
    assert (tmp_path / f"run/checkpoints/{first.trial_id}-refit.keras").read_text() == "a better one"
    one._budget._seconds_before = 393.0
    assert one.next("a") is Idle.OVER


def test_over_folds_no_time_is_kept_to_go_on() -> None:
    settings = dataclasses.replace(SETTINGS, max_time=400.0)
    work = Work(0.0, 21.0, per_epoch=1.0)
    for folds, seconds in ((None, 80.0), (5, 100.0)):
        budget = Budget(dataclasses.replace(settings, folds=folds), started=time.monotonic())
        assert budget.without_continuation(work, 100.0) == seconds


def test_a_last_training_changes_pictures_where_that_was_as_good(tmp_path: Path, dataset: ImageDataset) -> None:
    one = in_time(tmp_path, dataset, per_epoch=1.0)
    flipped = {**CONV_GENOME, "augment": True, "augment/flip": "horizontal"}
    flipped |= {f"augment/{gene}": 0.0 for gene in ("rotation", "zoom", "translation", "contrast")}
    for trial_id, genome, accuracy in (("1", CONV_GENOME, 0.81), ("2", flipped, 0.8)):
        ended = record(trial_id, accuracy, genome=genome, is_paused=False, seconds=20.0)
        one._archive.add(ended, save=lambda path: path.write_text("a model"))
    one._exhausted_with = math.inf
    last = one.next("a")
    assert isinstance(last, TrialSpec) and last.trial_id == "1-full" and last.effort.num_epochs == 40
    assert last.genome == {**flipped, "augment/translation": 0.1}


def test_last_trainings_from_scratch_are_longer_where_nobody_says_how_long(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    limited = dataclasses.replace(SETTINGS, max_trials=None, max_time=400.0, epochs=20, final_epochs=None)
    flexible, whole = Work(0.0, 21.0, per_epoch=1.0), Work(0.0, 21.0)
    for settings, work, num_epochs in (
        (limited, flexible, 80),
        (limited, whole, 40),
        (dataclasses.replace(limited, final_epochs=30), flexible, 30),
        (dataclasses.replace(limited, max_trials=3, max_time=None), flexible, 40),
    ):
        budget = Budget(settings, started=time.monotonic())
        assert budget.longest(work) == num_epochs
        assert budget.proper_seconds(work) == (0.0 if work is whole else num_epochs)


def test_a_long_training_that_broke_off_goes_on_as_it_began(tmp_path: Path, dataset: ImageDataset) -> None:
    one = in_time(tmp_path, dataset, per_epoch=10.0)
    first = begun_at_last(one)
    epochs = {"history": [METRICS] * 12, "stages": ["train"] * 12}
    one.keep("a", save=lambda path: path.write_text("half"), seconds=120.0, **epochs)
    again = taken_up(one)
    # With 18 epochs nobody would move a picture.
    again._task.work = one._task.work  # type: ignore[method-assign]
    again._budget._seconds_before = 180.0
    task = begun_at_last(again)
    assert task.trial_id == first.trial_id and task.genome == first.genome and len(task.stages) == 12


def test_where_no_two_more_epochs_fit_the_first_network_gets_all_the_time(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    first = begun_at_last(in_time(tmp_path, dataset, per_epoch=60.0))
    assert first.effort.seconds == pytest.approx(380, abs=25)
    assert first.genome["augment/translation"] == 0


def test_a_network_that_turns_out_to_be_slow_gets_the_rest_of_the_time(tmp_path: Path, dataset: ImageDataset) -> None:
    """Also where the first answer, trained in seconds, is better so far."""
    one = in_time(tmp_path, dataset, per_epoch=1.0)
    first = begun_at_last(one)
    assert first.effort.num_epochs == 20 and first.effort.seconds == pytest.approx(380 / 16, abs=1)
    one._budget._seconds_before = 30.0
    one.finish("a", cut_short(2, seconds=24.0), save=lambda path: path.write_text("a model"))
    slow = in_time(tmp_path / "slow", dataset, per_epoch=12.0)
    one._task.work = slow._task.work  # type: ignore[method-assign]
    last = one.next("a")
    assert isinstance(last, TrialSpec) and last.trial_id == f"{first.trial_id}-full" and last.genome == first.genome
    assert last.effort.num_epochs == 40 and last.effort.seconds == pytest.approx(0.8 * 363, abs=2)


def test_what_the_final_trainings_leave_over_goes_back_to_the_evolution(tmp_path: Path, dataset: ImageDataset) -> None:
    one = in_time(tmp_path, dataset, per_epoch=1.0)
    assert begun_at_last(one).trial_id == "0000"
    one._budget._seconds_before = 310.0
    one.finish("a", DONE, save=lambda path: path.write_text("a model"))
    begun = list(itertools.islice(tasks(one), 3))
    assert [task.trial_id for task in begun] == ["0000-full", "0001", "0002"]
    assert not one.is_over
    one._budget._seconds_before = 400.0
    assert list(tasks(one)) == [] and one.is_over


@pytest.mark.parametrize(("max_time", "tuned"), [(1e6, ["1", "3"]), (None, ["1", "2", "3"])])
def test_one_head_on_each_frozen_network_is_fine_tuned(
    tmp_path: Path, dataset: ImageDataset, max_time: float | None, tuned: list[str]
) -> None:
    """Where time is limited, since another head would lead to nearly the same network."""
    settings = dataclasses.replace(SETTINGS, num_finalists=3, max_time=max_time, space=kevo.PRESETS["default"])
    genomes = FROZEN, {**FROZEN, "head/dropout": 0.4}, {**FROZEN, "pretrained/image_size": 64}
    records = [
        record(str(number), 0.9 - number / 100, genome=genome, stages=["head"], is_paused=False)
        for number, genome in enumerate(genomes, start=1)
    ]
    one = evolved(tmp_path, dataset, settings, *records, seconds=0.0)
    begun = [one.next(worker) for worker in "abc"]
    finals = [task for task in begun if isinstance(task, TrialSpec)]
    assert [task.trial_id[0] for task in finals if task.genome["pretrained/tuning"] == "fine_tune"] == tuned
    assert len(finals) == 3


def test_the_last_trainings_of_a_front_share_the_time(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=None, max_time=400.0, epochs=20, final_epochs=40)
    settings = dataclasses.replace(settings, minimize=("params",), num_finalists=2)
    narrow = {**CONV_GENOME, "conv/block_1/filters": 4}
    records = []
    for trial_id, accuracy, num_parameters, genome in (
        ("large", 0.8, 300, CONV_GENOME),
        ("beaten", 0.79, 400, CONV_GENOME),
        ("small", 0.7, 100, narrow),
    ):
        ended = record(trial_id, accuracy, genome=genome, is_paused=False, seconds=20.0)
        records.append(dataclasses.replace(ended, metrics={**ended.metrics, "params": float(num_parameters)}))
    one = evolved(tmp_path, dataset, settings, *records, seconds=80.0)

    def work(genome: object, *, tune_epochs: int | None = None) -> Work:
        per_epoch = 5.0 if genome == narrow else 10.0
        return Work(0.0, 1.0 + 20 * per_epoch, per_epoch=per_epoch)

    one._task.work = work  # type: ignore[method-assign]
    # Three quarters of 380 seconds are kept.
    assert one._finals.left_for_evolution() == pytest.approx(15, abs=3)
    large = one.next("a")
    assert isinstance(large, TrialSpec) and large.trial_id == "large-full" and large.effort.num_epochs == 40
    # A fifth of the 300 seconds that are left may be needed to go on with all examples.
    assert large.effort.seconds == pytest.approx(0.8 * 300 * 10 / 15, abs=3)
    one._budget._seconds_before = 160.0
    better = {"metrics": {**METRICS, "params": 300.0}, "seconds": 160.0}
    one.finish("a", dataclasses.replace(DONE, **better), save=lambda path: path.write_text("a model"))
    small = one.next("a")
    assert isinstance(small, TrialSpec) and small.trial_id == "small-full"
    assert small.effort.seconds == pytest.approx(0.8 * 140, abs=3)


@pytest.mark.parametrize(("max_time", "tuned"), [(1e6, ["1", "2"]), (None, ["1", "2", "3"])])
def test_a_clearly_worse_finalist_is_not_fine_tuned_where_time_is_limited(
    tmp_path: Path, dataset: ImageDataset, max_time: float | None, tuned: list[str]
) -> None:
    settings = dataclasses.replace(SETTINGS, num_finalists=3, max_time=max_time, space=kevo.PRESETS["default"])
    error = math.sqrt(0.9 * 0.1 / len(dataset.validation))
    records = [
        record(str(number), 0.9 - lag * error, genome=genome, stages=["head"], is_paused=False)
        for number, lag, genome in (
            (1, 0.0, FROZEN),
            (2, 1.9, {**FROZEN, "pretrained/image_size": 64}),
            (3, 2.1, {**FROZEN, "pretrained/image_size": 96}),
        )
    ]
    one = evolved(tmp_path, dataset, settings, *records, seconds=0.0)
    begun = [one.next(worker) for worker in "abc"]
    finals = [task for task in begun if isinstance(task, TrialSpec)]
    assert [task.trial_id[0] for task in finals if task.genome["pretrained/tuning"] == "fine_tune"] == tuned


@pytest.mark.parametrize("leader", ["pretrained", "conv"])
def test_what_is_left_after_the_final_trainings_goes_to_heads_where_one_leads(
    tmp_path: Path, dataset: ImageDataset, leader: str
) -> None:
    """A network from scratch would not come near in that time, however small it is."""
    one = in_time(tmp_path, dataset, per_epoch=0.01, seconds=370.0)
    ended = {"is_paused": False, "seconds": 1.0, "genome": FROZEN if leader == "pretrained" else CONV_GENOME}
    one._archive.add(record("0", 0.8, **ended), save=lambda path: path.write_text("a model"))

    def work(genome: Genome, *, tune_epochs: int | None = None) -> Work:
        return Work(0.0, 1.0, per_epoch=0.01 if genome["family"] == "conv" else None)

    one._task.work = work  # type: ignore[method-assign]
    one.is_feasible.left = 10.0
    assert one.is_feasible(CONV_GENOME) and one.is_feasible(FROZEN)
    one._archive.add(record("0-full", 0.8, full_length=True, **ended), save=lambda path: path.write_text("a model"))
    assert one.is_feasible(CONV_GENOME) is (leader == "conv") and one.is_feasible(FROZEN)


@pytest.mark.parametrize(("left", "num_examples"), [(200.0, 1), (500.0, None)])
def test_a_head_on_a_sample_learns_from_more_where_there_is_time(
    tmp_path: Path, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch, left: float, num_examples: int | None
) -> None:
    monkeypatch.setattr("kevo.tasks.images.passes._FIRST_BLOCK", 20)
    num_kept = {"train": 20, "validation": len(dataset.validation)}
    monkeypatch.setattr(FeatureCache, "num_kept", lambda self, split, *rest: num_kept[split])
    settings = dataclasses.replace(SETTINGS, max_time=1000.0, num_finalists=1)
    head = {"genome": FROZEN, "stages": ["head"] * 3, "history": [METRICS] * 3, "is_paused": False, "seconds": 20.0}
    one = scheduler(tmp_path, dataset, settings, seconds=0.0)
    one._archive.add(record("1", 0.8, **head), save=lambda path: path.write_text("a model"))
    # To pass the 136 others takes 204 seconds, which are kept for the final training.
    one._task.learn({"errors": {}, "speeds": [[*speed_key(FROZEN), 1.5]]})
    kept = (one._budget.left or 0) - (one._finals.left_for_evolution() or 0)
    assert kept >= 204
    one._exhausted_with = math.inf
    one._budget._seconds_before = (one._budget.left or 0) - left
    final = one.next("a")
    assert isinstance(final, TrialSpec) and final.trial_id == "1-full" and final.effort.num_examples is None
    # Its passes need not be made again: only what else it takes is kept for a refit.
    assert (final.effort.seconds or 0) > min(0.9 * left, 204)
    one.finish("a", DONE, save=lambda path: path.write_text("a model"))
    refit = one.next("a")
    assert isinstance(refit, TrialSpec) and refit.effort.refit is not None
    assert refit.effort.num_examples == num_examples


def test_after_slow_candidates_quick_ones_use_what_is_left(tmp_path: Path, dataset: ImageDataset) -> None:
    """The first on each frozen network make its passes; a head on features that are there takes a second."""
    settings = dataclasses.replace(SETTINGS, max_trials=None, max_time=300.0, epochs=20, num_finalists=1)
    ended = {"is_paused": False, "seconds": 36.0}
    records = [record(str(number), 0.8 - number / 100, **ended) for number in range(4)]
    last = record("0-full", 0.9, full_length=True, **ended)
    one = scheduler(tmp_path, dataset, settings, *records, last, seconds=265.0)
    one._task.work = lambda genome, *, tune_epochs=None: Work(0.0, 1.0)  # type: ignore[method-assign]
    task = one.next("a")
    assert isinstance(task, TrialSpec) and task.trial_id == "0000"
    assert not task.effort.refit


def test_what_it_took_to_build_a_network_is_not_counted_for_each_epoch(tmp_path: Path, dataset: ImageDataset) -> None:
    one = in_time(tmp_path, dataset, per_epoch=1.0, seconds=339.0)
    one._exhausted_with = math.inf
    one._archive.add(record("1", 0.8, is_paused=False, seconds=10.0), save=lambda path: path.write_text("a model"))
    final = one.next("a")
    # 41 seconds are left for it and for the refit, and nine tenths of its own are certain.
    assert isinstance(final, TrialSpec) and final.trial_id == "1-full" and final.effort.num_epochs == 16


def test_the_winner_is_refit_before_the_time_is_up(tmp_path: Path, dataset: ImageDataset) -> None:
    one = in_time(tmp_path, dataset, per_epoch=1.0, seconds=340.0)
    ended = {"is_paused": False, "seconds": 20.0}
    for trial_id in ("0", "1"):
        one._archive.add(record(trial_id, 0.8, origin="seed", **ended))
        full = record(f"{trial_id}-full", 0.9, full_length=True, **ended)
        one._archive.add(full, save=lambda path: path.write_text("a model"))
    # 40 seconds are left, and 25 of them are the refit's.
    assert (one._finals.left_for_evolution() or 0) == pytest.approx(15, abs=2)
    one._budget._seconds_before = 13.0
    refit = one.next("a")
    assert isinstance(refit, TrialSpec) and refit.effort.refit is not None


@pytest.mark.parametrize(
    ("seconds", "changes", "num"),
    [
        (2.0, {}, 4),
        # A tenth of 380 seconds has room for three of ten, which learn from the validation split too.
        (10.0, {}, 3),
        (100.0, {}, 1),
        (2.0, {"max_params": 250}, 2),
        (2.0, {"minimize": ("params",)}, 1),
    ],
)
def test_the_winner_is_refit_as_the_mean_of_several_networks(
    tmp_path: Path, dataset: ImageDataset, seconds: float, changes: dict[str, Any], num: int
) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=None, max_time=400.0, num_finalists=1, **changes)
    one = scheduler(tmp_path, dataset, settings, seconds=200.0)
    one._task.mean_members = lambda genomes: (0, 0, 0)  # type: ignore[method-assign]
    ended = {"is_paused": False, "seconds": seconds}
    for found in (record("0", 0.8, origin="seed", **ended), record("0-full", 0.9, full_length=True, **ended)):
        known = dataclasses.replace(found, num_parameters=100, metrics={**found.metrics, "params": 100.0})
        one._archive.add(known, save=lambda path: path.write_text("a model"))
    refit = one._finals.refit()
    assert refit is not None and 1 + len(refit.effort.members) == num
    assert all(one.genome == refit.genome and one.refit == refit.effort.refit for one in refit.effort.members)
    # Time is kept for all of them: what is left of 180 seconds, of which a refit takes a quarter longer.
    kept = 180 - (one._finals.left_for_evolution() or 0)
    assert kept == pytest.approx(min(1.25 * num * seconds, 0.25 * 380), abs=2)


def test_the_winner_is_averaged_with_others_that_scores_cannot_tell_from_it(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=None, max_time=400.0, num_finalists=1)
    one = scheduler(tmp_path, dataset, settings, seconds=200.0)
    given: list[float] = []

    def mean_members(genomes: Sequence[Genome]) -> Sequence[int]:
        given.extend(float(genome["learning_rate"]) for genome in genomes)
        return (2, 1)

    one._task.mean_members = mean_members  # type: ignore[method-assign]
    # Three leads are smaller than a standard error; the last one is far behind.
    for place, (accuracy, loss) in enumerate([(0.90, 0.3), (0.91, 0.2), (0.90, 0.25), (0.5, 0.1)]):
        genome = {**CONV_GENOME, "learning_rate": 0.001 * (1 + place)}
        metrics = {"val_accuracy": accuracy, "val_cross_entropy": loss}
        found = record(str(place), accuracy, genome=genome, metrics=metrics, is_paused=False, seconds=2.0)
        one._archive.add(found, save=lambda path: path.write_text("a model"))
    refit = one._finals.refit()
    assert refit is not None and refit.genome["learning_rate"] == 0.002
    assert given[:3] == [0.002, 0.003, 0.001] and 0.004 not in given
    assert [member.genome["learning_rate"] for member in refit.effort.members] == [0.001, 0.003]


def test_a_machine_that_took_long_for_the_first_model_gets_more_time_for_the_end(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    left = list[float]()
    for seconds in (1.0, 10.0):
        one = scheduler(tmp_path / str(seconds), dataset, dataclasses.replace(SETTINGS, max_time=1000.0))
        assert isinstance(one.next("a"), TrialSpec)
        one.finish("a", dataclasses.replace(DONE, seconds=seconds), save=lambda path: path.write_text("a model"))
        left.append(one._budget.left or 0.0)
    assert left[0] > 985 and left[0] - left[1] == pytest.approx(22.5, abs=2)


@pytest.mark.parametrize("are_better_together", [True, False])
def test_time_is_kept_for_an_ensemble_only_if_one_would_gain(
    tmp_path: Path, dataset: ImageDataset, are_better_together: bool
) -> None:
    settings = dataclasses.replace(SETTINGS, max_time=1000.0, objective="loss", max_trials=None)
    one = scheduler(tmp_path, dataset, settings)
    one._task.scoring_seconds = lambda genome: 50.0  # type: ignore[method-assign]
    # Each knows one class only, and another one if they are better together.
    for number in range(3):
        probabilities = np.full((len(dataset.validation), 3), 0.25)
        probabilities[:, number if are_better_together else 0] = 0.5
        ended = record(str(number), 0.8, is_paused=False, metrics={**METRICS, "val_cross_entropy": 1.0 + number / 100})
        one._archive.add(ended, save=lambda path: path.write_text("a model"), outputs=probabilities)
    one._budget._seconds_before = 700.0
    one._expect_closing()
    assert one._budget.expects_ensemble
    one._budget._seconds_before = 800.0
    one._expect_closing()
    assert one._budget.expects_ensemble is are_better_together
    assert one._budget.left == pytest.approx(70 if are_better_together else 150, abs=40)


def test_a_training_cut_short_is_compared_with_a_forecast_of_its_length(tmp_path: Path, dataset: ImageDataset) -> None:
    one = in_time(tmp_path, dataset, per_epoch=1.0)
    noted = list[float]()
    one._task.note_duration = lambda genome, work, seconds: noted.append(seconds)  # type: ignore[method-assign]
    begun_at_last(one)
    # One epoch was to take two seconds, and all twenty 21; the first part is the same for all.
    one.finish("a", cut_short(1, seconds=4.0))
    assert noted == [pytest.approx(42.0)]


def test_a_final_training_that_was_cut_short_is_repeated_at_its_own_length(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    one = in_time(tmp_path, dataset, per_epoch=1.0, seconds=300.0)
    cut = cut_short(22, seconds=22.0)
    history, stages = list(cut.history), list(cut.stages)
    last = record("1-full", 0.9, is_paused=False, full_length=True, history=history, stages=stages, planned_epochs=40)
    one._archive.add(record("1", 0.8, is_paused=False))
    one._archive.add(last, save=lambda path: path.write_text("a model"))
    one._exhausted_with = math.inf
    task = one.next("a")
    assert isinstance(task, TrialSpec) and task.effort.refit == {"train": 22}
    # The rate falls over so many epochs, as it did when they were measured.
    assert task.effort.num_epochs == 22


def play(one: Scheduler, *, speed: float) -> None:
    """Has a search done by a worker whose epochs take `speed` times as long as forecast, on a clock of its own."""
    budget, accuracy = one._budget, 0.2
    began = budget._started
    while True:
        # Only what trainings take counts.
        budget._started = time.monotonic()
        task = one.next("a")
        if not isinstance(task, TrialSpec):
            break
        work, effort = one._task.work(task.genome), task.effort
        num_planned = effort.num_epochs if effort.refit is None else sum(effort.refit.values())
        seconds = 1.0 + num_planned * speed * (work.per_epoch or work.own / 20)
        is_cut_short = effort.seconds is not None and seconds > effort.seconds
        if is_cut_short:
            num_planned = max(1, math.floor(num_planned * ((effort.seconds or 0.0) / seconds)))
            seconds = effort.seconds or 0.0
        budget._seconds_before += seconds
        accuracy += 0.7 * (0.9 - accuracy) * min(1.0, seconds / 100)
        history = tuple(
            {**METRICS, "val_accuracy": accuracy * (epoch + 1) / num_planned} for epoch in range(num_planned)
        )
        outcome = TrialResult(
            seconds=seconds,
            metrics=history[-1],
            history=history,
            stages=("train",) * num_planned,
            num_parameters=100,
            is_cut_short=is_cut_short,
            share=num_planned / effort.num_epochs,
        )
        one.finish("a", outcome, save=lambda path: path.write_text("a model"))
    budget._started = began


@pytest.mark.parametrize(
    ("max_time", "per_epoch", "speed"),
    [
        (60.0, 0.5, 1.0),
        (120.0, 1.0, 1.3),
        (300.0, 4.9, 1.2),
        (600.0, 4.9, 0.8),
        (300.0, 20.0, 1.0),
        (120.0, None, 1.0),
        (300.0, None, 2.0),
    ],
)
def test_all_of_the_time_is_used_while_anything_may_gain(
    tmp_path: Path, dataset: ImageDataset, max_time: float, per_epoch: float | None, speed: float
) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=None, max_time=max_time, epochs=20, final_epochs=None)
    one = scheduler(tmp_path, dataset, settings)
    # Heads on frozen features have no length of their own.
    work = Work(0.0, 1.0 + 20 * (per_epoch or 0.25), per_epoch=per_epoch)
    one._task.work = lambda genome, *, tune_epochs=None: work  # type: ignore[method-assign]
    play(one, speed=speed)
    assert one.is_over
    assert 0 <= one._budget._seconds_before <= max_time
    left = one._budget.left
    assert left is not None and left <= max(5.0, 1.0 + 2 * (per_epoch or 0.25) * speed, work.own * (per_epoch is None))
