"""A listener that writes down what happens to trials, and when."""

from __future__ import annotations

import time

from kevo.progress import NullListener
from kevo.runs.records import TrialRecord


class EventLog(NullListener):
    """Events of a search.

    Attributes:
        events: What happened (`started`, `lost` or `ended`), the trial's number, and the worker, reason or status.
        records: Records of the trials that ended.
        first_started: When the first trial started, by `time.monotonic`; 0 before.
        last_evolved: When the last trial of the search ended, final trainings aside; 0 before.
    """

    def __init__(self) -> None:
        self.events: list[tuple[str, int, str]] = []
        self.records: list[TrialRecord] = []
        self.first_started = self.last_evolved = 0.0
        self._began: dict[int, float] = {}

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        self.events.append(("started", number, worker))
        self._began[number] = time.monotonic()
        self.first_started = self.first_started or time.monotonic()

    def trial_lost(self, number: int, reason: str) -> None:
        self.events.append(("lost", number, reason))

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        self.events.append(("ended", record.number, record.status))
        self.records.append(record)
        if not record.full_length:
            self.last_evolved = time.monotonic()
            self.evolved(time.monotonic() - self._began[record.number])

    def evolved(self, seconds: float) -> None:
        """Called after each trial of the search, final trainings aside, with its duration."""
