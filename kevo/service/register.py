"""What a server knows of its searches: which there are, how each is doing, and in which order they wait.

The truth about a search lies in its folder, its lock and its run folder. `job.json` says what is wanted, and how its
last session ended. So a server that is killed loses nothing: the next one finds the searches where they are.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from kevo.errors import RunError
from kevo.objective import Objective
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.runs.status import Status
from kevo.service import jobs, summaries
from kevo.service.candidates import CandidateOrder, Candidates, Ending
from kevo.service.events import Event, Hub
from kevo.service.jobs import Job, Place
from kevo.service.root import Root
from kevo.service.sorting import SearchOrder, sorted_searches
from kevo.service.tokens import User
from kevo.service.upgrade import RESTART
from kevo.service.watching import Watched, candidate_event

_FIRST = 20
"""So many searches are read when a server begins."""
MOST_WATCHED = 64
"""Of so many searches is kept in memory what was read of them last."""


class Register:
    """The searches of a server.

    Args:
        root: The server's folder.
        hub: Is told what happens.
    """

    def __init__(self, root: Root, hub: Hub) -> None:
        self.root = root
        self.hub = hub
        self.lock = threading.RLock()
        self.known: dict[str, Job] = {}
        self._states: dict[str, str] = {}
        self._watched: dict[str, Watched] = {}
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
            self.known[job.id] = job
            self._states[job.id] = jobs.current_state(job, self.place(job))

    def place(self, job: Job) -> Place:
        """Returns where the files of a search lie."""
        return Place(self.root.search(job.id), Path(job.run) if job.run else None)

    def get(self, name: str, user: User) -> Job | None:
        """Returns one of the searches that are there for somebody."""
        job = self.known.get(name)
        return job if job is not None and user.may_see(job.owner) else None

    def all_of(self, user: User, *, words: str = "", order: SearchOrder = "-created") -> list[Job]:
        """Returns the searches that are there for somebody.

        Args:
            user: Who asks.
            words: What the name of the search, or of its data, has to hold.
            order: Which come first.
        """
        sought = words.casefold()
        with self.lock:
            found = [
                job
                for job in self.known.values()
                if user.may_see(job.owner) and (sought in job.name.casefold() or sought in job.data_name.casefold())
            ]
        return sorted_searches(found, order, state=self.state)

    def state(self, job: Job) -> str:
        """Returns the state of a search."""
        return self._states.get(job.id, job.state)

    def queued(self) -> list[Job]:
        """Returns the searches that wait, in their order: users take turns, and within one who came first."""
        with self.lock:
            waiting = sorted(
                (job for job in self.known.values() if self.state(job) == jobs.QUEUED), key=lambda job: job.position
            )
            turns = dict.fromkeys((job.owner for job in self.known.values()), 0)
            for job in self.known.values():
                turns[job.owner] += self.state(job) in jobs.ALIVE
        ordered: list[Job] = []
        while waiting:
            following = min(waiting, key=lambda job: (turns[job.owner], job.position))
            turns[following.owner] += 1
            waiting.remove(following)
            ordered.append(following)
        return ordered

    def waiting_of(self, owner: str) -> list[Job]:
        """Returns the searches of one owner that wait, in their order."""
        return [job for job in self.queued() if job.owner == owner]

    def states(self) -> list[str]:
        """Returns the states of all searches."""
        with self.lock:
            return list(self._states.values())

    def num_alive(self) -> int:
        """Returns how many searches of the server's are at work."""
        with self.lock:
            return sum(
                self._states[job.id] in jobs.ALIVE for job in self.known.values() if not job.run or job.is_in_session
            )

    def needing(self, data: str) -> list[Job]:
        """Returns the searches that need some data: those that have not ended, or that could go on."""
        with self.lock:
            return [job for job in self.known.values() if job.data == data]

    def status(self, job: Job) -> Status | None:
        """Returns how a search that has begun is doing; `None` where that cannot be read."""
        return self.watching(job).status()

    def outcome(self, job: Job) -> Outcome | None:
        """Returns what a search has found; `None` where it has ended with nothing, or not ended."""
        return self.watching(job).outcome()

    def candidates(self, job: Job) -> Candidates:
        """Returns the candidates that have ended, in a few numbers each."""
        return self.watching(job).candidates()

    def records(
        self,
        job: Job,
        start: int,
        stop: int,
        *,
        order: CandidateOrder = "ended",
        objective: Objective | None = None,
        status: Ending | None = None,
    ) -> list[TrialRecord]:
        """Returns some of the candidates as they stand in the run folder; see `Watched.records`."""
        return self.watching(job).records(start, stop, order=order, objective=objective, status=status)

    def num_candidates(self, job: Job, *, status: Ending | None = None) -> int:
        """Returns how many candidates have ended; with a status, how many have ended so."""
        return len(self.candidates(job).places(status=status))

    def candidates_after(self, job: Job, number: int) -> list[Event]:
        """Returns the candidates from a number on, as events."""
        watched = self.watching(job)
        found = watched.records(number, len(watched.candidates()))
        return [candidate_event(job, record, place) for place, record in enumerate(found, start=number + 1)]

    def read_ahead(self) -> None:
        """Reads what a first page shows, and long searches without a summary, before anybody waits for that."""
        with self.lock:
            known = sorted(self.known.values(), key=lambda job: job.created, reverse=True)
        for number, job in enumerate(known):
            place = self.place(job)
            if number < _FIRST or summaries.is_missing(place.summary, place.run):
                watched = self.watching(job)
                watched.status()
                watched.outcome()

    def enqueue(self, job: Job, further: dict[str, Any], *, position: float) -> None:
        """Puts a search into the queue again.

        Args:
            job: The search.
            further: The limits of its next session; empty for those that it has.
            position: Its place; lower comes first.
        """
        job.want, job.further, job.state = "run", further, jobs.QUEUED
        job.started = job.ended = job.stop_asked = None
        job.position = position
        self.set_state(job, jobs.QUEUED)

    def keep(self, job: Job) -> None:
        """Writes down what is wanted of a search."""
        job.write(self.root.search(job.id))

    def set_state(self, job: Job, state: str) -> None:
        """Notes in which state a search is, and tells of it where that is another one."""
        if self._states.get(job.id) != state:
            self._states[job.id] = state
            if not job.run or job.is_in_session:
                jobs.note_state(self.place(job).log, state)
            data = {"id": job.id, "state": state, "words": job.words}
            self.hub.publish(Event("state", job.id, job.owner, data, self.watching(job).number))

    def tell_queue(self) -> None:
        """Tells of the places in the queue."""
        for place, job in enumerate(self.queued(), start=1):
            self.hub.publish(Event("queue", job.id, job.owner, {"id": job.id, "position": place}))

    def forget(self, job: Job) -> None:
        """Leaves out a search whose files are gone."""
        with self.lock:
            del self.known[job.id], self._states[job.id]
            self._watched.pop(job.id, None)
        self.hub.publish(Event("gone", job.id, job.owner, {"id": job.id}))

    def watching(self, job: Job) -> Watched:
        """Returns what reads the run folder of a search."""
        with self.lock:
            watched = self._watched.pop(job.id, None) or Watched(job, self.place(job))
            # The last one is the one that was asked for last. Those at work are told about: they stay.
            self._watched[job.id] = watched
            if len(self._watched) > MOST_WATCHED:
                ended = (name for name in self._watched if self._states.get(name) not in jobs.ALIVE)
                if (oldest := next(ended, job.id)) != job.id:
                    del self._watched[oldest]
            return watched
