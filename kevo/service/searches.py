"""All searches of a server: the queue, and what becomes of each.

The truth about a search lies in its folder, its lock and its run folder. `job.json` says what is wanted, and how its
last session ended. So a server that is killed loses nothing: the next one finds the searches where they are.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kevo.errors import KevoError, RunError
from kevo.runs import layout, reader
from kevo.runs.atomic_files import DAMAGE, loads
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.runs.status import Status, StatusReader
from kevo.service import jobs, launching
from kevo.service.events import Event, Hub
from kevo.service.jobs import Job, Place
from kevo.service.root import Root, new_id, num_bytes

_KILL_SECONDS = 120.0
"""A search that was asked to stop and is still at work after this time is killed."""
MOST_QUEUED = 20
"""So many searches of one user may wait."""
_MOST_WATCHED = 64
"""Of so many searches is kept in memory what was read of them last."""


class Candidate(NamedTuple):
    """What is kept in memory of a candidate that has ended.

    Args:
        offset: Where its record begins in the file of all.
        length: How many bytes that has.
        number: Its number in the search, from 0.
        finished_at: When it ended, in seconds of search.
        metrics: Its metrics; `None` if it failed.
    """

    offset: int
    length: int
    number: int
    finished_at: float
    metrics: dict[str, float] | None


class ConflictError(KevoError):
    """A search is not in a state for that."""


class QueueFullError(KevoError):
    """Its user has enough searches waiting."""


class Searches:
    """The searches of a server, and the queue in which they wait.

    Args:
        root: The server's folder.
        hub: Is told what happens.
        source: Returns where the data of a search lies; raises an error where it is gone.
        parallel: So many searches are at work at a time.
        weights: Where the pretrained weights of all searches come from, as in `kevo.Settings`.
        is_paused: Whether none is begun.
    """

    def __init__(
        self,
        root: Root,
        hub: Hub,
        *,
        source: Callable[[Job], str],
        parallel: int,
        weights: Mapping[str, str],
        is_paused: bool = False,
    ) -> None:
        self._root = root
        self._hub = hub
        self._source = source
        self._parallel = parallel
        self._weights = weights
        self.is_paused = is_paused
        self._jobs: dict[str, Job] = {}
        self._states: dict[str, str] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.RLock()
        for folder in root.searches.iterdir():
            try:
                job = Job.read(folder)
            except RunError:
                # It was not whole when a server ended, or somebody damaged it: it is left for a person to look at.
                continue
            self._jobs[job.id] = job
            self._states[job.id] = jobs.current_state(job, self.place(job))

    def place(self, job: Job) -> Place:
        """Returns where the files of a search lie."""
        return Place(self._root.search(job.id))

    def get(self, name: str, user: str) -> Job | None:
        """Returns one of somebody's searches."""
        job = self._jobs.get(name)
        return job if job is not None and job.owner == user else None

    def all_of(self, user: str) -> list[Job]:
        """Returns somebody's searches, the newest first."""
        with self._lock:
            found = [job for job in self._jobs.values() if job.owner == user]
        return sorted(found, key=lambda job: job.created, reverse=True)

    def state(self, job: Job) -> str:
        """Returns the state of a search."""
        return self._states.get(job.id, job.state)

    def queued(self) -> list[Job]:
        """Returns the searches that wait, in their order: users take turns, and within one who came first."""
        with self._lock:
            waiting = sorted(
                (job for job in self._jobs.values() if self.state(job) == jobs.QUEUED), key=lambda job: job.position
            )
            turns = dict.fromkeys((job.owner for job in self._jobs.values()), 0)
            for job in self._jobs.values():
                turns[job.owner] += self.state(job) in jobs.ALIVE
        ordered: list[Job] = []
        while waiting:
            following = min(waiting, key=lambda job: (turns[job.owner], job.position))
            turns[following.owner] += 1
            waiting.remove(following)
            ordered.append(following)
        return ordered

    def states(self) -> list[str]:
        """Returns the states of all searches."""
        with self._lock:
            return list(self._states.values())

    def num_alive(self) -> int:
        """Returns how many searches are at work."""
        with self._lock:
            return sum(state in jobs.ALIVE for state in self._states.values())

    def needing(self, data: str) -> list[Job]:
        """Returns the searches that need some data: those that have not ended, or that could go on."""
        with self._lock:
            return [job for job in self._jobs.values() if job.data == data]

    def add(
        self, *, name: str, owner: str, data: str, data_name: str, settings: dict[str, Any], key: str = ""
    ) -> tuple[Job, bool]:
        """Puts a new search into the queue.

        Returns:
            The search, and whether it is new: the same `Idempotency-Key` gives the same search.

        Raises:
            QueueFullError: too many of this user's wait.
        """
        with self._lock:
            mine = [job for job in self._jobs.values() if job.owner == owner]
            same = next((job for job in mine if key and job.key == key), None)
            if same is not None:
                return same, False
            if sum(self.state(job) == jobs.QUEUED for job in mine) >= MOST_QUEUED:
                raise QueueFullError(f"{MOST_QUEUED} searches of yours wait already. Let some of them end.")
            now = jobs.now()
            job = Job(
                id=new_id(),
                name=name,
                owner=owner,
                data=data,
                data_name=data_name,
                settings=settings,
                position=now,
                created=now,
                key=key,
            )
            folder = self._root.search(job.id)
            folder.mkdir(mode=0o700)
            job.write(folder)
            self._jobs[job.id] = job
            self._set(job, jobs.QUEUED)
        self._tell_queue()
        return job, True

    def rename(self, job: Job, name: str) -> None:
        """Calls a search otherwise."""
        with self._lock:
            job.name = name
            self._keep(job)

    def stop(self, job: Job, *, at_once: bool = False) -> None:
        """Asks a search to end with the best so far; a second time, or `at_once`, without waiting for that.

        Raises:
            ConflictError: it has ended, or was asked to already.
        """
        with self._lock:
            state = self.state(job)
            if state == jobs.QUEUED:
                job.want, job.ended = "stop", jobs.now()
                job.state = jobs.STOPPED if self.place(job).has_begun else jobs.CANCELLED
                self._keep(job)
                self._set(job, job.state)
            elif state not in jobs.ALIVE or (state == jobs.STOPPING and not at_once):
                raise ConflictError(f"The search is {state}.")
            else:
                job.want, job.stop_asked = ("kill" if at_once else "stop"), jobs.now()
                self._keep(job)
                self._set(job, jobs.STOPPING)
                launching.ask_to_stop(self.place(job).run)
        self._tell_queue()

    def resume(self, job: Job, further: dict[str, Any]) -> None:
        """Puts a search that has ended into the queue again.

        Raises:
            ConflictError: it has not ended, or has finished and no more time or candidates are given.
            QueueFullError: as for `add`.
        """
        with self._lock:
            state = self.state(job)
            if state not in jobs.ENDED:
                raise ConflictError(f"The search is {state}.")
            if state == jobs.FINISHED and not further:
                raise ConflictError("The search has finished. Give it more time or more candidates.")
            waiting = sum(self.state(other) == jobs.QUEUED for other in self._jobs.values() if other.owner == job.owner)
            if waiting >= MOST_QUEUED:
                raise QueueFullError(f"{MOST_QUEUED} searches of yours wait already. Let some of them end.")
            if not self.place(job).has_begun and further:
                job.settings, further = {**job.settings, **further}, {}
            self._enqueue(job, further, position=jobs.now())
            job.losses = 0
            self._keep(job)
        self._tell_queue()

    def remove(self, job: Job) -> int:
        """Removes a search and all its files, and returns how many bytes that frees.

        Raises:
            ConflictError: it is at work.
        """
        with self._lock:
            if (state := self.state(job)) in jobs.ALIVE:
                raise ConflictError(f"The search is {state}. Stop it first.")
            folder = self._root.search(job.id)
            freed = num_bytes(folder)
            shutil.rmtree(folder)
            del self._jobs[job.id], self._states[job.id]
            self._watched.pop(job.id, None)
        self._hub.publish(Event("gone", job.id, job.owner, {"id": job.id}))
        self._tell_queue()
        return freed

    def status(self, job: Job) -> Status | None:
        """Returns how a search that has begun is doing; `None` where that cannot be read."""
        return self._watching(job).status()

    def outcome(self, job: Job) -> Outcome | None:
        """Returns what a search has found; `None` where it has ended with nothing, or not ended."""
        return self._watching(job).outcome()

    def candidates(self, job: Job) -> Sequence[Candidate]:
        """Returns the candidates that have ended, the oldest first, in a few numbers each."""
        return self._watching(job).candidates()

    def records(self, job: Job, start: int, stop: int) -> list[TrialRecord]:
        """Returns some of the candidates, by their places among all, as they stand in the run folder."""
        return self._watching(job).records(start, stop)

    def num_candidates(self, job: Job) -> int:
        """Returns how many candidates have ended."""
        return len(self.candidates(job))

    def candidates_after(self, job: Job, number: int) -> list[Event]:
        """Returns the candidates from a number on, as events."""
        watched = self._watching(job)
        found = watched.records(number, len(watched.candidates()))
        return [_candidate(job, record, place) for place, record in enumerate(found, start=number + 1)]

    def tick(self) -> None:
        """Looks after all searches once: those that have ended, those to be stopped, those that may begin."""
        with self._lock:
            alive = [job for job in self._jobs.values() if self._states[job.id] in (*jobs.ALIVE, jobs.LOST)]
        for job in alive:
            self._look_after(job)
        if not self.is_paused:
            for job in self.queued()[: max(0, self._parallel - self.num_alive())]:
                self._begin(job)

    def stop_all(self) -> None:
        """Asks all searches at work to stop."""
        with self._lock:
            for job in self._jobs.values():
                if self.state(job) in (jobs.STARTING, jobs.RUNNING):
                    with contextlib.suppress(ConflictError):
                        self.stop(job)

    def _look_after(self, job: Job) -> None:
        place = self.place(job)
        if (child := self._children.get(job.id)) is not None:
            child.poll()
        with self._lock:
            if not launching.is_alive(place.lock):
                self._end(job, place)
                return
            self._set(job, jobs.current_state(job, place))
            if job.want == "stop" and jobs.now() - (job.stop_asked or 0) > _KILL_SECONDS:
                job.want = "kill"
                self._keep(job)
            want = job.want
        if want == "stop":
            # It may not have been far enough before.
            if not (place.run / layout.STOP).exists():
                launching.ask_to_stop(place.run)
        elif want == "kill":
            launching.kill(place.lock)
        self._watching(job).tell(self._hub)

    def _end(self, job: Job, place: Place) -> None:
        """Finds out how a session has ended."""
        child = self._children.pop(job.id, None)
        exit_code = None if child is None else child.wait()
        self._watching(job).tell(self._hub)
        state, words = jobs.verdict(job, place, exit_code)
        job.ended, job.words = jobs.now(), words
        if state == jobs.LOST:
            job.losses += 1
            if job.losses < jobs.MOST_LOSSES and not _is_refused(exit_code):
                # It keeps its place: what came after it waits on.
                self._enqueue(job, job.further, position=job.position)
                self._keep(job)
                return
            state, job.words = jobs.FAILED, f"The search ended {job.losses} times in a row without a word."
        else:
            job.losses = 0
        job.state, job.further = state, {}
        self._keep(job)
        self._set(job, state)

    def _begin(self, job: Job) -> None:
        place = self.place(job)
        with self._lock:
            try:
                source = self._source(job)
                if place.run.exists() and not place.has_begun:
                    # A session that was killed before it had written down what it was to do.
                    shutil.rmtree(place.run)
                arguments = jobs.command(job, place, source, weights=self._weights)
                job.started, job.ended, job.words = jobs.now(), None, ""
                self._keep(job)
                child = launching.start(arguments, folder=place.folder, lock=place.lock, log=place.log)
            except (KevoError, OSError) as error:
                job.state, job.words, job.ended = jobs.FAILED, str(error), jobs.now()
                self._keep(job)
                self._set(job, jobs.FAILED)
                return
            self._children[job.id] = child
            self._set(job, jobs.STARTING)
        self._tell_queue()

    def _enqueue(self, job: Job, further: dict[str, Any], *, position: float) -> None:
        job.want, job.further, job.state = "run", further, jobs.QUEUED
        job.started = job.ended = job.stop_asked = None
        job.position = position
        self._set(job, jobs.QUEUED)

    def _keep(self, job: Job) -> None:
        job.write(self._root.search(job.id))

    def _set(self, job: Job, state: str) -> None:
        if self._states.get(job.id) != state:
            self._states[job.id] = state
            data = {"id": job.id, "state": state, "words": job.words}
            self._hub.publish(Event("state", job.id, job.owner, data, self._watching(job).number))

    def _tell_queue(self) -> None:
        for place, job in enumerate(self.queued(), start=1):
            self._hub.publish(Event("queue", job.id, job.owner, {"id": job.id, "position": place}))

    def _watching(self, job: Job) -> _Watched:
        with self._lock:
            watched = self._watched.pop(job.id, None) or _Watched(job, self.place(job).run)
            # The last one is the one that was asked for last. Those at work are told about: they stay.
            self._watched[job.id] = watched
            if len(self._watched) > _MOST_WATCHED:
                ended = (name for name in self._watched if self._states.get(name) not in jobs.ALIVE)
                if (oldest := next(ended, job.id)) != job.id:
                    del self._watched[oldest]
            return watched


class _Watched:
    """Reads a run folder again only where it has changed, and tells what is new in it.

    Args:
        job: The search.
        run: Its run folder.
    """

    def __init__(self, job: Job, run: Path) -> None:
        self._job = job
        self._run = run
        self._lock = threading.Lock()
        self._offset = 0
        self._candidates: list[Candidate] = []
        self._outcome: tuple[float, Outcome | None] = (-1.0, None)
        self._settings = -1.0
        self._reader: StatusReader | None = None
        self._status: tuple[tuple[float, ...], Status | None] = ((), None)
        self._told = -1
        self._told_trainings: object = None
        self._num_notes = 0

    @property
    def number(self) -> int:
        """How many candidates were known at last."""
        return len(self._candidates)

    def status(self) -> Status | None:
        changed = tuple(_changed(self._run / name) for name in (layout.STATUS, layout.TRIALS, layout.RESULT))
        settings = _changed(self._run / layout.SETTINGS)
        with self._lock:
            if self._settings != settings:
                # A search that goes on has other limits.
                self._settings, self._reader, self._status = settings, None, ((), None)
            known = self._status[1]
            # While it runs, time goes on too.
            if self._status[0] != changed or (known is not None and known.state == "running"):
                try:
                    self._reader = self._reader or StatusReader(self._run)
                    known = self._reader.read()
                except KevoError:
                    known = None
                if known is None or known.state != "running":
                    # It has read all candidates, and of one that has ended it reads no more.
                    self._reader = None
                self._status = changed, known
            return known

    def outcome(self) -> Outcome | None:
        changed = _changed(self._run / layout.RESULT)
        with self._lock:
            if self._outcome[0] != changed:
                try:
                    self._outcome = changed, reader.read_outcome(Run.open(self._run))
                except KevoError:
                    self._outcome = changed, None
            return self._outcome[1]

    def candidates(self) -> Sequence[Candidate]:
        """Returns the candidates, of which only those are read that were added since."""
        path = self._run / layout.TRIALS
        with self._lock:
            try:
                size = path.stat().st_size
            except OSError:
                return ()
            if size < self._offset:
                # A resumed search has set damaged lines aside.
                self._offset, self._candidates = 0, []
            if size > self._offset:
                with path.open("rb") as file:
                    file.seek(self._offset)
                    for line in file:
                        if not line.endswith(b"\n"):
                            # It is being written.
                            break
                        with contextlib.suppress(*DAMAGE):
                            self._candidates.append(
                                _in_brief(TrialRecord.from_json(loads(line)), self._offset, len(line))
                            )
                        self._offset += len(line)
            return tuple(self._candidates)

    def records(self, start: int, stop: int) -> list[TrialRecord]:
        """Returns some of the candidates as they stand in the run folder."""
        found: list[TrialRecord] = []
        wanted = self.candidates()[max(0, start) : stop]
        with contextlib.suppress(OSError), (self._run / layout.TRIALS).open("rb") as file:
            for one in wanted:
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
            hub.publish(_candidate(job, record, place))
        self._told = number
        found = self.status()
        if found is None:
            return
        values = found.to_json()
        if (at := (values["trainings"], found.phase)) != self._told_trainings:
            self._told_trainings = at
            names = ("phase", "phase_words", "trainings", "seconds", "seconds_left", "best")
            told = {"id": job.id, **{name: values[name] for name in names}}
            hub.publish(Event("training", job.id, job.owner, told, number))
        if len(found.notes) != self._num_notes:
            for text in found.notes[self._num_notes :]:
                hub.publish(Event("note", job.id, job.owner, {"id": job.id, "text": text}, number))
            self._num_notes = len(found.notes)


def candidate_json(record: TrialRecord) -> dict[str, Any]:
    """Returns what is told of a candidate, without the history of its training."""
    values = record.to_json()
    del values["history"], values["stages"]
    return values


def _in_brief(record: TrialRecord, offset: int, length: int) -> Candidate:
    # There may be tens of thousands, with the same names of metrics.
    metrics = {sys.intern(name): value for name, value in record.metrics.items()}
    return Candidate(offset, length, record.number, record.finished_at, None if record.fitness is None else metrics)


def _candidate(job: Job, record: TrialRecord, place: int) -> Event:
    return Event("candidate", job.id, job.owner, {"id": job.id, **candidate_json(record)}, place)


def _is_refused(exit_code: int | None) -> bool:
    """Whether a process says itself that another try would be the same."""
    return exit_code is not None and exit_code > 0


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return -1.0
