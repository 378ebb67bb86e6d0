"""The protocol of executors, and the events that they tell.

A worker of an executor runs one trial at a time:

    WorkerReady, begin() -> Progress and Checkpoint, any number -> Finished, fetch() if its files are wanted -> Saved
    -> WorkerReady

At any time it may be lost instead. Then another worker takes its place, under a name of its own.

All values that travel are mappings that JSON can hold; files travel as folders, by their path.
"""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

Json = Mapping[str, Any]
"""Names and values that JSON can hold."""


class Withdrawn(BaseException):
    """Raised inside a trial that is to stop. It is no `Exception`: the trial's own error handling lets it pass."""


class UnfitError(BaseException):
    """Raised by a job or its work when this process cannot go on, through no fault of the trial.

    Another process takes its place. It is no `Exception`: the trial's own error handling lets it pass.
    """


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """The worker waits for a trial."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a trial is.

    Args:
        stage: What it does at the moment.
        done: How much of the stage is done, in units of `total`.
        total: The whole of the stage.
        metrics: The latest metrics, by name.
    """

    stage: str
    done: float
    total: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trial that can be continued from here if it breaks off.

    Args:
        folder: Its files. The receiver owns the folder: it moves what it wants, and removes the rest.
        values: What else is needed to continue.
    """

    folder: Path
    values: Json


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial has ended, well or badly. Its files can be fetched until the event has been received.

    Args:
        result: Its result.
    """

    result: Json


@dataclass(frozen=True, slots=True)
class Saved:
    """The files of a finished trial, which `Executor.fetch` asked for.

    Args:
        folder: The files; none where saving has failed. The receiver owns the folder, as that of a `Checkpoint`.
        result: The trial's result now: that saving failed may be part of it.
    """

    folder: Path
    result: Json


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """The worker is gone, and its trial with it.

    Args:
        reason: Why, in words.
        is_its_fault: Whether the trial may have been the cause.
    """

    reason: str
    is_its_fault: bool = True


class Cause(Enum):
    """Why no worker can go on."""

    DISK = "disk"
    """Files cannot be written."""
    MEMORY = "memory"
    """The system gives a worker no more memory."""
    START = "start"
    """Workers die before they are ready."""
    CLUSTER = "cluster"
    """The machines that workers run on cannot be reached any more."""


def cause(error: OSError) -> Cause:
    """Returns what keeps a worker from going on where the system has refused something."""
    return Cause.MEMORY if error.errno == errno.ENOMEM else Cause.DISK


@dataclass(frozen=True, slots=True)
class Broken:
    """No worker can go on: the search has to end.

    Args:
        reason: Why, in words.
        cause: Why, as one of few kinds.
    """

    reason: str
    cause: Cause


Event = WorkerReady | Progress | Checkpoint | Finished | Saved | WorkerLost | Broken
"""What an executor tells of one of its workers."""
Receive = Callable[[str, Event], object]
"""Takes the name of a worker, and what happened to it."""


class Executor(Protocol):
    """Runs trials on workers. All methods are called from one thread, and only `events` takes time."""

    def open(self) -> None:
        """Begins to start the workers; each tells `WorkerReady` later."""

    def begin(self, worker: str, trial: Json, earlier: Path | None) -> None:
        """Has a worker that is ready run a trial.

        Args:
            worker: Its name.
            trial: What to run.
            earlier: A model that the trial continues from; `None` to begin from the start.
        """

    def events(self, receive: Receive, seconds: float) -> None:
        """Returns the events since the last call.

        Args:
            receive: Is called with each event, and may call the other methods. What it raises passes through.
            seconds: How long to wait at most if nothing has happened. An executor without workers of its own runs a
                whole trial in here.
        """

    def fetch(self, worker: str) -> None:
        """Asks for the files of the trial that the worker has just finished; called while `Finished` is received."""

    def withdraw(self, worker: str) -> None:
        """Has a worker stop its trial without a result, at the next chance; then it tells `WorkerReady`."""

    def end(self, worker: str, reason: str) -> None:
        """Ends a worker at once, and starts another one; the event is `WorkerLost` with this reason."""

    def close(self) -> None:
        """Ends all workers and their trials. Calling it twice does no harm."""


class ReportProgress(Protocol):
    """Reports how far a trial is; see `Progress`."""

    def __call__(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        """Reports it.

        Raises:
            Withdrawn: the trial is to stop.
        """


class KeepCheckpoint(Protocol):
    """Keeps the present state of a trial; see `Checkpoint`."""

    def __call__(self, save: Callable[[Path], object], values: Json) -> None:
        """Keeps it.

        Args:
            save: Writes the files into an empty folder.
            values: What else is needed to continue.
        """


class Performed(Protocol):
    """A trial that has ended, well or badly."""

    @property
    def result(self) -> Json:
        """Its result."""

    def save(self, folder: Path) -> Json:
        """Writes its files into an empty folder.

        Returns:
            The result now: a trial whose files cannot be written through its own fault has failed.

        Raises:
            OSError: the disk is full or cannot be written.
        """


class Work(Protocol):
    """Runs trials in one process, one after the other. A job makes it, once in each process."""

    def perform(
        self, trial: Json, *, earlier: Path | None, progress: ReportProgress, keep: KeepCheckpoint
    ) -> Performed:
        """Runs a trial.

        Args:
            trial: What to run.
            earlier: A model that the trial continues from; `None` to begin from the start.
            progress: Is to be called often: a trial that says nothing for long is taken for hung.
            keep: May be called now and then.

        Returns:
            How it ended. A failure of the trial is a result too, not an exception.

        Raises:
            UnfitError: this process cannot go on.
            OSError: the disk is full or cannot be written.
        """

    def close(self) -> None:
        """Is called once when the search is over."""


Job = Callable[..., Work]
"""Makes the work of one process, from arguments that JSON can hold. It may raise what `Work.perform` raises."""

_EVENTS: Mapping[str, type[Event]] = {
    event.__name__: event for event in (WorkerReady, Progress, Checkpoint, Finished, Saved, WorkerLost)
}


def to_message(event: Event) -> dict[str, Any]:
    """Returns an event as JSON values, from which `from_message` makes the same event."""
    values = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    if isinstance(event, Checkpoint | Saved):
        values["folder"] = str(event.folder)
    if isinstance(event, Broken):
        values["cause"] = event.cause.value
    return {"event": type(event).__name__, **values}


def from_message(message: Json) -> Event:
    """Reads what `to_message` wrote."""
    values = dict(message)
    kind = values.pop("event")
    if kind == Broken.__name__:
        return Broken(values["reason"], Cause(values["cause"]))
    if "folder" in values:
        values["folder"] = Path(values["folder"])
    return _EVENTS[kind](**values)
