"""Sessions of searches: processes that are begun when it is their turn, looked after, and whose end is found out."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence

from kevo.errors import KevoError
from kevo.runs import layout
from kevo.service import devices, jobs, launching
from kevo.service.jobs import Job, Place
from kevo.service.register import Register
from kevo.service.upgrade import RESTART, Installed

_SILENCE_SECONDS = 600.0
"""A search that was asked to stop, and tells nothing for so long, is killed. With many examples, or on a busy machine,
the last steps to a model take minutes each; whoever cannot wait ends it at once."""


class Sessions:
    """The processes of searches.

    Args:
        register: The searches.
        source: Returns where the data of a search lies; raises an error where it is gone.
        weights: Where the pretrained weights of all searches come from, as in `kevo.Settings`.
        slots: The GPUs of each search at work, as `kevo.service.devices` divides them; none where that is not done.
        cluster: The Ray cluster on which searches train; empty for this machine.
    """

    def __init__(
        self,
        register: Register,
        *,
        source: Callable[[Job], str],
        weights: Mapping[str, str],
        slots: Sequence[str] = (),
        cluster: str = "",
    ) -> None:
        self._register = register
        self._source = source
        self._weights = weights
        self._slots = slots
        self._cluster = cluster
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self.installed = Installed()

    def look_after(self, job: Job) -> None:
        """Looks whether a session has ended, or is to end."""
        place = self._register.place(job)
        if (child := self._children.get(job.id)) is not None:
            child.poll()
        with self._register.lock:
            if not launching.is_alive(place.lock):
                self.end(job, place)
                return
            self._register.set_state(job, jobs.current_state(job, place))
            if job.want == "stop" and _hangs(place, job.stop_asked or 0.0):
                job.want = "kill"
                self._register.keep(job)
            want = job.want
        if want == "stop":
            # It may not have been far enough before.
            if not (place.run / layout.STOP).exists():
                launching.ask_to_stop(place.run)
        elif want == "kill":
            launching.kill(place.lock)
        self._tell(job)

    def end(self, job: Job, place: Place) -> None:
        """Finds out how a session has ended."""
        child = self._children.pop(job.id, None)
        exit_code = None if child is None else child.wait()
        self._tell(job)
        unreadable = RESTART if self.installed.has_changed else ""
        state, words = jobs.verdict(job, place, exit_code, unreadable=unreadable)
        job.end_session(words)
        if state == jobs.LOST:
            num = self._register.watching(job).number
            job.losses = job.losses + 1 if num <= job.num_known else 1
            job.num_known = num
            if job.losses < jobs.MOST_LOSSES and not _is_refused(exit_code):
                # It keeps its place: what came after it waits on.
                self._register.enqueue(job, job.further, position=job.position)
                self._register.keep(job)
                return
            state, job.words = jobs.FAILED, f"The search ended {job.losses} times in a row without a word."
        else:
            job.losses = 0
        job.state, job.further = state, {}
        self._register.keep(job)
        self._register.set_state(job, state)

    def _tell(self, job: Job) -> None:
        """Tells what is new of a search, and notes how good its best candidate is."""
        watching = self._register.watching(job)
        watching.tell(self._register.hub)
        if (status := watching.status()) is not None and (best := status.best) is not None:
            job.best = {"objective": best.objective, "direction": best.direction, "score": best.score}

    def begin(self, job: Job) -> None:
        """Begins a session; one that cannot begin has failed."""
        place = self._register.place(job)
        with self._register.lock:
            try:
                source = "" if job.run else self._source(job)
                if place.run.exists() and not place.has_begun:
                    # A session that was killed before it had written down what it was to do.
                    shutil.rmtree(place.run)
                job.gpus = self._free_slot()
                arguments = jobs.command(
                    job,
                    place,
                    source,
                    weights=self._weights,
                    num_workers=devices.num_workers(job.gpus, len(self._slots)) if job.gpus else None,
                    cluster=self._cluster,
                )
                job.begin_session()
                self._register.keep(job)
                child = launching.start(
                    arguments,
                    folder=place.folder,
                    lock=place.lock,
                    log=place.log,
                    environment={devices.VISIBLE: job.gpus} if job.gpus else {},
                )
            except (KevoError, OSError) as error:
                job.end_session(str(error))
                job.state = jobs.FAILED
                self._register.keep(job)
                self._register.set_state(job, jobs.FAILED)
                return
            self._children[job.id] = child
            self._register.set_state(job, jobs.STARTING)
        self._register.tell_queue()

    def _free_slot(self) -> str:
        """Returns the GPUs that the fewest searches at work have, those of an earlier server included."""
        taken = [one.gpus for one in self._register.known.values() if self._register.state(one) in jobs.ALIVE]
        return min(self._slots, key=taken.count, default="")


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
