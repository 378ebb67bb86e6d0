"""What a candidate costs beside its training: the scheduler's own time, and that of `kevo status`."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable
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
from kevo.settings import Settings
from kevo.tasks.images.datasets import load
from kevo.tasks.images.task import ImageTask

_STATUS_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians around a number of candidates, in seconds.

    Args:
        num_candidates: How many had ended.
        scheduler: What one more costs the scheduler, from being given out to being written down.
        oracle: The part of it that the oracle takes to breed it and to learn its result.
        status_at_work: What `kevo status` takes to read the run folder while the search runs.
        status: The same when it does not.
    """

    num_candidates: int
    scheduler: float
    oracle: float
    status_at_work: float
    status: float


def measure(marks: list[int], window: int) -> list[Cost]:
    """Runs a search whose trainings take no time, and times candidates one by one around each mark.

    Args:
        marks: Numbers of candidates, ascending.
        window: How many candidates are timed at each.
    """
    rng = np.random.default_rng(0)
    data = load((rng.integers(0, 256, (90, 16, 16, 3), dtype=np.uint8), np.arange(90) % 3))
    settings = Settings(max_trials=marks[-1] + window, max_time=1e6, workers=0, cache="none")
    costs = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        facts = {"search": settings.to_json(), "num_validation": len(data.validation)}
        run = Run.create(Path(folder) / "run", facts)
        task = ImageTask(data, settings, {})
        task.attach(run, work=None, note=print)
        archive = Archive(run, settings, num_judged=400)
        budget = Budget(settings, started=time.monotonic())
        stack.enter_context(run.locked())
        writer = stack.enter_context(StatusWriter(run, TrackerGroup([]), seconds=lambda: budget.seconds))
        opening = SearchStarted(
            run_folder=run.path, settings=settings, devices="", seconds=0.0, records=(), best=None, num_judged=400
        )
        writer.search_started(opening)
        scheduler = Scheduler(archive, task, settings, writer, budget=budget)
        clock = _Clock()
        for name in ("create_trial", "update_trial", "end_trial"):
            setattr(scheduler.oracle, name, clock.timed(getattr(scheduler.oracle, name)))
        seconds: list[tuple[float, float]] = []
        while len(archive.records) < marks[-1]:
            before, began = clock.seconds, time.perf_counter()
            spec = scheduler.next("worker")
            if not isinstance(spec, TrialSpec):
                raise RuntimeError(f"The search was over after {len(archive.records)} candidates.")
            result = _result(rng)
            save = _save if scheduler.wants("worker", result) else None
            scheduler.finish("worker", result, save=save)
            seconds.append((time.perf_counter() - began, clock.seconds - before))
            if (num := len(archive.records)) in marks:
                # The status is written once a second.
                time.sleep(_STATUS_SECONDS)
                at_work = _seconds(lambda: status.read(run.path))
                hidden = (run.path / layout.STATUS).rename(run.path / "hidden")
                left = _seconds(lambda: status.read(run.path))
                hidden.rename(run.path / layout.STATUS)
                whole, oracle = map(statistics.median, zip(*seconds[-window:], strict=True))
                costs.append(Cost(num, whole, oracle, at_work, left))
    return costs


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
