"""The trials that workers run just now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keras_tuner.engine.trial import Trial

from kevo.engine.messages import TrialSpec
from kevo.runs.records import TrialRecord
from kevo.tasks.protocols.task import Work


@dataclass(slots=True)
class Running:
    """A trial that a worker runs.

    Args:
        task: What it is.
        worker: Who runs it.
        generation: The generation of its candidate.
        full_length: Whether it is a final training.
        trial: The oracle's own trial; `None` for what no oracle has bred.
        work: The forecast for it.
        heard_at: When its worker gave the last sign of life, by `time.monotonic`.
        goes_on_from: The model that it goes on from; `None` for a fresh network.
        refits: The winner that it refits; `None` for none.
    """

    task: TrialSpec
    worker: str
    generation: int
    full_length: bool
    trial: Trial | None
    work: Work
    heard_at: float
    goes_on_from: Path | None = None
    refits: TrialRecord | None = None


class RunningTrials:
    """The trials that workers run, by the workers' names."""

    def __init__(self) -> None:
        self._by_worker: dict[str, Running] = {}

    def __iter__(self) -> Iterator[Running]:
        return iter(self._by_worker.values())

    def __len__(self) -> int:
        return len(self._by_worker)

    def begin(self, running: Running) -> None:
        """Notes which trial a worker runs from now on."""
        self._by_worker[running.worker] = running

    def of(self, worker: str) -> Running | None:
        """Returns what a worker runs; `None` for nothing."""
        return self._by_worker.get(worker)

    def end(self, worker: str) -> Running | None:
        """Notes that a worker runs nothing any more, and returns what it ran."""
        return self._by_worker.pop(worker, None)

    @property
    def names(self) -> set[str]:
        """The names of the trials."""
        return {running.task.trial_id for running in self}

    def hear(self, worker: str) -> None:
        """Notes that a worker gave a sign of life."""
        if (running := self.of(worker)) is not None:
            running.heard_at = time.monotonic()

    def silence(self, worker: str) -> tuple[float, float]:
        """Returns for how long nothing was heard of a worker, and how long its training should take, in seconds."""
        running = self.of(worker)
        return (0.0, 0.0) if running is None else (time.monotonic() - running.heard_at, running.work.seconds)

    def model_for(self, worker: str) -> Path | None:
        """Returns the model that a worker's task goes on from."""
        running = self.of(worker)
        return None if running is None else running.goes_on_from
