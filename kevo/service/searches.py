"""All searches of a server: what their users ask of them, and what becomes of them without being asked."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kevo.service import devices, foreign, jobs, launching
from kevo.service.errors import ConflictError, QueueFullError
from kevo.service.events import Hub
from kevo.service.jobs import Job
from kevo.service.register import Register
from kevo.service.root import Root, new_id, num_bytes
from kevo.service.sessions import Sessions
from kevo.service.upgrade import Installed

MOST_QUEUED = 20
"""So many searches of one user may wait."""
_FIND_SECONDS = 5.0


class Searches(Register):
    """The searches of a server, and the queue in which they wait.

    Args:
        root: The server's folder.
        hub: Is told what happens.
        source: Returns where the data of a search lies; raises an error where it is gone.
        parallel: So many searches are at work at a time.
        weights: Where the pretrained weights of all searches come from, as in `kevo.Settings`.
        gpus: The GPUs of this machine, which searches at work divide; none where they do not.
        cluster: The Ray cluster on which searches train; empty for this machine.
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
        gpus: Sequence[str] = (),
        cluster: str = "",
        runs: Sequence[Path] = (),
        is_paused: bool = False,
    ) -> None:
        super().__init__(root, hub)
        self.sessions = Sessions(
            self, source=source, weights=weights, slots=devices.slots(gpus, parallel), cluster=cluster
        )
        self._parallel = parallel
        self._runs = runs
        self.is_paused = is_paused
        self._looked: dict[str, tuple[Any, ...]] = {}
        self._searched_at = -_FIND_SECONDS
        self._look_at_foreign()

    @property
    def installed(self) -> Installed:
        """The kevo that the server began with."""
        return self.sessions.installed

    def add(
        self,
        *,
        name: str,
        owner: str,
        data: str,
        data_name: str,
        settings: dict[str, Any],
        note: str = "",
        key: str = "",
    ) -> tuple[Job, bool]:
        """Puts a new search into the queue.

        Returns:
            The search, and whether it is new: the same `Idempotency-Key` gives the same search.

        Raises:
            QueueFullError: too many of this user's wait.
        """
        with self.lock:
            mine = [job for job in self.known.values() if job.owner == owner]
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
                note=note,
                position=now,
                created=now,
                key=key,
            )
            folder = self.root.search(job.id)
            folder.mkdir(mode=0o700)
            job.write(folder)
            self.known[job.id] = job
            self.set_state(job, jobs.QUEUED)
        self.tell_queue()
        return job, True

    def change(
        self, job: Job, *, name: str | None = None, note: str | None = None, position: int | None = None
    ) -> None:
        """Changes what a person says of a search: all of it, or nothing.

        Args:
            job: The search.
            name: What it is called from now on; `None` for as before.
            note: What is written down of it; `None` for as before.
            position: Its place among the searches of its owner that wait, from 1; a larger one than there are is the
                last. `None` for as before.

        Raises:
            ConflictError: it does not wait, or its name is that of a folder of somebody's.
        """
        with self.lock:
            if name not in (None, job.name) and job.run:
                raise ConflictError("The command made this search. It is called as its folder is.")
            if position is not None:
                if (state := self.state(job)) != jobs.QUEUED:
                    raise ConflictError(f"The search is {state}. Only one that waits can be moved.")
                self._move(job, position)
            job.name = job.name if name is None else name
            job.note = job.note if note is None else note
            if job.run and not job.is_in_session:
                # How it is doing is told by its folder: a server that reads this must not begin it.
                job.state = self.state(job)
            self.keep(job)
        if position is not None:
            self.tell_queue()

    def _move(self, job: Job, position: int) -> None:
        """Moves a search among those of its owner that wait; others' keep their turns."""
        waiting = self.waiting_of(job.owner)
        places = [one.position for one in waiting]
        for number in range(1, len(places)):
            # Of two that came at the same instant either was first: now one is.
            places[number] = max(places[number], math.nextafter(places[number - 1], math.inf))
        waiting.remove(job)
        waiting.insert(position - 1, job)
        for one, place in zip(waiting, places, strict=True):
            if one.position != place:
                one.position = place
                self.keep(one)

    def stop(self, job: Job, *, at_once: bool = False) -> None:
        """Asks a search to end with the best so far; a second time, or `at_once`, without waiting for that.

        Raises:
            ConflictError: it has ended, or was asked to already.
        """
        with self.lock:
            state = self.state(job)
            if state == jobs.QUEUED:
                job.want, job.ended = "stop", jobs.now()
                job.state = jobs.STOPPED if self.place(job).has_begun else jobs.CANCELLED
                self.keep(job)
                self.set_state(job, job.state)
            elif state not in jobs.ALIVE or (state == jobs.STOPPING and not at_once):
                raise ConflictError(f"The search is {state}.")
            elif job.run and not job.is_in_session:
                if at_once:
                    raise ConflictError("The command began this search. Where that runs, Ctrl-C ends it at once.")
                launching.ask_to_stop(self.place(job).run)
                self.set_state(job, jobs.STOPPING)
            else:
                job.want, job.stop_asked = ("kill" if at_once else "stop"), jobs.now()
                self.keep(job)
                self.set_state(job, jobs.STOPPING)
                launching.ask_to_stop(self.place(job).run)
        self.tell_queue()

    def resume(self, job: Job, further: dict[str, Any]) -> None:
        """Puts a search that has ended into the queue again.

        Raises:
            ConflictError: it has not ended, or has finished and no more time or candidates are given.
            QueueFullError: as for `add`.
        """
        with self.lock:
            state = self.state(job)
            if state not in jobs.ENDED:
                raise ConflictError(f"The search is {state}.")
            if state == jobs.FINISHED and not further:
                raise ConflictError("The search has finished. Give it more time or more candidates.")
            waiting = sum(self.state(other) == jobs.QUEUED for other in self.known.values() if other.owner == job.owner)
            if waiting >= MOST_QUEUED:
                raise QueueFullError(f"{MOST_QUEUED} searches of yours wait already. Let some of them end.")
            if not self.place(job).has_begun and further:
                job.settings, further = {**job.settings, **further}, {}
            self.enqueue(job, further, position=jobs.now())
            job.losses = 0
            self.keep(job)
        self.tell_queue()

    def remove(self, job: Job) -> int:
        """Removes a search and all its files, and returns how many bytes that frees.

        Raises:
            ConflictError: it is at work, or lies in a folder of somebody's.
        """
        with self.lock:
            if job.run:
                raise ConflictError("The command made this search. Remove its folder where it lies.")
            if (state := self.state(job)) in jobs.ALIVE:
                raise ConflictError(f"The search is {state}. Stop it first.")
            folder = self.root.search(job.id)
            freed = num_bytes(folder)
            shutil.rmtree(folder)
            self.forget(job)
        self.tell_queue()
        return freed

    def tick(self) -> None:
        """Looks after all searches once: those that have ended, those to be stopped, those that may begin."""
        self._look_at_foreign()
        with self.lock:
            alive = [
                job
                for job in self.known.values()
                if self._states[job.id] in (*jobs.ALIVE, jobs.LOST) and (not job.run or job.is_in_session)
            ]
        for job in alive:
            self.sessions.look_after(job)
        if not self.is_paused:
            for job in self.queued()[: max(0, self._parallel - self.num_alive())]:
                self.sessions.begin(job)

    def stop_all(self) -> None:
        """Asks all searches at work to stop."""
        with self.lock:
            for job in self.known.values():
                if self.state(job) in (jobs.STARTING, jobs.RUNNING) and (not job.run or job.is_in_session):
                    with contextlib.suppress(ConflictError):
                        self.stop(job)

    def _look_at_foreign(self) -> None:
        """Looks for run folders that the command made, and how those are that it is at work in."""
        now = time.monotonic()
        if self._runs and now - self._searched_at >= _FIND_SECONDS:
            self._searched_at = now
            for job in foreign.find(self._runs, self.known):
                self.root.search(job.id).mkdir(mode=0o700, exist_ok=True)
                with self.lock:
                    self.known[job.id] = job
        with self.lock:
            found = [
                job
                for job in self.known.values()
                if job.run and not job.is_in_session and self._states.get(job.id) != jobs.QUEUED
            ]
        for job in found:
            place = self.place(job)
            if (changed := foreign.changed(place)) != self._looked.get(job.id):
                self._looked[job.id] = changed
                state, job.words = foreign.look(job, place)
                self.set_state(job, state)
            if self._states[job.id] in jobs.ALIVE:
                self.watching(job).tell(self.hub)
