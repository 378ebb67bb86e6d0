"""Trials of a search under a time limit in the search's own process, while its workers start.

The first one takes seconds. On a slow machine a worker may take over a minute to start, and so a good part of a short
search: then this process trains candidates too, until a worker is ready.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from kevo.engine.messages import TrialSpec
from kevo.engine.scheduler import Idle, Scheduler
from kevo.execution.runner import TrialRunner
from kevo.system import memory

_NAME = "search"
"""The name of the search's own process among the workers."""
_LATE_SECONDS, _LATE_PART = 10.0, 0.1
"""After so many seconds, and so much of what is left of the time, workers are late."""
_ROOM = 4 * 1024**3
"""So many bytes of memory must be left: unlike a worker's, the death of this process ends the search."""


class EarlyTrials:
    """Trains in the search's own process. It is called again and again while no worker is ready.

    The first call trains the plainest model, unless there is a model already. Later ones train a candidate each, where
    workers are late.

    Args:
        scheduler: Gives out trials, and takes their results.
        make_runner: Makes what runs them.
        check: Is called now and then; what it raises ends the search.
        left: Returns how many seconds there are; `None` for no limit.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        make_runner: Callable[[], TrialRunner],
        *,
        check: Callable[[], object],
        left: Callable[[], float | None],
    ) -> None:
        self._scheduler = scheduler
        self._make_runner = make_runner
        self._check = check
        self._left = left
        self._runner: TrialRunner | None = None
        self._since = time.monotonic()

    def __call__(self) -> None:
        """Trains a trial, or none."""
        left = self._left()
        if left is None:
            return
        if self._runner is None:
            self._runner = self._make_runner()
            spec: TrialSpec | Idle | None = self._scheduler.begin_first(_NAME)
        elif time.monotonic() - self._since > max(_LATE_SECONDS, _LATE_PART * left) and _has_room():
            spec = self._scheduler.next(_NAME)
        else:
            return
        if isinstance(spec, TrialSpec):
            self._run(spec, self._runner)

    def _run(self, spec: TrialSpec, runner: TrialRunner) -> None:
        def progress(stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
            self._check()
            self._scheduler.tell(_NAME, stage, done, total, metrics)

        done = runner.run(spec, earlier=self._scheduler.running.model_for(_NAME), progress=progress)
        save = done.save if self._scheduler.wants(_NAME, done.outcome) else None
        self._scheduler.finish(_NAME, done.outcome, save=save, outputs=done.outputs)


def _has_room() -> bool:
    usable, held = memory.usable(), memory.resident()
    return usable is not None and held is not None and usable - held >= _ROOM
