"""The loop between a scheduler and an executor: it gives out trials, and hands in their results."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from tuners.execution.executor import (
    Broken,
    Cause,
    Checkpoint,
    Event,
    Executor,
    Finished,
    Json,
    Progress,
    Saved,
    WorkerLost,
    WorkerReady,
)

_POLL_SECONDS = 0.1
"""How often the foreman looks after everything, if nothing happens."""
_ASK_SECONDS = 0.2
"""How long after a scheduler had no trial it is asked again, if no trial ends meanwhile."""
_PATIENCE_SECONDS = 120.0
"""For so long a worker may say nothing while it runs a trial."""
_PATIENCE = 3
"""For so many times what its trial should take, too."""


class Scheduler(Protocol):
    """Decides which trials run, and keeps their results. Workers are only names to it."""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to do."""

    def next(self, worker: str) -> Json | None:
        """Returns the trial that a worker is to run; `None` where there is none at present."""

    def model_for(self, worker: str) -> Path | None:
        """Returns the model that the worker's trial continues from; `None` to begin from the start."""

    def hear(self, worker: str) -> None:
        """Notes a sign of life of a worker."""

    def silence(self, worker: str) -> tuple[float, float]:
        """Returns for how long a worker has said nothing, and how long its trial should take, in seconds."""

    def tell(self, worker: str, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> bool:
        """Takes the progress of a worker's trial, and returns whether it is to go on."""

    def keep(self, worker: str, folder: Path, values: Json) -> None:
        """Keeps a checkpoint of a worker's trial; moves the files that it wants out of the folder."""

    def wants(self, worker: str, result: Json) -> bool:
        """Tells whether the files of a trial with this result are wanted."""

    def finish(self, worker: str, result: Json, folder: Path | None) -> None:
        """Takes the result of a worker's trial; moves the files that it wants out of the folder, if there is one."""

    def lose(self, worker: str, reason: str, *, is_its_fault: bool) -> None:
        """Takes back the trial of a worker that is gone."""

    def stop(self) -> None:
        """Ends the search: no trial is given out any more, and running ones are not waited for."""


class BrokenError(RuntimeError):
    """No worker can go on.

    Args:
        reason: Why, in words.
        cause: Why, as one of few kinds.
    """

    def __init__(self, reason: str, cause: Cause) -> None:
        super().__init__(reason)
        self.cause = cause


class Foreman:
    """Keeps all workers of an executor busy until the search is over.

    Args:
        scheduler: Decides which trials run.
        executor: Runs them.
        check: Is called at least ten times a second while the executor lets it; what it raises ends the search.
        meanwhile: Is called again and again until a worker has been ready, and may take its time.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        executor: Executor,
        *,
        check: Callable[[], object] = lambda: None,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        self._scheduler = scheduler
        self._executor = executor
        self._check = check
        self._meanwhile = meanwhile
        self._idle: dict[str, None] = {}
        self._busy: set[str] = set()
        self._asks_at = 0.0

    def run(self) -> None:
        """Runs trials until the search is over, and closes the executor.

        Raises:
            BrokenError: no worker can go on.
        """
        try:
            self._executor.open()
            while True:
                self._check()
                if self._meanwhile is not None:
                    self._meanwhile()
                self._executor.events(self._receive, _POLL_SECONDS)
                self._give_out()
                self._end_the_silent()
                if self._scheduler.is_over:
                    break
        except BaseException:
            self._scheduler.stop()
            raise
        finally:
            self._executor.close()

    def _give_out(self) -> None:
        """Gives trials to idle workers."""
        if time.monotonic() < self._asks_at:
            return
        for worker in list(self._idle):
            trial = self._scheduler.next(worker)
            if trial is None:
                self._asks_at = time.monotonic() + _ASK_SECONDS
            else:
                del self._idle[worker]
                self._busy.add(worker)
                self._executor.begin(worker, trial, self._scheduler.model_for(worker))

    def _end_the_silent(self) -> None:
        for worker in list(self._busy):
            if (reason := describe_hang(*self._scheduler.silence(worker))) is not None:
                self._busy.remove(worker)
                self._executor.end(worker, reason)

    def _receive(self, worker: str, event: Event) -> None:
        self._scheduler.hear(worker)
        match event:
            case WorkerReady():
                self._meanwhile = None
                self._busy.discard(worker)
                self._idle[worker] = None
                self._asks_at = 0.0
            case Progress():
                self._check()
                if not self._scheduler.tell(worker, event.stage, event.done, event.total, event.metrics):
                    self._executor.withdraw(worker)
            case Checkpoint():
                with _owned(event.folder):
                    self._scheduler.keep(worker, event.folder, event.values)
            case Finished():
                if self._scheduler.wants(worker, event.result):
                    self._executor.fetch(worker)
                else:
                    self._scheduler.finish(worker, event.result, None)
            case Saved():
                with _owned(event.folder):
                    self._scheduler.finish(worker, event.result, event.folder)
            case WorkerLost():
                self._idle.pop(worker, None)
                self._busy.discard(worker)
                self._scheduler.lose(worker, event.reason, is_its_fault=event.is_its_fault)
                self._asks_at = 0.0
            case Broken():
                raise BrokenError(event.reason, event.cause)


def describe_hang(silence: float, expected: float) -> str | None:
    """Returns why a worker is taken for hung, in words; `None` if it is not.

    Args:
        silence: For how many seconds it has said nothing.
        expected: How many seconds its trial should take.
    """
    if silence > max(_PATIENCE_SECONDS, _PATIENCE * expected):
        return f"it hangs: nothing was heard of it for {silence:.0f} seconds"
    return None


@contextlib.contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Removes a folder in the end."""
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
