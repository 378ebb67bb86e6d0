"""Heads of searches of pictures that train nothing: what they begin is answered by the tests."""

import dataclasses
import math
import time
from collections.abc import Iterator
from pathlib import Path

import kevo
from kevo.engine.archive import Archive
from kevo.engine.budget import Budget
from kevo.engine.messages import TrialResult, TrialSpec
from kevo.engine.scheduler import Scheduler
from kevo.runs.folder import Run
from kevo.runs.records import FIRST, TrialRecord
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.task import ImageTask
from kevo.tasks.protocols.task import Work
from tests.support.samples import pretrained_genome
from tests.support.searches import SETTINGS, Diary, record

METRICS = {"val_accuracy": 0.8, "val_cross_entropy": 1.0}
DONE = TrialResult(seconds=1.0, metrics=METRICS, history=(METRICS,), stages=("train",), num_parameters=100)
FROZEN = {**pretrained_genome("mobilenet_v2", "out_relu"), "mobilenet_v2/alpha": 0.35}
SHALLOW = {**FROZEN, "mobilenet_v2/cut": "block_3_expand_relu"}


def scheduler(
    path: Path,
    dataset: ImageDataset,
    settings: kevo.Settings = SETTINGS,
    *records: TrialRecord,
    seconds: float = 0.0,
    errors: dict[str, float] | None = None,
) -> Scheduler:
    """The head of a search that has gone on for some time, with these candidates."""
    run = Run.create(path / "run", {"search": settings.to_json(), "num_judged": len(dataset.validation)})
    archive = Archive(run, settings, num_judged=len(dataset.validation))
    archive.records = {record.trial_id: record for record in records}
    budget = Budget(settings, started=time.monotonic() - seconds)
    if errors:
        archive.folder.write_json("probe_errors.json", errors)
    return Scheduler(archive, task(archive.folder, dataset, settings), settings, Diary(), budget=budget)


def task(run: Run, dataset: ImageDataset, settings: kevo.Settings) -> ImageTask:
    """Image classification without a backbone in its space; it knows the weights of one all the same."""
    one = ImageTask(dataset, dataclasses.replace(settings, cache="none"), {})
    one._usable = {"mobilenet_v2": (Weights(backbone="mobilenet_v2", source="none", alpha=0.35),)}
    one.attach(run, work=None, note=print)
    return one


def taken_up(one: Scheduler) -> Scheduler:
    """The head of the same search in another session."""
    return Scheduler(
        one._archive,
        task(one._archive.folder, one._task.dataset, one._settings),
        one._settings,
        Diary(),
        budget=one._budget,
    )


def tasks(one: Scheduler) -> Iterator[TrialSpec]:
    """Has everything done at once that a single worker gets."""
    while isinstance(task := one.next("worker"), TrialSpec):
        yield task
        one.finish("worker", DONE)


def listener(one: Scheduler) -> Diary:
    assert isinstance(one._listener, Diary)
    return one._listener


def evolved(
    path: Path, dataset: ImageDataset, settings: kevo.Settings, *records: TrialRecord, seconds: float
) -> Scheduler:
    """The head of a search that has bred all its candidates."""
    one = scheduler(path, dataset, settings, *records, seconds=seconds)
    one._exhausted_with = math.inf
    return one


def in_time(path: Path, dataset: ImageDataset, *, per_epoch: float, seconds: float = 0.0) -> Scheduler:
    """The head of a search of 400 seconds, 380 of them for trainings, whose networks may be trained for any time."""
    settings = dataclasses.replace(SETTINGS, max_trials=None, max_time=400.0, epochs=20, final_epochs=40)
    one = scheduler(path, dataset, settings, seconds=seconds)

    def work(genome: object, *, tune_epochs: int | None = None) -> Work:
        return Work(0.0, 1.0 + 20 * per_epoch, per_epoch=per_epoch)

    one._task.work = work  # type: ignore[method-assign]
    one._task.sampled_work = lambda genome, num_examples=None: work(genome)  # type: ignore[method-assign]
    # What it began with is no candidate.
    one._archive.add(record(FIRST, 0.1, is_paused=False, origin=FIRST))
    return one


def cut_short(num_epochs: int, *, seconds: float) -> TrialResult:
    history = tuple({**METRICS, "val_accuracy": 0.1 + 0.01 * epoch} for epoch in range(num_epochs))
    stages = ("train",) * num_epochs
    return dataclasses.replace(
        DONE, history=history, stages=stages, seconds=seconds, is_cut_short=True, share=num_epochs / 20
    )


def begun_at_last(one: Scheduler) -> TrialSpec:
    """What a worker gets after the first answer."""
    task = one.next("a")
    assert isinstance(task, TrialSpec)
    if task.trial_id == FIRST:
        one.finish("a", DONE, save=lambda path: path.write_text("a model"))
        task = one.next("a")
    assert isinstance(task, TrialSpec)
    return task
