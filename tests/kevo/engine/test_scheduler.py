"""Who hands out trainings, without any training: what is begun, what is written down, and what ends the search."""

import dataclasses
import errno
import functools
import io
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kevo
from kevo.cli.console import user_errors
from kevo.engine import partial_trainings
from kevo.engine.messages import TrialResult, TrialSpec
from kevo.engine.scheduler import Idle
from kevo.errors import RunError, SearchBrokenError
from kevo.progress import SearchStarted
from kevo.progress.board import Board
from kevo.progress.panel import Paper, draw, ended
from kevo.progress.plain import Plain
from kevo.progress.trackers import TrackerGroup
from kevo.report.answer import answer
from kevo.report.drawings import drawings
from kevo.runs import reader, status, trial_reader
from kevo.runs.folder import Run
from kevo.runs.records import FIRST
from kevo.tasks.images import linear_probes
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.task_trainer import ImageTrainer
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from kevo.tasks.protocols.task import Work
from kevo.training.effort import CandidateError, Effort, MeanMember
from tests.support.samples import CONV_GENOME, stripes
from tests.support.schedulers import (
    DONE,
    FROZEN,
    METRICS,
    SHALLOW,
    evolved,
    listener,
    scheduler,
    taken_up,
    tasks,
)
from tests.support.searches import PAUSED, RUNGS, SETTINGS, Diary, record
from tuners.genome import Genome


def test_genomes_of_another_search_are_trained_after_those_of_the_task(tmp_path: Path, dataset: ImageDataset) -> None:
    seed = {**CONV_GENOME, "learning_rate": 0.0123, "from": "elsewhere"}
    plain = scheduler(tmp_path / "plain", dataset, dataclasses.replace(SETTINGS, max_trials=9))
    num = len(plain._task.seeds)
    one = scheduler(tmp_path / "seeded", dataset, dataclasses.replace(SETTINGS, max_trials=9, seeds=(seed,)))
    begun = [task.genome for task in itertools.islice(tasks(one), num + 1)]
    assert begun[:num] == [task.genome for task in itertools.islice(tasks(plain), num)]
    assert begun[num]["learning_rate"] == 0.0123 and "from" not in begun[num]


def test_finalists_are_not_begun_when_the_time_is_up(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(RUNGS, max_time=60.0), PAUSED, seconds=60.0)
    assert list(tasks(one)) == [] and listener(one).started == [] and one.is_over


@pytest.mark.parametrize(
    ("left", "num_epochs"),
    # A candidate that took 20 seconds for its three epochs: nine tenths of what leaves time for all pictures.
    [(150.0, 6), (90.0, 5), (50.0, None)],
)
def test_the_best_is_trained_for_as_long_as_there_is_time(
    tmp_path: Path, dataset: ImageDataset, left: float, num_epochs: int | None
) -> None:
    settings = dataclasses.replace(SETTINGS, max_time=1000.0, num_finalists=2)
    whole = {"history": [METRICS] * 3, "stages": ["train"] * 3, "seconds": 20.0, "is_paused": False}
    records = record("second", 0.7, **whole), record("best", 0.8, **whole)
    one = evolved(tmp_path, dataset, settings, *records, seconds=950.0 - left)
    one._task.work = lambda genome, *, tune_epochs=None: Work(0.0, 20.0)  # type: ignore[method-assign]
    begun = list(tasks(one))
    if num_epochs is None:
        assert begun == []
    else:
        assert [task.trial_id for task in begun] == ["best-full", "second-full"]
        assert begun[0].effort.num_epochs == num_epochs
        assert left / 2.25 - 5 < (begun[0].effort.seconds or 0.0) <= left / 2.25


def test_finalists_stay_the_same_when_one_has_gone_on(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(RUNGS, num_finalists=1)
    gone_on = record("1-full", 0.9, full_length=True, continues="1")
    one = evolved(tmp_path, dataset, settings, record("1", 0.8), record("2", 0.7), gone_on, seconds=0.0)
    assert list(tasks(one)) == []


def test_the_end_has_a_share_of_the_time(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, max_time=1000.0), seconds=100.0)
    assert isinstance(task := one.next("worker"), TrialSpec)
    assert task.effort.seconds is not None and task.effort.seconds <= (950 - 100) / 4 + 30


def test_tasks_and_outcomes_survive_json(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, RUNGS, errors={"a": 0.5})
    task = one.next("worker")
    assert isinstance(task, TrialSpec) and task.effort.pause_after == 1 and task.learned == {"errors": {"a": 0.5}}
    assert TrialSpec.from_json(json.loads(json.dumps(task.to_json()))) == task
    members = (MeanMember(CONV_GENOME, 4, {"train": 3}),) * 2
    task = dataclasses.replace(task, effort=Effort(4, refit={"train": 2}, members=members))
    assert TrialSpec.from_json(json.loads(json.dumps(task.to_json()))) == task
    outcome = dataclasses.replace(DONE, learned={"errors": {"b": 0.1}, "speeds": [["vgg16", None, 64, 0.5]]})
    assert TrialResult.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome
    for damage in ({"metrics": {"val_accuracy": float("nan")}}, {"learned": 1}, {"unknown": 1}):
        with pytest.raises(ValueError, match=r"."):
            TrialResult.from_json({**outcome.to_json(), **damage})
    one.check(outcome)
    for learned in (
        {"errors": {"b": -0.1}},
        {"errors": {}, "speeds": [["vgg16", None]]},
        {"errors": [1], "speeds": []},
    ):
        with pytest.raises(ValueError, match=r"."):
            one.check(dataclasses.replace(DONE, learned=learned))


def test_several_workers_get_different_candidates_and_numbers(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=4, population=4, num_finalists=2)
    one = scheduler(tmp_path, dataset, settings)
    begun = [one.next(f"worker{number}") for number in range(4)]
    assert all(isinstance(task, TrialSpec) for task in begun)
    given = [task for task in begun if isinstance(task, TrialSpec)]
    assert [task.number for task in given] == [0, 1, 2, 3]
    assert len({str(sorted(task.genome.items())) for task in given}) == 4
    # The finalists are not known before all have ended.
    for number in (2, 0, 3):
        one.finish(f"worker{number}", DONE)
        assert one.next(f"worker{number}") is Idle.WAIT
    one.finish("worker1", DONE)
    finals = [one.next("worker0"), one.next("worker1")]
    assert [task.trial_id.endswith("-full") for task in finals if isinstance(task, TrialSpec)] == [True, True]
    assert one.next("worker2") is Idle.WAIT and not one.is_over
    one.finish("worker0", DONE)
    one.finish("worker1", DONE)
    assert one.next("worker2") is Idle.OVER and one.is_over
    assert [one.number for one in listener(one).records] == [2, 0, 3, 1, 4, 5]


def test_what_a_lost_worker_was_at_is_begun_again_once(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, max_trials=1, num_finalists=1))
    first = one.next("worker0")
    assert isinstance(first, TrialSpec)
    one.lose("worker0", "killed by signal 9")
    again = one.next("worker1")
    assert isinstance(again, TrialSpec) and (again.trial_id, again.number) == (first.trial_id, first.number)
    # Whoever was given up may still come back, too late.
    one.finish("worker0", DONE)
    assert not one.tell("worker0", "train", 0.5, 1, {}) and one.tell("worker1", "train", 0.5, 1, {})
    one.lose("worker1", "killed by signal 9")
    (failed,) = listener(one).records
    assert (failed.status, failed.reason) == ("failed", "killed by signal 9")
    assert one.next("worker2") is Idle.OVER
    assert listener(one).lost == [(0, "killed by signal 9")] * 2
    assert [one.status for one in trial_reader.read_trials(Run.open(tmp_path / "run"))] == ["failed"]


def test_a_finalist_whose_worker_is_lost_is_begun_again_once(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(SETTINGS, num_finalists=1)
    one = evolved(tmp_path, dataset, settings, record("1", 0.8, is_paused=False), seconds=0.0)
    for worker in ("a", "b"):
        task = one.next(worker)
        assert isinstance(task, TrialSpec) and task.trial_id == "1-full"
        one.lose(worker, "no memory")
    assert one.next("c") is Idle.OVER
    assert [(one.trial_id, one.reason) for one in listener(one).records] == [("1-full", "no memory")]


def test_the_winner_learns_from_all_pictures_at_last(tmp_path: Path, dataset: ImageDataset) -> None:
    history = [{**METRICS, "val_accuracy": accuracy} for accuracy in (0.5, 0.8, 0.7)]
    stages = ["head", "head", "fine-tune"]
    winner = record("1", 0.8, is_paused=False, history=history, stages=stages, planned_epochs=24, tune_epochs=7)
    last = record("1-full", 0.6, is_paused=False, full_length=True)
    one = evolved(tmp_path, dataset, dataclasses.replace(SETTINGS, num_finalists=1), winner, last, seconds=0.0)
    assert one.next("a") is Idle.OVER, "there is no model"
    one._archive.add(winner, save=lambda path: path.write_text("a model"))
    task = one.next("a")
    assert isinstance(task, TrialSpec) and task.genome == winner.genome
    # Learning rates fall as they did when it was measured.
    assert task.effort.refit == {"head": 2, "fine-tune": 1}
    assert (task.effort.num_epochs, task.effort.tune_epochs) == (24, 7)
    assert one.next("b") is Idle.WAIT and not one.is_over
    outcome = TrialResult(seconds=1.0)
    assert one.wants("a", outcome)
    answers = np.full((len(dataset.validation), 3), 1 / 3)
    one.finish("a", outcome, save=lambda path: path.write_text("a better one"), outputs=answers)
    assert (tmp_path / "run/checkpoints/1-refit.keras").read_text() == "a better one"
    assert one._library.refit_outputs(winner) == pytest.approx(answers, abs=1e-3)
    assert one.is_over
    # If its model is lost, what that answered counts no more.
    (tmp_path / "run/checkpoints/1-refit.keras").unlink()
    assert isinstance(one.next("a"), TrialSpec)
    one.finish("a", outcome, save=lambda path: path.write_text("another"))
    assert one._library.refit_outputs(winner) is None
    assert one.is_over and one.next("b") is Idle.OVER and listener(one).records == []


def test_without_a_model_the_first_is_trained_though_the_time_is_up(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, max_time=60.0), seconds=70.0)
    assert not one.is_over
    (first,) = tasks(one)
    assert first.trial_id == FIRST and first.effort.seconds == 1.0 and one.is_over


def test_a_winner_that_cannot_be_trained_again_wins_as_it_is(tmp_path: Path, dataset: ImageDataset) -> None:
    one = evolved(tmp_path, dataset, dataclasses.replace(SETTINGS, num_finalists=1), seconds=0.0)
    one._archive.add(record("1", 0.8, is_paused=False), save=lambda path: path.write_text("a model"))
    one._archive.add(record("1-full", 0.6, full_length=True))
    assert isinstance(one.next("a"), TrialSpec)
    one.finish("a", TrialResult(seconds=1.0, reason="too slow"))
    assert one.is_over and listener(one).notes == ["The winner learns from the training split only: too slow."]


def test_a_training_that_breaks_off_goes_on_from_where_it_was(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, minimize=("seconds",)))
    first = one.next("a")
    assert isinstance(first, TrialSpec) and one.running.model_for("a") is None
    for epochs, text in ((1, "old"), (2, "new")):
        save = functools.partial(Path.write_text, data=text)
        one.keep("a", save=save, history=[METRICS] * epochs, stages=["train"] * epochs, seconds=5.0 * epochs)
    one.lose("a", "killed")
    again = one.next("b")
    assert isinstance(again, TrialSpec) and again.trial_id == first.trial_id
    assert (again.history, again.stages, again.seconds_before) == ((METRICS,) * 2, ("train",) * 2, 10.0)
    model = one.running.model_for("b")
    assert model is not None and model.read_text() == "new" and len(list(model.parent.glob("*.keras"))) == 1
    one.finish("b", dataclasses.replace(DONE, metrics={**METRICS, "seconds": 1.0}))
    (record,) = listener(one).records
    assert record.seconds == 11.0 and record.metrics["seconds"] == 11.0 and list(model.parent.iterdir()) == []


def test_what_was_kept_of_a_training_counts_only_whole_and_for_its_own_genome(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    facts = {"history": [METRICS], "stages": ["train"], "seconds": 1.0}
    for name in ("1", "1-full"):
        partial_trainings.keep(run, name, CONV_GENOME, save=lambda path: path.write_text("a model"), **facts)
    found = partial_trainings.find(run, "1", CONV_GENOME)
    assert found is not None and found.history == (METRICS,) and found.model.read_text() == "a model"
    assert partial_trainings.find(run, "2", CONV_GENOME) is None and partial_trainings.find(run, "1", FROZEN) is None
    partial_trainings.forget(run, "1")
    assert (
        partial_trainings.find(run, "1", CONV_GENOME) is None
        and partial_trainings.find(run, "1-full", CONV_GENOME) is not None
    )
    path = run.path / "unfinished" / "1-full.json"
    for damage in ("", "[]", "{}", path.read_text().replace("train", "").replace('""', "")):
        path.write_text(damage)
        assert partial_trainings.find(run, "1-full", CONV_GENOME) is None


def test_a_final_training_that_breaks_off_goes_on_though_less_time_is_left(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    settings = dataclasses.replace(SETTINGS, max_time=1000.0, num_finalists=1)
    best = record("best", 0.8, history=[METRICS] * 3, stages=["train"] * 3, seconds=20.0, is_paused=False)
    one = evolved(tmp_path, dataset, settings, best, seconds=950.0 - 150.0)
    first = one.next("a")
    assert isinstance(first, TrialSpec) and first.effort.num_epochs == 6
    save = functools.partial(Path.write_text, data="a model")
    one.keep("a", save=save, history=[METRICS] * 4, stages=["train"] * 4, seconds=30.0)
    # Now there is too little time to begin it.
    one._budget._started -= 114.0
    one.lose("a", "killed")
    again = one.next("b")
    assert isinstance(again, TrialSpec) and again.trial_id == "best-full" and len(again.history) == 4
    assert again.effort.num_epochs == 6 and (again.effort.seconds or 99.0) <= 16.0
    assert one.running.model_for("b") is not None
    one.lose("b", "killed again")
    assert one.next("c") is Idle.OVER and listener(one).records[0].reason == "killed again"
    assert list((tmp_path / "run" / "unfinished").iterdir()) == []


def test_a_finalist_that_had_paused_goes_on_once_more_from_where_it_broke_off(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    settings = dataclasses.replace(RUNGS, max_time=1000.0, num_finalists=1)
    one = evolved(tmp_path, dataset, settings, seconds=950.0 - 2.0)
    one._task.work = lambda genome, *, tune_epochs=None: Work(0.0, 20.0)  # type: ignore[method-assign]
    one._archive.add(record("1", 0.8, seconds=20.0), save=lambda path: path.write_text("a model"))
    first = one.next("a")
    assert isinstance(first, TrialSpec) and (first.continues, len(first.history)) == ("1", 1)
    save = functools.partial(Path.write_text, data="a later model")
    one.keep("a", save=save, history=[METRICS] * 2, stages=["train"] * 2, seconds=3.0)
    one.lose("a", "killed")
    again = one.next("b")
    assert isinstance(again, TrialSpec) and (again.continues, len(again.history)) == ("1", 2)
    assert again.effort.num_epochs == first.effort.num_epochs == settings.epochs


def test_a_finalist_is_fine_tuned_as_deep_as_before_it_broke_off(tmp_path: Path, dataset: ImageDataset) -> None:
    frozen = record("1", 0.8, genome=FROZEN, stages=["head"], is_paused=False)
    settings = dataclasses.replace(SETTINGS, num_finalists=1, max_time=1e6, space=kevo.PRESETS["default"])
    one = evolved(tmp_path, dataset, settings, frozen, seconds=0.0)
    first = one.next("a")
    assert isinstance(first, TrialSpec) and first.genome["fine_tune/num_blocks"] and first.effort.tune_epochs
    save = functools.partial(Path.write_text, data="a model")
    one.keep("a", save=save, history=[METRICS] * 2, stages=["head", "fine-tune"], seconds=3.0)
    one._budget._started -= (one._budget.left or 0.0) - 2.0
    assert one._finals._tuned(frozen, lambda shared: 2.0) != first.genome
    one.lose("a", "killed")
    again = one.next("b")
    assert isinstance(again, TrialSpec) and (again.genome, len(again.history)) == (first.genome, 2)


def test_nothing_is_kept_of_what_has_ended(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=1)
    one = scheduler(tmp_path, dataset, settings)
    folder = tmp_path / "run" / "unfinished"
    for worker in ("a", "b"):
        task = one.next(worker)
        assert isinstance(task, TrialSpec)
        save = functools.partial(Path.write_text, data="a model")
        one.keep(worker, save=save, history=[METRICS], stages=["train"], seconds=5.0)
        assert len(list(folder.iterdir())) == 2
        one.lose(worker, "killed")
    assert list(folder.iterdir()) == []
    # A search that is killed between the two leaves something.
    for name in ("1", "1-full", "2"):
        facts = {"history": [METRICS] * 12, "stages": ["train"] * 12, "seconds": 1.0}
        partial_trainings.keep(
            one._archive.folder, name, CONV_GENOME, save=lambda path: path.write_text("one"), **facts
        )
    partial_trainings.tidy(one._archive.folder, {"1", "3"})
    assert sorted(path.name for path in folder.iterdir()) == ["1-full-12.keras", "1-full.json", "2-12.keras", "2.json"]


def test_what_was_lost_in_an_earlier_session_counts(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=1)
    one = scheduler(tmp_path, dataset, settings)
    assert isinstance(one.next("a"), TrialSpec)
    one.lose("a", "killed")
    again = taken_up(one)
    assert isinstance(again.next("b"), TrialSpec)
    again.lose("b", "killed again")
    assert [record.reason for record in listener(again).records] == ["killed again"]
    assert again.next("c") is Idle.OVER


@pytest.mark.parametrize("name", ["trial_1/trial.json", "oracle.json"])
def test_a_state_that_is_damaged_is_made_anew_of_the_records(name: str, tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(RUNGS, max_trials=9))
    for number in range(6):
        assert isinstance(one.next("a"), TrialSpec)
        if number == 3:
            one.finish("a", DONE.failed("too slow"))
        else:
            metrics = {**METRICS, "val_accuracy": number / 10}
            done = dataclasses.replace(DONE, metrics=metrics, history=(metrics,), is_paused=number < 4)
            one.finish("a", done, save=functools.partial(Path.write_text, data="a model"))
    assert [record.continues for record in one._archive.records.values()].count(None) < 6
    before = [dataclasses.replace(individual, seconds=None) for individual in one.oracle.individuals]
    (tmp_path / "run" / "search" / name).write_text("{")
    again = taken_up(one)
    (said,) = listener(again).notes
    assert f"{name} is damaged" in said and "set aside as damaged/search" in said
    assert (tmp_path / "run" / "damaged" / "search" / name).is_file()
    # All that had ended is told to the new one, and the next is begun.
    task = again.next("b")
    assert isinstance(task, TrialSpec) and task.number == 6
    after = [dataclasses.replace(individual, seconds=None) for individual in again.oracle.individuals]
    assert after[: len(before)] == before
    # What it has written down is as good as any.
    again.lose("b", "killed", is_its_fault=False)
    third = taken_up(again)
    assert listener(third).notes == [] and third.next("c") == task


def test_promotions_are_recalled_in_their_rungs(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(RUNGS, epochs=9, num_rungs=3, max_trials=8))
    assert one.oracle.settings.rungs == (1, 3, 9)
    epochs = {"0": 1, "1": 1, "2": 3, "3": 9, "4": 9}
    for trial_id, parent in (("0", None), ("1", None), ("2", "0"), ("3", "1"), ("4", "gone")):
        num = epochs[trial_id]
        promoted = {} if parent is None else {"origin": "promotion", "parents": (parent,)}
        # Their models were not kept: they began again.
        one._archive.records = {
            **one._archive.records,
            trial_id: record(
                trial_id, 0.5, history=[METRICS] * num, stages=["train"] * num, continues=None, **promoted
            ),
        }
    (tmp_path / "run" / "search" / "oracle.json").write_text("{")
    again = taken_up(one)
    recalled = again.oracle.individuals
    assert [(one.origin, one.rung) for one in recalled] == [
        ("random", 0),
        ("random", 0),
        ("promotion", 1),
        # The last ones leave a rung out.
        ("promotion", 2),
        ("random", 0),
    ]
    assert isinstance(again.next("b"), TrialSpec)


@pytest.mark.parametrize(
    ("per_epoch", "left", "begun"),
    [
        (5.0, 35.0, (6, None)),
        (5.0, 28.0, (6, "1-full")),
        (11.0, 25.0, None),
        (None, 35.0, (6, None)),
        (None, 25.0, None),
    ],
)
def test_a_refit_that_cannot_end_goes_on_from_the_winner_or_is_not_begun(
    tmp_path: Path,
    dataset: ImageDataset,
    per_epoch: float | None,
    left: float,
    begun: tuple[int, str | None] | None,
) -> None:
    settings = dataclasses.replace(SETTINGS, max_time=1000.0)
    history = [{**METRICS, "val_accuracy": epoch / 10} for epoch in range(6)]
    final = {"history": history, "stages": ["train"] * 6, "seconds": 30.0, "full_length": True}
    one = evolved(tmp_path, dataset, settings, record("1", 0.8), seconds=950.0 - left)
    one._task.work = lambda genome, *, tune_epochs=None: Work(0.0, 30.0, 1.0, per_epoch)  # type: ignore[method-assign]
    last = record("1-full", 0.9, is_paused=False, planned_epochs=6, **final)
    one._archive.add(last, save=lambda model: model.write_text("a model"))
    found = [(task.effort.refit["train"], task.continues) for task in tasks(one) if task.effort.refit is not None]
    assert found == ([] if begun is None else [begun])


def test_a_candidate_that_nobody_knows_any_more_gives_its_place_to_another(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, max_trials=4))
    first, lost, third, _ = itertools.islice(tasks(one), 4)
    one._archive.records = {name: one for name, one in one._archive.records.items() if name != lost.trial_id}
    (tmp_path / "run" / "search" / "trial_2" / "trial.json").write_text("{")
    again = taken_up(one)
    task = again.next("b")
    assert isinstance(task, TrialSpec) and task.trial_id == lost.trial_id and task.genome != lost.genome
    again.finish("b", DONE)
    task = again.next("b")
    assert isinstance(task, TrialSpec) and task.trial_id not in {first.trial_id, lost.trial_id, third.trial_id}
    # Records of another search are none of this one's.
    again._archive.records = {**again._archive.records, "strange": record("strange", 0.5)}
    (tmp_path / "run" / "search" / "oracle.json").write_text("{")
    with pytest.raises(RunError, match="the trials strange are none of this search"):
        taken_up(again)


def test_a_model_that_is_gone_on_from_stays(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, RUNGS)
    one._archive.add(record("1", 0.1), save=lambda path: path.write_text("a model"))
    one._begin("a", "2", CONV_GENOME, Effort(3), 0, one._archive.records["1"])
    assert one._archive.pinned == {"1"} and one.running.model_for("a") is not None
    one.lose("a", "killed")
    assert one._archive.pinned == set()


@pytest.mark.parametrize("damage", [{"history": ({},)}, {"metrics": {"val_accuracy": 0.5}}])
def test_what_could_not_be_read_again_is_not_written(
    tmp_path: Path, dataset: ImageDataset, damage: dict[str, object]
) -> None:
    one = scheduler(tmp_path, dataset)
    one.next("a")
    with pytest.raises((LookupError, ValueError)):
        one.finish("a", dataclasses.replace(DONE, **damage))
    assert one._archive.records == {}


def test_a_worker_that_asks_anew_has_lost_what_it_was_at(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset)
    first, again = one.next("worker"), one.next("worker")
    assert isinstance(first, TrialSpec) and isinstance(again, TrialSpec) and first.trial_id == again.trial_id


def test_a_search_that_brings_nothing_new_ends_with_its_finalists(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=30, patience=3)
    one = scheduler(tmp_path, dataset, settings)
    kinds = [(task.effort.num_epochs, task.effort.refit is not None) for task in tasks(one)]
    # One that brought something, three that did not, two finalists; no model was written that could be trained again.
    assert kinds == [(3, False)] * 4 + [(6, False)] * 2
    assert one.is_over and listener(one).notes == ["Nothing new in 3 candidates: no more are bred."]
    # A search that is taken up again sees the same.
    known = [record for record in listener(one).records if not record.full_length]
    (tmp_path / "again").mkdir()
    again = scheduler(tmp_path / "again", dataset, settings, *known)
    assert [task.effort.num_epochs for task in tasks(again)] == [6, 6]
    (tmp_path / "before").mkdir()
    before = scheduler(tmp_path / "before", dataset, settings, *known[:-1])
    assert next(tasks(before)).effort.num_epochs == 3


def test_what_still_runs_may_bring_something_new(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, max_trials=30, population=9, patience=1))
    for worker in ("fast", "slow"):
        assert isinstance(one.next(worker), TrialSpec)
    one.finish("fast", DONE)
    assert isinstance(one.next("fast"), TrialSpec)
    one.finish("fast", DONE)
    assert one.next("fast") is Idle.WAIT and not one.is_over
    one.finish("slow", dataclasses.replace(DONE, metrics={**METRICS, "val_accuracy": 0.9}))
    task = one.next("fast")
    assert isinstance(task, TrialSpec) and not task.trial_id.endswith("-full")
    assert listener(one).notes == []


def test_a_stopped_search_takes_nothing_more(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset)
    one.next("worker")
    one.stop()
    assert one.is_over and not one.tell("worker", "train", 0.5, 1, {})
    one.finish("worker", DONE)
    assert listener(one).records == [] and one.next("worker") is Idle.OVER
    assert listener(one).lost == [], "what it was at is taken up when the search is"


def test_only_models_that_may_be_needed_are_asked_for(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=30, num_finalists=1, population=30)
    better = [record(str(number), 0.9, is_paused=False) for number in range(8)]
    one = scheduler(tmp_path, dataset, settings, *better)
    one.next("worker")
    assert not one.wants("worker", DONE)
    assert one.wants("worker", dataclasses.replace(DONE, metrics={**METRICS, "val_accuracy": 0.95}))
    assert not one.wants("worker", TrialResult(seconds=1.0, reason="too slow")) and not one.wants("nobody", DONE)


def test_a_candidate_that_cannot_be_written_is_not_counted(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset)
    one.next("worker")
    (tmp_path / "run" / "trials.jsonl").mkdir()
    with pytest.raises(RunError, match="Cannot write"):
        one.finish("worker", DONE)
    assert one._archive.records == {}


def refuse(path: Path) -> None:
    raise CandidateError("its model cannot be saved")


def test_a_model_that_cannot_be_saved_fails_alone(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, num_finalists=1))
    one.next("worker")
    one.finish("worker", dataclasses.replace(DONE, learned={"errors": {"b": 0.1}, "speeds": []}), save=refuse)
    (failed,) = listener(one).records
    assert (failed.status, failed.reason) == ("failed", "its model cannot be saved") and failed.seconds == 1.0
    assert (failed.metrics, failed.history, failed.num_parameters) == ({}, [], None)
    assert one.oracle.trials[failed.trial_id].status == "FAILED" and one._task.learned == {"errors": {"b": 0.1}}
    assert one.running.model_for("worker") is None and isinstance(one.next("worker"), TrialSpec)
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []


@pytest.mark.parametrize(("save", "reason"), [(refuse, "its model cannot be saved"), (None, "its model is missing")])
def test_a_winner_that_cannot_be_saved_again_wins_as_it_is(
    tmp_path: Path, dataset: ImageDataset, save: Callable[[Path], None] | None, reason: str
) -> None:
    one = evolved(tmp_path, dataset, dataclasses.replace(SETTINGS, num_finalists=1), seconds=0.0)
    one._archive.add(record("1", 0.8, is_paused=False), save=lambda path: path.write_text("a model"))
    one._archive.add(record("1-full", 0.6, full_length=True))
    assert isinstance(one.next("a"), TrialSpec)
    one.finish("a", TrialResult(seconds=1.0), save=save)
    assert one.is_over and listener(one).notes == [f"The winner learns from the training split only: {reason}."]


class Full(Diary):
    """Takes away the place of the models, as a full disk does, when the first candidate starts."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        self._run = run

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        super().trial_started(number, words, seconds_left, worker)
        (self._run / "checkpoints").touch()


def test_a_model_that_cannot_be_written_ends_the_search(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=2, epochs=1)
    diary = Full(tmp_path / "run")
    with pytest.raises(SearchBrokenError, match=r"Cannot write .*checkpoints.* Go on with: kevo resume"):
        kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary)
    assert len(diary.started) == 1 and trial_reader.read_trials(Run.open(tmp_path / "run")) == []


def test_memory_that_the_system_does_not_give_ends_the_search(tmp_path: Path) -> None:
    class Short(Diary):
        def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), "a module")

    settings = dataclasses.replace(SETTINGS, max_trials=2, epochs=1)
    with pytest.raises(SearchBrokenError, match=r"Memory has run out. .* of memory.* Go on with: kevo resume"):
        kevo.search(stripes(60), settings, out=tmp_path / "run", listener=Short())


@pytest.mark.parametrize("error", [SearchBrokenError("Cannot write it: No space left on device."), MemoryError()])
def test_a_search_that_breaks_ends_with_exit_code_1(error: Exception) -> None:
    with pytest.raises(SystemExit) as caught, user_errors():
        raise error
    assert caught.value.code == 1


def test_features_that_are_behind_get_no_candidate(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, errors={linear_probes._key(FROZEN): 0.1, linear_probes._key(SHALLOW): 0.9})
    assert one.is_feasible(FROZEN) and not one.is_feasible(SHALLOW)
    assert not listener(one).num_skipped
    one.next("worker")
    assert listener(one).num_skipped == {("genomes", "others' frozen features are better"): 1}


def test_only_what_the_search_may_use_is_compared(dataset: ImageDataset) -> None:
    def wants(genome: dict[str, object], **changes: object) -> bool:
        trainer = ImageTrainer(dataset, dataclasses.replace(SETTINGS, **changes), {})
        return trainer._is_compared(genome)  # type: ignore[arg-type]

    assert wants(FROZEN) and not wants({**FROZEN, "pretrained/summary": "max"}), "not in the space"
    # Where small is good, worse features may do; what is too large for the search makes nothing else look hopeless.
    assert not wants(FROZEN, minimize=("params",)) and not wants(FROZEN, max_params=20_000)


def test_what_linear_heads_found_is_written_down(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, errors={"a": 0.5})
    one.next("worker")
    one.finish("worker", dataclasses.replace(DONE, learned={"errors": {"b": 0.1}, "speeds": []}))
    assert json.loads((tmp_path / "run" / "probe_errors.json").read_text()) == {"a": 0.5, "b": 0.1}


def test_what_could_not_end_in_time_is_not_begun(tmp_path: Path, dataset: ImageDataset) -> None:
    vast = {**CONV_GENOME, "conv/image_size": 224, "conv/block_1/filters": 512, "conv/block_2/filters": 512}
    limited = dataclasses.replace(SETTINGS, max_time=60.0)
    endless = scheduler(tmp_path / "endless", dataset)
    short = scheduler(tmp_path / "short", dataset, limited, record("1", 0.8))
    first = scheduler(tmp_path / "first", dataset, limited)
    for one in (endless, short, first):
        assert isinstance(one.next("worker"), TrialSpec) and one.is_feasible(CONV_GENOME)
    assert endless.is_feasible(vast) and not short.is_feasible(vast)
    assert first.is_feasible(vast), "a first candidate that is cut short is better than none"


def test_a_pass_that_broke_off_tells_what_is_too_expensive(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, max_time=1000.0))
    genomes = [{**FROZEN, "pretrained/image_size": size} for size in (96, 160, 224)]
    assert isinstance(one.next("worker"), TrialSpec)
    one.finish("worker", DONE)
    assert isinstance(one.next("worker"), TrialSpec) and all(map(one.is_feasible, genomes))
    # Ten seconds for each picture of 96 px: nobody knows that of a candidate which failed for want of time.
    late = TrialResult(seconds=200.0, learned={"errors": {}, "speeds": [["mobilenet_v2", 0.35, 96, 10.0]]})
    one.finish("worker", late.failed("too slow"))
    assert not any(map(one.is_feasible, genomes))
    # At a tenth of a second a sample of the smaller ones would do, as long as there is no result.
    one._task.learn({"errors": {}, "speeds": [["mobilenet_v2", 0.35, 96, 0.1]]})
    assert all(map(one.is_feasible, genomes))
    one._task.learn({"errors": {}, "speeds": [["mobilenet_v2", 0.35, 96, 0.45]]})
    assert list(map(one.is_feasible, genomes)) == [True, False, False]


def test_where_not_all_would_pass_a_sample_tells_what_a_network_is_worth(
    tmp_path: Path, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kevo.engine.feasibility._SAMPLE", 30)
    monkeypatch.setattr("kevo.tasks.images.passes._FIRST_BLOCK", 20)
    small, large = ({**FROZEN, "pretrained/image_size": size} for size in (96, 128))
    best = record("best", 0.8, genome=large, stages=["head"], is_paused=False)
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, max_time=1000.0), best)
    assert isinstance(one.next("worker"), TrialSpec)
    feasible = one.is_feasible
    # A tenth of a second for each picture: all may pass.
    one._task.learn({"errors": {}, "speeds": [["mobilenet_v2", 0.35, 96, 0.1]]})
    assert feasible(small) and feasible.num_examples(small) is None
    # At 1.5 seconds a quarter of the time does not suffice for all.
    one._task.learn({"errors": {}, "speeds": [["mobilenet_v2", 0.35, 96, 1.5], ["mobilenet_v2", 0.35, 128, 1.5]]})
    assert feasible(small) and feasible.num_examples(small) == 30
    assert feasible.expected_seconds(small) == one._task.sampled_work(small, 30).seconds < one._task.work(small).seconds
    # On the best network as many more pass as there is time for.
    assert feasible(large) and feasible.num_examples(large) is None
    assert feasible.num_examples({**large, "mobilenet_v2/cut": "block_3_expand_relu"}) == 30
    tuned = {**small, "pretrained/tuning": "fine_tune", "fine_tune/num_blocks": 1, "fine_tune/learning_rate": 1e-3}
    assert not feasible(tuned) and feasible.num_examples(tuned) is None and feasible.num_examples(CONV_GENOME) is None
    # Nor does it for a sample at 15 seconds.
    one._task.learn({"errors": {}, "speeds": [["mobilenet_v2", 0.35, 96, 15.0]]})
    assert not feasible(small)
    unlimited = scheduler(tmp_path / "unlimited", dataset, SETTINGS, best)
    assert isinstance(unlimited.next("worker"), TrialSpec) and unlimited.is_feasible.num_examples(small) is None


@pytest.mark.parametrize(
    ("score", "seconds", "limits", "may_be_trained"),
    [
        (0.5, 100.0, {"max_time": 1000.0}, False),
        (0.5, 60.0, {"max_time": 1000.0}, True),
        (0.94, 100.0, {"max_time": 1000.0}, True),
        (0.98, 100.0, {"max_time": 1000.0}, True),
        (0.5, 100.0, {"max_time": 1000.0, "minimize": ("params",)}, True),
        (0.5, 100.0, {}, True),
    ],
)
def test_what_is_clearly_behind_from_scratch_has_an_eighth_of_the_time(
    tmp_path: Path, dataset: ImageDataset, score: float, seconds: float, limits: dict[str, Any], may_be_trained: bool
) -> None:
    """As of photographs of cats and dogs: four conv stacks far behind took a fifth of the time of a whole search."""
    head = record("head", 0.95, genome=FROZEN, stages=["head"], is_paused=False)
    conv = record("conv", score, genome=CONV_GENOME, seconds=seconds, is_paused=False)
    records = [dataclasses.replace(one, metrics={**one.metrics, "params": 100.0}) for one in (head, conv)]
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, **limits), *records, seconds=600.0)

    def work(genome: Genome, *, tune_epochs: int | None = None) -> Work:
        return Work(0.0, 1.0, per_epoch=0.01 if genome["family"] == "conv" else None)

    one._task.work = work  # type: ignore[method-assign]
    one.is_feasible.left = 10.0 if limits else None
    assert one.is_feasible(FROZEN) and one.is_feasible(CONV_GENOME) is may_be_trained
    # What has been looked at is not counted again.
    assert one.is_feasible(CONV_GENOME) is may_be_trained


@pytest.mark.parametrize(("own", "is_begun"), [(200.0, True), (390.0, False)])
def test_what_is_dear_uses_the_time_that_nothing_else_can(
    tmp_path: Path, dataset: ImageDataset, own: float, is_begun: bool
) -> None:
    """As of a small table over five folds in a minute on one core: two candidates, and half of the time unused."""
    settings = dataclasses.replace(SETTINGS, max_trials=None, max_time=400.0)
    one = scheduler(tmp_path, dataset, settings, record("1", 0.8, is_paused=False, seconds=1.0))
    one._task.work = lambda genome, **options: Work(0.0, own)  # type: ignore[method-assign]
    one._task.sampled_work = lambda genome, num_examples=None: Work(0.0, own)  # type: ignore[method-assign]
    task = one.next("a")
    assert isinstance(task, TrialSpec)
    is_evolved = next(iter(one.running)).trial is not None
    assert is_evolved is is_begun
    if is_begun:
        # It is not stopped after a quarter of the time.
        assert task.effort.seconds == pytest.approx(one.is_feasible.left, abs=1) and task.effort.seconds > own


def test_a_search_under_a_time_limit_begins_with_a_linear_model(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, max_time=1000.0, max_trials=2))
    first = one.next("a")
    assert isinstance(first, TrialSpec) and first.trial_id == "first" and first.number == 0
    assert first.genome["conv/num_blocks"] == 0 and first.effort.num_examples == 2048
    # Another worker need not wait for it; and when its own is gone it is begun again, once.
    other = one.next("b")
    assert isinstance(other, TrialSpec) and other.trial_id == "0"
    one.lose("a", "killed")
    again = one.next("a")
    assert isinstance(again, TrialSpec) and again.trial_id == "first" and again.number == 0
    one.finish("a", DONE, save=functools.partial(Path.write_text, data="linear"))
    assert (tmp_path / "run/best.keras").read_text() == "linear"
    (written,) = one._archive.records.values()
    assert written.origin == "first" and written.parents == () and not written.full_length
    one.finish("b", DONE)
    # It is no candidate of the evolution, also when that is made anew of the records; and it is trained no further.
    (tmp_path / "run" / "search" / "oracle.json").write_text("{")
    begun = list(tasks(taken_up(one)))
    assert [task.trial_id for task in begun] == ["1", "0-full", "1-full", "first-refit"]
    unlimited = scheduler(tmp_path / "unlimited", dataset)
    assert isinstance(task := unlimited.next("a"), TrialSpec) and task.trial_id == "0"


def test_predictions_are_kept_beside_models(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset)
    one.next("worker")
    probabilities = np.full((4, 3), 1 / 3, np.float32)
    one.finish("worker", DONE, save=lambda path: path.write_text("a model"), outputs=probabilities)
    (trial_id,) = one._archive.records
    assert (tmp_path / f"run/checkpoints/{trial_id}.keras").read_text() == "a model"
    assert np.load(tmp_path / f"run/predictions/{trial_id}.npy") == pytest.approx(probabilities, abs=1e-3)


def test_the_best_so_far_is_what_would_win_wherever_it_is_told(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset)
    lines, board, diary = io.StringIO(), Board(OBJECTIVES["accuracy"]), listener(one)
    one._listener = TrackerGroup([diary, Plain(lines, OBJECTIVES["accuracy"]), board])
    one._listener.search_started(
        SearchStarted(run_folder=one._archive.folder.path, settings=SETTINGS, devices="", seconds=0.0)
    )
    # On so few pictures a lead of 0.02 is none: the second has the highest accuracy, and the third would win.
    for accuracy, loss in [(0.7, 0.9), (0.8, 0.9), (0.78, 0.2)]:
        assert isinstance(one.next("worker"), TrialSpec)
        metrics = {"val_accuracy": accuracy, "val_cross_entropy": loss}
        one.finish("worker", dataclasses.replace(DONE, metrics=metrics, history=(metrics,)))
    first, lucky, best = one._archive.records.values()
    assert one._archive.completed[0] is lucky and one._archive.winner is best
    # The screen, line by line and in the panel.
    assert diary.bests == [first, lucky, best]
    assert "accuracy 0.7800" in lines.getvalue() and lines.getvalue().endswith("best so far\n")
    assert ended(best, board.best, board, Paper(100, 24)).plain.count("best so far") == 1
    shown = [line.plain for line in draw(board, Paper(100, 40))]
    (line,) = [line for line in shown if line.startswith("best ")]
    assert line.split()[1:5] == ["accuracy", "0.7800", "candidate", "3"]
    assert [score for _, score in board.bests] == [0.7, 0.8, 0.78]
    # The screen of a session that takes the search up.
    again = Board(OBJECTIVES["accuracy"])
    again.search_started(
        SearchStarted(
            run_folder=one._archive.folder.path,
            settings=SETTINGS,
            devices="",
            seconds=0.0,
            records=(first, lucky, best),
            best=one._archive.winner,
            num_judged=len(dataset.validation),
        )
    )
    assert again.best is best and again.bests == board.bests
    # `kevo status` and an unfinished report.
    found = status.read(one._archive.folder.path).best
    assert found is not None and (found.number, found.score) == (2, 0.78)
    known = reader.read(one._archive.folder.path)
    assert known.winner == best
    words = answer(known)
    assert "78.0%" in words and "the best so far" in words and "Candidate 3: " in words
    (drawing,) = [one for one in drawings(known) if one.name == "minutes"]
    assert drawing.words.endswith("which ends at validation accuracy 0.78.")
