"""What a candidate costs beside its training: the scheduler's own time, and that of `kevo status`."""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kevo.engine.archive import Archive
from kevo.engine.budget import Budget
from kevo.engine.messages import TrialResult, TrialSpec
from kevo.engine.scheduler import Scheduler
from kevo.progress import SearchStarted
from kevo.progress.status_writer import StatusWriter
from kevo.progress.trackers import TrackerGroup
from kevo.runs import layout, status
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.tasks.images.datasets import load
from kevo.tasks.images.task import ImageTask
from tuners.genome import SearchSpace

_STATUS_SECONDS = 1.5
_NUM_JUDGED = 400
"""Validation examples by which candidates are compared."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians around a number of candidates, in seconds.

    Args:
        num_candidates: How many had ended.
        scheduler: What one more costs the scheduler, from being given out to being written down, without the oracle.
        status_at_work: What `kevo status` takes to read the run folder while the search runs.
        status: The same when it does not.
    """

    num_candidates: int
    scheduler: float
    status_at_work: float
    status: float


def measure(num_candidates: int, window: int) -> Cost:
    """Times further candidates of a search that has many already, and whose trainings take no time.

    Args:
        num_candidates: How many have ended. The oracle knows nothing of them: its own cost has a benchmark of its own.
        window: How many more are timed, one by one.
    """
    rng = np.random.default_rng(0)
    data = load((rng.integers(0, 256, (90, 16, 16, 3), dtype=np.uint8), np.arange(90) % 3))
    settings = Settings(max_trials=10**6, max_time=1e6, workers=0, cache="none")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        facts = {"search": settings.to_json(), "num_validation": _NUM_JUDGED}
        run = Run.create(Path(folder) / "run", facts)
        task = ImageTask(data, settings, {})
        task.attach(run, work=None, note=print)
        archive = Archive(run, settings, num_judged=_NUM_JUDGED)
        budget = Budget(settings, started=time.monotonic())
        stack.enter_context(run.locked())
        writer = stack.enter_context(StatusWriter(run, TrackerGroup([]), seconds=lambda: budget.seconds))
        scheduler = Scheduler(archive, task, settings, writer, budget=budget)
        known = list(_earlier(rng, task, num_candidates))
        archive.records = {record.trial_id: record for record in known}
        archive.tidy()
        lines = (json.dumps(record.to_json()) + "\n" for record in known)
        (run.path / layout.TRIALS).write_text("".join(lines))
        for record in known:
            trial = run.path / layout.SEARCH / f"trial_{record.trial_id}" / "trial.json"
            trial.parent.mkdir()
            trial.write_text("{}")
        writer.search_started(
            SearchStarted(
                run_folder=run.path,
                settings=settings,
                devices="",
                seconds=0.0,
                records=tuple(known),
                best=archive.winner,
                num_judged=_NUM_JUDGED,
            )
        )
        clock = _Clock()
        for name in ("create_trial", "update_trial", "end_trial"):
            setattr(scheduler.oracle, name, clock.timed(getattr(scheduler.oracle, name)))
        seconds = []
        for _ in range(window):
            before, began = clock.seconds, time.perf_counter()
            if not isinstance(scheduler.next("worker"), TrialSpec):
                raise RuntimeError("The search is over too soon.")
            result = _result(rng)
            save = _save if scheduler.wants("worker", result) else None
            scheduler.finish("worker", result, save=save)
            seconds.append(time.perf_counter() - began - (clock.seconds - before))
        # The status is written once a second.
        time.sleep(_STATUS_SECONDS)
        at_work = _seconds(lambda: status.read(run.path))
        (run.path / layout.STATUS).unlink()
        return Cost(num_candidates, statistics.median(seconds), at_work, _seconds(lambda: status.read(run.path)))


def _earlier(rng: np.random.Generator, task: ImageTask, num: int) -> Iterator[TrialRecord]:
    """Candidates that have ended."""
    space = SearchSpace.from_hyperparameters(task.hyperparameters)
    for number in range(num):
        result = _result(rng)
        yield TrialRecord(
            number=number,
            trial_id=f"earlier{number}",
            generation=number // 8,
            genome=dict(space.sample(rng)),
            status="completed",
            fitness=result.metrics["val_accuracy"],
            metrics=dict(result.metrics),
            history=list(result.history),
            stages=list(result.stages),
            num_epochs=len(result.history),
            seconds=2.0 + float(rng.random()),
            num_parameters=result.num_parameters,
            finished_at=2.0 * number,
            origin="mutation",
        )


def _seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


class _Clock:
    """Adds up the time of some functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - began

        return call


def _result(rng: np.random.Generator) -> TrialResult:
    """A result as those of heads on frozen features are: accuracies in 400ths, mostly near the best."""
    accuracy = 0.95 - abs(round(float(rng.normal(0, 12)))) / 400
    metrics = {"val_accuracy": accuracy, "val_cross_entropy": float(rng.uniform(0.1, 0.3))}
    epoch = {"loss": 0.5, "accuracy": accuracy, **metrics}
    return TrialResult(
        seconds=2.0, metrics=metrics, history=(epoch,) * 20, stages=("train",) * 20, num_parameters=100_000
    )


def _save(path: Path) -> None:
    path.write_bytes(bytes(1000))
