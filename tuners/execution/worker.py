"""A worker process: makes the work that it is told, and runs one trial after the other.

python -m tuners.execution.worker FD    talks over the socket FD, and ends when its standard input closes
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import pkgutil
import socket
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from tuners.execution.channel import Channel
from tuners.execution.executor import (
    Broken,
    Event,
    Finished,
    Json,
    Progress,
    UnfitError,
    Work,
    WorkerLost,
    cause,
    to_message,
)
from tuners.execution.in_process import InProcess
from tuners.execution.processes import end_with_parent

_PROGRESS_SECONDS = 0.2
"""How often progress is told at most."""
_NAME = "worker"


class Messages(Protocol):
    """Carries messages between a worker and its pool; see `Channel`."""

    def send(self, message: Json) -> None:
        """Sends a message."""

    def receive(self, seconds: float | None = 0.0) -> dict[str, Any] | None:
        """Returns the next message; `None` where there is none."""


class _Loop:
    """Runs trials in this process for the pool at the other end of a channel."""

    def __init__(self, channel: Messages, work: Work, folder: Path) -> None:
        self._channel = channel
        self._executor = InProcess(work, folder, name=_NAME)
        self._told_at = 0.0
        self._is_over = False

    def run(self) -> bool:
        """Works until the pool says that the search is over; returns whether it has."""
        self._executor.open()
        self._executor.events(self._tell, 0.0)
        while not self._is_over and (message := self._channel.receive(None)) is not None:
            self._obey(message)
            if message["do"] == "begin":
                self._executor.events(self._tell, 0.0)
        if self._is_over:
            self._executor.close()
        return self._is_over

    def _tell(self, worker: str, event: Event) -> None:
        if isinstance(event, Progress):
            self._tell_progress(event)
            return
        self._channel.send(to_message(event))
        if isinstance(event, Finished):
            # A withdrawal may have come too late.
            while (message := self._channel.receive(None)) is not None and message["do"] == "withdraw":
                pass
            if message is not None:
                self._obey(message)

    def _tell_progress(self, event: Progress) -> None:
        if time.monotonic() - self._told_at < _PROGRESS_SECONDS:
            return
        self._told_at = time.monotonic()
        # JSON has no words for what is not finite.
        finite = {name: value for name, value in event.metrics.items() if math.isfinite(value)}
        self._channel.send(to_message(dataclasses.replace(event, metrics=finite)))
        while (message := self._channel.receive()) is not None:
            self._obey(message)

    def _obey(self, message: Json) -> None:
        match message["do"]:
            case "begin":
                earlier = message["earlier"]
                self._executor.begin(_NAME, message["trial"], earlier and Path(earlier))
            case "save":
                self._executor.fetch(_NAME)
            case "withdraw":
                self._executor.withdraw(_NAME)
            case "end":
                self._is_over = True
                self._executor.withdraw(_NAME)


def serve(channel: Messages, job: str, arguments: Json, folder: Path) -> bool:
    """Makes the work of this process, and runs the trials that its pool sends.

    Args:
        channel: Where the pool is.
        job: What makes the work: `module:function`, see `executor.Job`.
        arguments: Its arguments by name.
        folder: For the files of trials.

    Returns:
        Whether the pool has said that the search is over.
    """
    last: Event
    try:
        work: Work = pkgutil.resolve_name(job)(**arguments)
        return _Loop(channel, work, folder).run()
    except UnfitError as error:
        last = WorkerLost(str(error))
    except OSError as error:
        # A disk that is full, or memory that is not given, is not the trial's fault.
        last = Broken(str(error), cause(error))
    print(last.reason, file=sys.stderr)
    with contextlib.suppress(OSError):
        channel.send(to_message(last))
    return False


def main() -> int:
    """Works for the process that started this one; returns the exit code."""
    end_with_parent()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    given = channel.receive(None) or {}
    return 0 if serve(channel, given["job"], given["arguments"], Path(given["folder"])) else 1


if __name__ == "__main__":
    sys.exit(main())
