"""An executor with worker processes on this machine: a process that crashes, hangs or grows costs one trial at most."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from tuners.execution.channel import Channel
from tuners.execution.executor import (
    Broken,
    Cause,
    Event,
    Finished,
    Json,
    Receive,
    WorkerLost,
    WorkerReady,
    from_message,
)
from tuners.execution.processes import describe_exit, kill_group

_SEND_SECONDS = 10.0
"""How long a worker may take to accept a message."""
_GRACE_SECONDS = 10.0
"""How long workers may take to end when the search is over."""
_START_SECONDS = 900.0
"""How long a worker may take until it is ready."""
_MAX_FAILED_STARTS = 3
"""So many workers in a row may end before they are ready."""
_LOG = "log"


@dataclass(slots=True)
class _Worker:
    name: str
    place: int
    process: subprocess.Popen[bytes]
    channel: Channel
    folder: Path
    """Its files, which go when it has ended."""
    started_at: float
    num_trials: int = 0
    is_ready: bool = False
    """Whether it has ever been ready."""
    is_fetched: bool = False
    end_reason: str | None = None
    """Why it ends, in its own words."""

    def send(self, message: Json) -> None:
        # One that is gone, or does not read, is noticed elsewhere.
        with contextlib.suppress(OSError):
            self.channel.send(message)

    @property
    def last_log_line(self) -> str:
        lines = (self.folder / _LOG).read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "It said nothing."


class LocalPool:
    """Runs trials in worker processes, which end with the calling process however that ends.

    Each worker talks over a socket pair, writes into a log of its own, and runs in a session of its own: a Ctrl-C at
    the terminal reaches the calling process only.

    Args:
        job: What makes the work of each process: `module:function`, see `executor.Job`.
        arguments: Its arguments by name, as JSON values.
        folder: For the workers' files.
        environments: For each worker, what is added to its environment.
        max_bytes: The memory that a worker may take; beyond it, it is ended. `None` for no limit.
        recycled_bytes: The memory that a worker may hold between two trials; beyond it, another one takes its place.
            `None` for no limit.
        memory_of: Returns the bytes of memory that a process holds, by its number; `None` where that is not known.
        unfit: Is told why a job could not be made (`UnfitError`), and returns the arguments to try next.
    """

    def __init__(
        self,
        job: str,
        arguments: Json,
        *,
        folder: Path,
        environments: Sequence[Mapping[str, str]],
        max_bytes: int | None = None,
        recycled_bytes: int | None = None,
        memory_of: Callable[[int], int | None] = lambda pid: None,
        unfit: Callable[[str], Json] | None = None,
    ) -> None:
        self._job = job
        self._arguments = arguments
        self._folder = folder
        self._environments = environments
        self._max_bytes = max_bytes
        self._recycled_bytes = recycled_bytes
        self._memory_of = memory_of
        self._unfit = unfit
        self._numbers = itertools.count()
        self._workers: dict[str, _Worker] = {}
        self._untold: list[tuple[str, Event]] = []
        self._num_failed_starts = 0
        self._has_started = False

    @property
    def has_started(self) -> bool:
        """Whether any worker has been ready so far."""
        return self._has_started

    def open(self) -> None:
        for place in range(len(self._environments)):
            self._start(place)

    def begin(self, worker: str, trial: Json, earlier: Path | None) -> None:
        self._workers[worker].num_trials += 1
        self._workers[worker].send({"do": "begin", "trial": trial, "earlier": earlier and str(earlier)})

    def events(self, receive: Receive, seconds: float) -> None:
        untold, self._untold = self._untold, []
        for name, event in untold:
            receive(name, event)
        channels = [worker.channel.fileno() for worker in self._workers.values() if not worker.channel.is_closed]
        wait(channels, 0.0 if untold else seconds)
        for worker in list(self._workers.values()):
            # First, so that all that it said before its end is heard.
            code = worker.process.poll()
            self._listen(worker, receive)
            if worker.name in self._workers:
                self._look_after(worker, code, receive)

    def fetch(self, worker: str) -> None:
        self._workers[worker].is_fetched = True
        self._workers[worker].send({"do": "save"})

    def withdraw(self, worker: str) -> None:
        self._workers[worker].send({"do": "withdraw"})

    def end(self, worker: str, reason: str) -> None:
        self._untold.append((worker, WorkerLost(reason)))
        self._replace(self._workers[worker])

    def close(self) -> None:
        workers = list(self._workers.values())
        until = time.monotonic() + _GRACE_SECONDS
        try:
            for worker in workers:
                worker.send({"do": "end"})
            for worker in workers:
                # One that is not ready yet does not listen.
                if worker.is_ready:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        worker.process.wait(max(0.0, until - time.monotonic()))
        finally:
            # A Ctrl-C meanwhile waits for nothing.
            for worker in workers:
                self._forget(worker)

    def _start(self, place: int) -> None:
        name = f"worker-{next(self._numbers)}"
        folder = self._folder / name
        folder.mkdir()
        ours, theirs = socket.socketpair()
        with theirs, (folder / _LOG).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tuners.execution.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                # It stays open: a worker ends when it closes, and so with this process.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={
                    **os.environ,
                    **self._environments[place],
                    # In a notebook or at a prompt an empty one stands for the working directory.
                    "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
                },
            )
        channel = Channel(ours, patience_seconds=_SEND_SECONDS)
        worker = self._workers[name] = _Worker(name, place, process, channel, folder, started_at=time.monotonic())
        worker.send({"job": self._job, "arguments": self._arguments, "folder": str(folder)})

    def _listen(self, worker: _Worker, receive: Receive) -> None:
        """Yields the events of a worker, unless it has been replaced meanwhile."""
        while worker.name in self._workers and (message := worker.channel.receive()) is not None:
            match event := from_message(message):
                case WorkerReady():
                    worker.is_ready = self._has_started = True
                    if worker.num_trials and self._holds_more(worker, self._recycled_bytes):
                        # It has no trial that could be lost.
                        self._replace(worker)
                    else:
                        receive(worker.name, event)
                case Finished():
                    worker.is_fetched = False
                    receive(worker.name, event)
                    if not worker.is_fetched:
                        worker.send({"do": "discard"})
                case WorkerLost():
                    worker.end_reason = event.reason
                case _:
                    receive(worker.name, event)

    def _look_after(self, worker: _Worker, code: int | None, receive: Receive) -> None:
        """Replaces a worker that has ended, or must."""
        if code is not None:
            reason = worker.end_reason or describe_exit(code)
        elif self._holds_more(worker, self._max_bytes):
            memory = (self._memory_of(worker.process.pid) or 0) / 1e9
            reason = f"out of memory: it took {memory:.1f} GB, more than a worker's share"
        elif not worker.is_ready and time.monotonic() - worker.started_at > _START_SECONDS:
            reason = f"it hangs: it was not ready after {_START_SECONDS:.0f} seconds"
        else:
            return
        if not worker.is_ready:
            self._count_failed_start(worker, reason, receive)
        receive(worker.name, WorkerLost(reason))
        self._replace(worker)

    def _holds_more(self, worker: _Worker, num_bytes: int | None) -> bool:
        return num_bytes is not None and (self._memory_of(worker.process.pid) or 0) > num_bytes

    def _count_failed_start(self, worker: _Worker, reason: str, receive: Receive) -> None:
        self._num_failed_starts += 1
        if worker.end_reason is not None and self._unfit is not None:
            self._arguments = self._unfit(reason)
        if self._num_failed_starts >= _MAX_FAILED_STARTS:
            words = f"Workers cannot be started. The last one: {reason}. {worker.last_log_line}"
            receive(worker.name, Broken(words, Cause.START))

    def _replace(self, worker: _Worker) -> None:
        if worker.is_ready:
            self._num_failed_starts = 0
        self._forget(worker)
        self._start(worker.place)

    def _forget(self, worker: _Worker) -> None:
        """Ends a worker and its child processes, and removes its files."""
        del self._workers[worker.name]
        kill_group(worker.process.pid)
        worker.process.wait()
        worker.channel.close()
        if worker.process.stdin is not None:
            worker.process.stdin.close()
        shutil.rmtree(worker.folder, ignore_errors=True)
