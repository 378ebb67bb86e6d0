"""Those who train: worker processes of this machine are started, watched, and replaced when they die, hang or grow.

Workers from elsewhere come and go as they like. They are only watched: what those were at who went away, others do.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from kevo.errors import RunError, SearchFailedError
from kevo.execution.devices import Plan, num_cores
from kevo.execution.endpoint import seen_from_here
from kevo.execution.scheduler_service import SchedulerService
from kevo.execution.worker import ALONE, FULL, PARTED, UNWRITABLE
from kevo.system.memory import resident, usable
from kevo.system.text import byte_size
from tuners.remote import Server

_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 120.0
"""For so long a worker may say nothing."""
_PATIENCE = 3
"""For so many times what its training should take, too."""
_GRACE_SECONDS = 10.0
"""How long a worker may take to end when the search is over."""
_MEMORY_SHARE = 0.8
"""The part of the machine's memory that workers may take together."""
_RECYCLED_AT = 0.5
"""The part of its own share that a worker may keep between two candidates."""
_MAX_FAILED_STARTS = 3
"""So many workers in a row may die before they ask for their first task."""
_LOG = "log"


@dataclass(slots=True)
class _Worker:
    name: str
    place: int
    process: subprocess.Popen[bytes]
    folder: Path
    """What it writes, which goes when it has ended."""

    @property
    def last_log_line(self) -> str:
        lines = (self.folder / _LOG).read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "It said nothing."


class LocalPool:
    """All workers of a search.

    Args:
        service: Takes their calls.
        server: Where they reach it.
        plan: How many processes of this machine there are to be, and on which devices.
        folder: For what these write.
        given: What each of these is told: what `kevo.execution.worker` reads.
        note: Is told what a user should know.
    """

    def __init__(
        self,
        service: SchedulerService,
        server: Server,
        *,
        plan: Plan,
        folder: Path,
        given: Mapping[str, Any],
        note: Callable[[str], object],
    ) -> None:
        self._chief = service.scheduler
        self._service = service
        self._server = server
        self._note = note
        self._folder = folder
        self._numbers = itertools.count()
        memory = usable()
        self._max_bytes = (
            None if memory is None else int(_MEMORY_SHARE * memory / max(1, plan.num_workers * plan.num_shares))
        )
        recycled_at = None if self._max_bytes is None else int(_RECYCLED_AT * self._max_bytes)
        address = seen_from_here(server.address)
        self._given = {
            **given,
            "max_bytes": recycled_at,
            "share": self._max_bytes,
            "search": service.search,
            "address": address,
        }
        self._num_failed_starts = 0
        self._workers: list[_Worker] = []
        self._plan = plan
        self._names: set[str] = set()
        self._heard: set[str] = set()
        self._had_remote_workers = False

    def run(self, check: Callable[[], object]) -> None:
        """Keeps all workers at work until the search is over.

        Args:
            check: Is called ten times a second; what it raises ends the search.

        Raises:
            SearchFailedError: workers cannot be started.
        """
        try:
            for place in range(self._plan.num_workers):
                self._workers.append(self._started(place))
            while not self._chief.is_over:
                check()
                self._heard |= set(self._server.workers)
                for name in self._server.expire():
                    self._give_up(name)
                self._look_at_remote_workers()
                # One by one: whatever is wrong with the next, all that live are known.
                for place, worker in enumerate(self._workers):
                    self._workers[place] = self._looked_after(worker)
                time.sleep(_POLL_SECONDS)
        except BaseException:
            self._chief.stop()
            raise
        finally:
            self._end()

    def _started(self, place: int) -> _Worker:
        name = f"worker-{next(self._numbers)}"
        self._names.add(name)
        folder = self._folder / name
        folder.mkdir()
        with (folder / _LOG).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "kevo.execution.worker"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                # A Ctrl-C at the terminal is for the scheduler.
                start_new_session=True,
                env={
                    **os.environ,
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                    **self._plan.environment(place, num_cores=num_cores()),
                    # In a notebook or at a prompt an empty one stands for the working directory.
                    "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
                },
            )
        given = {**self._given, "name": name, "folder": str(folder)}
        # It stays open: a worker ends when its scheduler does, however that happens.
        stdin = cast(BinaryIO, process.stdin)
        try:
            stdin.write(json.dumps(given).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            # It is dead already, as will be seen soon.
            pass
        return _Worker(name, place, process, folder)

    def _give_up(self, name: str) -> None:
        """Goes on without a worker that gives no sign of life, on this machine or another."""
        self._chief.lose(name, "nothing was heard of its worker any more")
        for worker in self._workers:
            if worker.name == name:
                _kill(worker)

    def _look_at_remote_workers(self) -> None:
        remote_workers = self._remote_workers()
        for name in remote_workers:
            if (reason := self._hangs(name)) is not None:
                self._chief.lose(name, reason)
        if self._had_remote_workers and not remote_workers and not self._workers:
            self._note("The last worker is gone. The search waits for another one.")
        self._had_remote_workers = bool(remote_workers)

    def _remote_workers(self) -> set[str]:
        """Returns the workers from elsewhere."""
        return set(self._server.workers) - self._names - self._service.departed

    def _looked_after(self, worker: _Worker) -> _Worker:
        """Returns a worker, or the one in its place."""
        code = worker.process.poll()
        if code is None:
            if (reason := self._fault(worker)) is None:
                return worker
            _kill(worker)
            worker.process.wait()
        elif code in (0, FULL):
            reason = "its worker has ended"
        elif code == PARTED:
            reason = worker.last_log_line
        elif code == ALONE:
            reason = self._left_alone(worker.last_log_line)
        elif code == UNWRITABLE:
            raise RunError(f"{worker.last_log_line.rstrip('.')}. Make room or permit writing there.")
        else:
            reason = _cause(code)
        has_worked = worker.name in self._heard
        self._num_failed_starts = 0 if has_worked else self._num_failed_starts + 1
        if self._num_failed_starts >= _MAX_FAILED_STARTS:
            raise SearchFailedError(f"Workers cannot be started. The last one: {reason}. {worker.last_log_line}")
        self._forget(worker)
        self._chief.lose(worker.name, reason)
        return self._started(worker.place)

    def _left_alone(self, reason: str) -> str:
        """Goes on without the processes that trained along."""
        if not self._heard:
            raise SearchFailedError(f"{reason} Start the same command there too, or take another strategy.")
        self._given["is_spread"] = False
        self._note(f"{reason} The search goes on in one process; kevo resume spreads it again.")
        return reason

    def _fault(self, worker: _Worker) -> str | None:
        """Says what is wrong with a worker that is alive."""
        memory = resident(worker.process.pid)
        if self._max_bytes is not None and memory is not None and memory > self._max_bytes:
            return f"out of memory: it took {byte_size(memory)}, more than a worker's share"
        return self._hangs(worker.name)

    def _hangs(self, name: str) -> str | None:
        """Says how long a worker has been silent that should long have been heard of."""
        silence, expected = self._chief.silence(name)
        if silence > max(_PATIENCE_SECONDS, _PATIENCE * expected):
            return f"it hangs: nothing was heard of it for {silence:.0f} seconds"
        return None

    def _forget(self, worker: _Worker) -> None:
        # What it had started ends by itself, unless it stands still.
        _kill(worker)
        if worker.process.stdin is not None:
            worker.process.stdin.close()
        # Of one that was killed a model may be left.
        shutil.rmtree(worker.folder, ignore_errors=True)

    def _end(self) -> None:
        self._server.announce_end()
        began = time.monotonic()
        try:
            for worker in self._workers:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.process.wait(max(0.0, began + _GRACE_SECONDS - time.monotonic()))
            # They must hear that it is over, and not wait for a scheduler that has gone. A lease is time enough.
            while self._remote_workers() and time.monotonic() < began + self._server.lease_seconds:
                self._server.expire()
                time.sleep(_POLL_SECONDS)
        finally:
            # A Ctrl-C meanwhile waits for nobody.
            for worker in self._workers:
                _kill(worker)
                worker.process.wait()
                self._forget(worker)


def _kill(worker: _Worker) -> None:
    # With the process that it may have started.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.process.pid, signal.SIGKILL)


def _cause(code: int) -> str:
    """Says in words why a process ended."""
    if code >= 0:
        return f"its worker ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
    return f"its worker was ended by {name}{hint}"
