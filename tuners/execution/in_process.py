"""Runs trials in the calling process, one after another."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tuners.execution.executor import (
    Broken,
    Checkpoint,
    Event,
    Finished,
    Json,
    Progress,
    Receive,
    Saved,
    Withdrawn,
    Work,
    WorkerReady,
    cause,
)


class _ReceiveError(BaseException):
    """Carries an error of the receiver through a trial, which must not take it for its own."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class InProcess:
    """Runs trials in the calling process: `events` runs a whole one.

    A trial that crashes, hangs or takes all memory does the same to the caller.

    Args:
        work: Runs the trials.
        folder: Where their files lie until they are received.
        name: The worker's name.
    """

    def __init__(self, work: Work, folder: Path, *, name: str = "here") -> None:
        self._work = work
        self._folder = folder
        self._name = name
        self._is_new = False
        self._is_closed = False
        self._begun: tuple[Json, Path | None] | None = None
        self._is_withdrawn = False
        self._is_fetched = False

    def open(self) -> None:
        self._is_new = True

    def begin(self, worker: str, trial: Json, earlier: Path | None) -> None:
        self._begun = trial, earlier

    def events(self, receive: Receive, seconds: float) -> None:
        if self._begun is None and not self._is_new:
            time.sleep(seconds)
            return
        self._is_new = False
        event: Event = WorkerReady()
        if self._begun is not None:
            trial, earlier = self._begun
            self._begun = None
            try:
                self._run(trial, earlier, receive)
            except _ReceiveError as passing:
                raise passing.error from None
            except OSError as error:
                event = Broken(str(error), cause(error))
        receive(self._name, event)

    def fetch(self, worker: str) -> None:
        self._is_fetched = True

    def withdraw(self, worker: str) -> None:
        self._is_withdrawn = True

    def end(self, worker: str, reason: str) -> None:
        """Withdraws the trial: the calling process cannot be ended."""
        self.withdraw(worker)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._work.close()

    def _run(self, trial: Json, earlier: Path | None, receive: Receive) -> None:
        def tell(event: Event) -> None:
            try:
                receive(self._name, event)
            except Exception as error:
                raise _ReceiveError(error) from error

        def progress(stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
            tell(Progress(stage, done, total, metrics))
            if self._is_withdrawn:
                raise Withdrawn

        def keep(save: Callable[[Path], object], values: Json) -> None:
            with self._new_folder() as folder:
                save(folder)
            tell(Checkpoint(folder, values))

        self._is_withdrawn = self._is_fetched = False
        try:
            performed = self._work.perform(trial, earlier=earlier, progress=progress, keep=keep)
        except Withdrawn:
            return
        tell(Finished(performed.result))
        if self._is_fetched:
            with self._new_folder() as folder:
                result = performed.save(folder)
            tell(Saved(folder, result))

    @contextlib.contextmanager
    def _new_folder(self) -> Iterator[Path]:
        """Lends a folder, and removes it if it cannot be filled."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
