"""Reads the run folder of one search again and again, only where it has changed, and tells what is new in it."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

from kevo.errors import KevoError
from kevo.objective import Objective
from kevo.runs import layout, lock, reader
from kevo.runs.atomic_files import DAMAGE, loads
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.runs.status import Status, StatusReader
from kevo.service import summaries
from kevo.service.candidates import CandidateOrder, Candidates, Ending, in_brief
from kevo.service.events import Event, Hub
from kevo.service.jobs import Job, Place
from kevo.service.summaries import Summary


class Watched:
    """Reads a run folder again only where it has changed, and tells what is new in it.

    Args:
        job: The search.
        place: Its files.
    """

    def __init__(self, job: Job, place: Place) -> None:
        self._job = job
        self._run = place.run
        self._summary = place.summary
        self._lock = threading.Lock()
        self._offset = 0
        self._candidates = Candidates()
        self._outcome: tuple[float, Outcome | None] = (-1.0, None)
        self._settings = -1.0
        self._reader: StatusReader | None = None
        self._status: tuple[tuple[float, ...], Status | None] = ((), None)
        self._told = -1
        self._told_trainings: object = None
        self._told_points: dict[int, float] = {}
        """The epochs of the point that was told last, by the numbers of trainings under way."""
        self._told_phase: str | None = None
        self._num_notes = 0

    @property
    def number(self) -> int:
        """How many candidates were known at last."""
        return len(self._candidates)

    def status(self) -> Status | None:
        """Returns how the search is doing; `None` where that cannot be read."""
        changed = tuple(_changed(self._run / name) for name in (layout.STATUS, layout.TRIALS, layout.RESULT))
        settings = _changed(self._run / layout.SETTINGS)
        with self._lock:
            if self._settings != settings:
                # A search that goes on has other limits.
                self._settings, self._reader, self._status = settings, None, ((), None)
            known = self._status[1]
            # While it runs, time goes on too.
            if self._status[0] != changed or (known is not None and known.state == "running"):
                self._status = changed, self._read_status()
                known = self._status[1]
            return known

    def outcome(self) -> Outcome | None:
        """Returns what the search has found; `None` where it has ended with nothing, or not ended."""
        changed = _changed(self._run / layout.RESULT)
        with self._lock:
            if self._outcome[0] != changed:
                try:
                    self._outcome = changed, reader.read_outcome(Run.open(self._run, without=layout.SEARCH))
                except KevoError:
                    self._outcome = changed, None
            return self._outcome[1]

    def candidates(self) -> Candidates:
        """Returns the candidates, of which only those are read that were added since."""
        with self._lock:
            if not self._offset:
                self._take_summary()
            self._read_candidates()
            return self._candidates

    def records(
        self,
        start: int,
        stop: int,
        *,
        order: CandidateOrder = "ended",
        objective: Objective | None = None,
        status: Ending | None = None,
    ) -> list[TrialRecord]:
        """Returns some of the candidates as they stand in the run folder.

        Args:
            start: The place of the first one, from 0.
            stop: The place after the last one.
            order: Which come first.
            objective: What the search improves, for the order by that; `None` where it is not known.
            status: Only those that ended so; `None` for all.
        """
        found: list[TrialRecord] = []
        candidates = self.candidates()
        wanted = candidates.places(order=order, objective=objective, status=status)[start:stop]
        with contextlib.suppress(OSError), (self._run / layout.TRIALS).open("rb") as file:
            for one in map(candidates.__getitem__, wanted):
                file.seek(one.offset)
                with contextlib.suppress(*DAMAGE):
                    found.append(TrialRecord.from_json(loads(file.read(one.length))))
        return found

    def tell(self, hub: Hub) -> None:
        """Tells of candidates that have ended since, of the trainings under way, and of new notes."""
        job, number = self._job, len(self.candidates())
        if self._told < 0:
            self._told = number
        for place, record in enumerate(self.records(self._told, number), start=self._told + 1):
            hub.publish(candidate_event(job, record, place))
        self._told = number
        found = self.status()
        if found is None:
            return
        values = found.to_json()
        if found.phase != self._told_phase:
            self._told_phase = found.phase
            phase = {"id": job.id, "phase": found.phase, "phase_words": values["phase_words"]}
            hub.publish(Event("phase", job.id, job.owner, phase, number))
        if (at := (values["trainings"], found.phase)) != self._told_trainings:
            self._told_trainings = at
            names = ("phase", "phase_words", "trainings", "seconds", "seconds_left", "best")
            told = {"id": job.id, **{name: values[name] for name in names}}
            told["trainings"] = [self._with_new_points(one) for one in values["trainings"]]
            self._told_points = {
                one["number"]: one["curve"][-1]["epochs"] for one in values["trainings"] if one["curve"]
            }
            hub.publish(Event("training", job.id, job.owner, told, number))
        if len(found.notes) != self._num_notes:
            for text in found.notes[self._num_notes :]:
                hub.publish(Event("note", job.id, job.owner, {"id": job.id, "text": text}, number))
            self._num_notes = len(found.notes)

    def _with_new_points(self, training: dict[str, Any]) -> dict[str, Any]:
        """Returns a training with those points of its curve that were not told yet, and the one that was told last."""
        curve, known = training["curve"], self._told_points.get(training["number"], 0.0)
        if curve and curve[-1]["epochs"] < known:
            # It was begun again.
            known = 0.0
        return {**training, "curve": [point for point in curve if point["epochs"] >= known]}

    def _read_status(self) -> Status | None:
        try:
            if not lock.is_held(self._run):
                found = self._take_summary()
                if found is None and summaries.is_long(self._run):
                    summaries.make(self._summary, self._run)
                    found = self._take_summary()
                if found is not None:
                    self._reader = None
                    return found.status
            self._reader = self._reader or StatusReader(self._run)
            known = self._reader.read()
        except KevoError:
            self._reader = None
            return None
        if known.state != "running":
            # It has read all candidates, and of one that has ended it reads no more.
            self._reader = None
        return known

    def _take_summary(self) -> Summary | None:
        """Returns what was kept of the search, and takes its candidates from there."""
        found = summaries.read(self._summary, self._run)
        if found is not None and not self._offset:
            self._candidates, self._offset = found.candidates, found.candidates.num_bytes
        return found

    def _read_candidates(self) -> None:
        """Reads the candidates that were added since."""
        path = self._run / layout.TRIALS
        try:
            size = path.stat().st_size
        except OSError:
            self._offset, self._candidates = 0, Candidates()
            return
        if size < self._offset:
            # A resumed search has set damaged lines aside.
            self._offset, self._candidates = 0, Candidates()
        if size == self._offset:
            return
        with path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    # It is being written.
                    break
                with contextlib.suppress(*DAMAGE):
                    self._candidates.append(in_brief(line, self._offset))
                self._offset += len(line)


def candidate_json(record: TrialRecord) -> dict[str, Any]:
    """Returns what is told of a candidate, without the history of its training."""
    values = record.to_json()
    del values["history"], values["stages"]
    return values


def candidate_event(job: Job, record: TrialRecord, place: int) -> Event:
    """Returns what is told of a candidate; `place` is its place among all, from 1."""
    return Event("candidate", job.id, job.owner, {"id": job.id, **candidate_json(record)}, place)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return -1.0
