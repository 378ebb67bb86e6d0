"""All searches of a server: the queue, and what becomes of each.

The truth about a search lies in its folder, its lock and its run folder. `job.json` says what is wanted, and how its
last session ended. So a server that is killed loses nothing: the next one finds the searches where they are.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kevo.errors import KevoError, RunError
from kevo.objective import Objective
from kevo.runs import layout
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.runs.status import Status
from kevo.service import foreign, jobs, launching, summaries
from kevo.service.errors import ConflictError, QueueFullError
from kevo.service.events import Event, Hub
from kevo.service.jobs import Job, Place
from kevo.service.root import Root, new_id, num_bytes
from kevo.service.summaries import Candidate
from kevo.service.tokens import User
from kevo.service.upgrade import RESTART, Installed
from kevo.service.watching import Watched, candidate_event

_SILENCE_SECONDS = 600.0
"""A search that was asked to stop, and tells nothing for so long, is killed. With many examples, or on a busy machine,
the last steps to a model take minutes each; whoever cannot wait ends it at once."""
MOST_QUEUED = 20
"""So many searches of one user may wait."""
_FIRST = 20
"""So many searches are read when a server begins."""
_FIND_SECONDS = 5.0
_MOST_WATCHED = 64
"""Of so many searches is kept in memory what was read of them last."""


class Searches:
    """The searches of a server, and the queue in which they wait.

    Args:
        root: The server's folder.
        hub: Is told what happens.
        source: Returns where the data of a search lies; raises an error where it is gone.
        parallel: So many searches are at work at a time.
        weights: Where the pretrained weights of all searches come from, as in `kevo.Settings`.
        runs: Folders with run folders that the command made, which are shown too.
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
        runs: Sequence[Path] = (),
        is_paused: bool = False,
    ) -> None:
        self._root = root
        self._hub = hub
        self._source = source
        self._parallel = parallel
        self._weights = weights
        self._runs = runs
        self.is_paused = is_paused
        self.installed = Installed()
        self._jobs: dict[str, Job] = {}
        self._states: dict[str, str] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._watched: dict[str, Watched] = {}
        self._looked: dict[str, tuple[Any, ...]] = {}
        self._searched_at = -_FIND_SECONDS
        self._lock = threading.RLock()
        for folder in root.searches.iterdir():
            try:
                job = Job.read(folder)
            except RunError:
                # It was not whole when a server ended, or somebody damaged it: it is left for a person to look at.
                continue
            if job.words == RESTART:
                # The server before could not read how it ended.
                job.state, job.words = jobs.verdict(job, self.place(job), None)
                job.write(folder)
            self._jobs[job.id] = job
            self._states[job.id] = jobs.current_state(job, self.place(job))
        self._look_at_foreign()

    def place(self, job: Job) -> Place:
        """Returns where the files of a search lie."""
        return Place(self._root.search(job.id), Path(job.run) if job.run else None)

    def get(self, name: str, user: User) -> Job | None:
        """Returns one of the searches that are there for somebody."""
        job = self._jobs.get(name)
        return job if job is not None and user.may_see(job.owner) else None

    def all_of(self, user: User, *, words: str = "") -> list[Job]:
        """Returns the searches that are there for somebody, the newest first.

        Args:
            user: Who asks.
            words: What the name of the search, or of its data, has to hold.
        """
        sought = words.casefold()
        with self._lock:
            found = [
                job
                for job in self._jobs.values()
                if user.may_see(job.owner) and (sought in job.name.casefold() or sought in job.data_name.casefold())
            ]
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
        """Returns how many searches of the server's are at work."""
        with self._lock:
            return sum(
                self._states[job.id] in jobs.ALIVE for job in self._jobs.values() if not job.run or job.is_in_session
            )

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
        """Calls a search otherwise.

        Raises:
            ConflictError: its name is that of a folder of somebody's.
        """
        with self._lock:
            if job.run:
                raise ConflictError("The command made this search. It is called as its folder is.")
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
            elif job.run and not job.is_in_session:
                if at_once:
                    raise ConflictError("The command began this search. Where that runs, Ctrl-C ends it at once.")
                launching.ask_to_stop(self.place(job).run)
                self._set(job, jobs.STOPPING)
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
            ConflictError: it is at work, or lies in a folder of somebody's.
        """
        with self._lock:
            if job.run:
                raise ConflictError("The command made this search. Remove its folder where it lies.")
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

    def records(self, job: Job, start: int, stop: int, *, objective: Objective | None = None) -> list[TrialRecord]:
        """Returns some of the candidates as they stand in the run folder; see `Watched.records`."""
        return self._watching(job).records(start, stop, objective=objective)

    def num_candidates(self, job: Job) -> int:
        """Returns how many candidates have ended."""
        return len(self.candidates(job))

    def candidates_after(self, job: Job, number: int) -> list[Event]:
        """Returns the candidates from a number on, as events."""
        watched = self._watching(job)
        found = watched.records(number, len(watched.candidates()))
        return [candidate_event(job, record, place) for place, record in enumerate(found, start=number + 1)]

    def read_ahead(self) -> None:
        """Reads what a first page shows, and long searches without a summary, before anybody waits for that."""
        with self._lock:
            known = sorted(self._jobs.values(), key=lambda job: job.created, reverse=True)
        for number, job in enumerate(known):
            place = self.place(job)
            if number < _FIRST or summaries.is_missing(place.summary, place.run):
                watched = self._watching(job)
                watched.status()
                watched.outcome()

    def tick(self) -> None:
        """Looks after all searches once: those that have ended, those to be stopped, those that may begin."""
        self._look_at_foreign()
        with self._lock:
            alive = [
                job
                for job in self._jobs.values()
                if self._states[job.id] in (*jobs.ALIVE, jobs.LOST) and (not job.run or job.is_in_session)
            ]
        for job in alive:
            self._look_after(job)
        if not self.is_paused:
            for job in self.queued()[: max(0, self._parallel - self.num_alive())]:
                self._begin(job)

    def stop_all(self) -> None:
        """Asks all searches at work to stop."""
        with self._lock:
            for job in self._jobs.values():
                if self.state(job) in (jobs.STARTING, jobs.RUNNING) and (not job.run or job.is_in_session):
                    with contextlib.suppress(ConflictError):
                        self.stop(job)

    def _look_at_foreign(self) -> None:
        """Looks for run folders that the command made, and how those are that it is at work in."""
        now = time.monotonic()
        if self._runs and now - self._searched_at >= _FIND_SECONDS:
            self._searched_at = now
            for job in foreign.find(self._runs, self._jobs):
                self._root.search(job.id).mkdir(mode=0o700, exist_ok=True)
                with self._lock:
                    self._jobs[job.id] = job
        with self._lock:
            found = [
                job
                for job in self._jobs.values()
                if job.run and not job.is_in_session and self._states.get(job.id) != jobs.QUEUED
            ]
        for job in found:
            place = self.place(job)
            if (changed := foreign.changed(place)) != self._looked.get(job.id):
                self._looked[job.id] = changed
                state, job.words = foreign.look(job, place)
                self._set(job, state)
            if self._states[job.id] in jobs.ALIVE:
                self._watching(job).tell(self._hub)

    def _look_after(self, job: Job) -> None:
        place = self.place(job)
        if (child := self._children.get(job.id)) is not None:
            child.poll()
        with self._lock:
            if not launching.is_alive(place.lock):
                self._end(job, place)
                return
            self._set(job, jobs.current_state(job, place))
            if job.want == "stop" and _hangs(place, job.stop_asked or 0.0):
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
        unreadable = RESTART if self.installed.has_changed else ""
        state, words = jobs.verdict(job, place, exit_code, unreadable=unreadable)
        job.ended, job.words = jobs.now(), words
        if state == jobs.LOST:
            num = self._watching(job).number
            job.losses = job.losses + 1 if num <= job.num_known else 1
            job.num_known = num
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
                source = "" if job.run else self._source(job)
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

    def _watching(self, job: Job) -> Watched:
        with self._lock:
            watched = self._watched.pop(job.id, None) or Watched(job, self.place(job))
            # The last one is the one that was asked for last. Those at work are told about: they stay.
            self._watched[job.id] = watched
            if len(self._watched) > _MOST_WATCHED:
                ended = (name for name in self._watched if self._states.get(name) not in jobs.ALIVE)
                if (oldest := next(ended, job.id)) != job.id:
                    del self._watched[oldest]
            return watched


def _hangs(place: Place, asked: float) -> bool:
    """Whether a search that was asked to stop does not get there: it tells nothing any more."""
    try:
        heard = (place.run / layout.STATUS).stat().st_mtime
    except OSError:
        heard = 0.0
    return jobs.now() - max(asked, heard) > _SILENCE_SECONDS


def _is_refused(exit_code: int | None) -> bool:
    """Whether a process says itself that another try would be the same."""
    return exit_code is not None and exit_code > 0
