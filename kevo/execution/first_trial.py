"""The first trial of a search under a time limit, trained in the search's own process while its workers start."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kevo.engine.scheduler import Scheduler
from kevo.execution.runner import TrialRunner

_NAME = "search"
"""The name of the search's own process among the workers."""


def train(scheduler: Scheduler, runner: TrialRunner, check: Callable[[], object]) -> None:
    """Trains the plainest model, unless there is a model already.

    Args:
        scheduler: Gives out the trial, and takes its result.
        runner: Runs it.
        check: Is called now and then; what it raises ends the search.
    """
    if (spec := scheduler.begin_first(_NAME)) is None:
        return

    def progress(stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        check()
        scheduler.tell(_NAME, stage, done, total, metrics)

    done = runner.run(spec, earlier=None, progress=progress)
    save = done.save if scheduler.wants(_NAME, done.outcome) else None
    scheduler.finish(_NAME, done.outcome, save=save, outputs=done.outputs)
