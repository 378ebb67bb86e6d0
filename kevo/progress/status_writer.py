"""Writes into the run folder what a search is doing, for `kevo status`."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from kevo.errors import RunError
from kevo.progress.events import Listener, SearchStarted
from kevo.runs import notes, status
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.runs.status import Ended, Sizes, Training
from kevo.runs.training_curve import TrainingCurve
from kevo.settings import Settings

_WRITE_SECONDS = 1.0
_MEASURING_SECONDS = 10.0
"""How often the size of the folder is measured at most."""
_MEASURING_COST = 100
"""So many times as long as that took nothing is measured: with thousands of candidates it takes a while."""


class StatusWriter:
    """A listener that passes everything on and, while entered, writes the trainings under way into the run folder.

    Args:
        run: The folder.
        listener: The listener that everything is passed on to.
        seconds: Returns how long the search has taken.
    """

    def __init__(self, run: Run, listener: Listener, *, seconds: Callable[[], float]) -> None:
        self._run = run
        self._listener = listener
        self._seconds = seconds
        self._trainings: dict[int, Training] = {}
        self._curves: dict[int, TrainingCurve] = {}
        self._settings: Settings | None = None
        self._ended: Ended | None = None
        self._phase: tuple[str, str] | None = None
        self._num_skipped: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._has_news = False
        self._sizes: Sizes | None = None
        self._measures_at = 0.0
        self._is_over = threading.Event()
        # No training waits for a disk.
        self._writer = threading.Thread(target=self._write_on, name="status", daemon=True)

    def __enter__(self) -> Self:
        self._write()
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._writer.join()
        status.remove(self._run)

    def search_started(self, opening: SearchStarted) -> None:
        """Takes down the trials of earlier sessions."""
        evolved = [record for record in opening.records if not record.full_length]
        self._settings = opening.settings
        self._ended = Ended(
            num_bytes=self._run.num_trial_bytes,
            completed=sum(record.status == "completed" for record in evolved),
            failed=sum(record.status == "failed" for record in evolved),
            best=None if opening.best is None else status.best(opening.best, opening.settings),
        )
        self._listener.search_started(opening)

    def phase_began(self, phase: str, words: str) -> None:
        """Notes what the search is doing."""
        with self._lock:
            self._phase, self._has_news = (phase, words), True
        self._listener.phase_began(phase, words)

    def note(self, text: str) -> None:
        """Keeps a note, and passes it on."""
        notes.append(self._run, text)
        self._listener.note(text)

    def skipped(self, what: str, reason: str, num: int) -> None:
        """Counts it, and passes it on."""
        with self._lock:
            self._num_skipped[what, reason] += num
            self._has_news = True
        self._listener.skipped(what, reason, num)

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        """Adds a training."""
        self._change(number, Training(number=number, words=words, worker=worker, started_at=time.time()))
        self._listener.trial_started(number, words, seconds_left, worker)

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        """Notes how far a training is."""
        told = {name: float(value) for name, value in metrics.items()}
        epoch = min(int(done) + 1, total)
        with self._lock:
            if (training := self._trainings.get(number)) is not None:
                self._curves[number].add(stage, done, told)
                # Those of the validation split are told once in an epoch, and stand until the next one ends.
                known = {**training.metrics, **told} if training.stage == stage else told
                change = dataclasses.replace(training, stage=stage, epoch=epoch, num_epochs=total, metrics=known)
                self._trainings[number] = change
                self._has_news = True
        self._listener.progress(number, stage, done, total, metrics)

    def trial_lost(self, number: int, reason: str) -> None:
        """Removes a training."""
        self._change(number, None)
        self._listener.trial_lost(number, reason)

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        """Removes a training, and counts it."""
        if self._ended is not None and self._settings is not None:
            self._ended = Ended(
                num_bytes=self._run.num_trial_bytes,
                completed=self._ended.completed + (record.status == "completed" and not record.full_length),
                failed=self._ended.failed + (record.status == "failed" and not record.full_length),
                best=None if best is None else status.best(best, self._settings),
            )
        self._change(record.number, None)
        self._listener.trial_ended(record, best)

    def closed(self) -> None:
        """Removes all trainings."""
        for number in list(self._trainings):
            self._change(number, None)
        self._listener.closed()

    def _change(self, number: int, training: Training | None) -> None:
        with self._lock:
            if training is None:
                self._trainings.pop(number, None)
                self._curves.pop(number, None)
            else:
                self._trainings[number], self._curves[number] = training, TrainingCurve()
            self._has_news = True

    def _write_on(self) -> None:
        while not self._is_over.wait(_WRITE_SECONDS):
            if self._has_news:
                self._write()

    def _write(self) -> None:
        with self._lock:
            trainings = [
                dataclasses.replace(one, curve=tuple(self._curves[number].points))
                for number, one in self._trainings.items()
            ]
            skipped = [(what, reason, num) for (what, reason), num in self._num_skipped.items()]
            self._has_news = False
        # On a full disk the search ends by its records, not by this.
        with contextlib.suppress(RunError):
            status.write(
                self._run,
                trainings,
                seconds=self._seconds(),
                ended=self._ended,
                sizes=self._measured(),
                phase=self._phase,
                skipped=skipped,
            )

    def _measured(self) -> Sizes:
        began = time.monotonic()
        if self._sizes is None or began > self._measures_at:
            self._sizes = Sizes.of(self._run)
            took = time.monotonic() - began
            self._measures_at = began + max(_MEASURING_SECONDS, _MEASURING_COST * took)
        return self._sizes
