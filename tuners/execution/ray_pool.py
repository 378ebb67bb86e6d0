"""An executor on a Ray cluster: one actor for each worker, on any machine of it.

The scheduler decides what is repeated, so Ray repeats nothing. A worker, or its machine, that is lost costs one trial
at most, from its last checkpoint on. Files travel through Ray; no disk need be shared.

Sources: Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications", OSDI 2018, arXiv:1712.05889.
"""

from __future__ import annotations

import contextlib
import itertools
import pkgutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import exceptions
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tuners.execution.executor import (
    Broken,
    Cause,
    Event,
    Finished,
    Json,
    Receive,
    WorkerLost,
    WorkerReady,
    from_message,
)
from tuners.execution.node_files import Shared, read_folder, write_folder
from tuners.execution.ray_worker import RayMember, RayWorker, Resources

_GRACE_SECONDS = 10.0
"""How long workers may take to end when the search is over."""
_START_SECONDS = 900.0
"""How long a worker may take until it is ready, once it has a place."""
_MAX_FAILED_STARTS = 3
"""So many workers in a row may end before they are ready."""
_WATCH_SECONDS = 5.0
"""How often the head of the cluster is asked for its machines."""
_HEAD_SECONDS = 30.0
"""How long the head may say nothing. After 60 seconds Ray ends this process without a word."""
_MAX_WAITING = 16
"""So many workers may wait for a place at a time."""
_RECYCLED_AT = 0.5
"""The part of its share of memory that a worker may hold between two trials."""


@dataclass(slots=True)
class _Worker:
    name: str
    actor: Any
    stream: Any
    members: Sequence[Any] = ()
    """The actors that train along."""
    group: Any = None
    """The places of all of them."""
    placed_at: float | None = None
    """When it has told that it has a machine."""
    num_trials: int = 0
    is_ready: bool = False
    """Whether it has ever been ready."""
    is_fetched: bool = False
    end_reason: str | None = None
    """Why it ends, in its own words."""

    def send(self, message: Json, files: Mapping[str, bytes] | None = None) -> None:
        # One that is gone is noticed elsewhere.
        self.actor.obey.remote(dict(message), dict(files or {}))


class _Watch:
    """Asks the head for the machines of the cluster again and again, in a thread."""

    def __init__(self) -> None:
        self.nodes: list[Mapping[str, Any]] = ray.nodes()
        self.answered_at = time.monotonic()
        self._is_over = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def is_lost(self) -> bool:
        """Whether the head has said nothing for too long."""
        return time.monotonic() - self.answered_at > _HEAD_SECONDS

    def close(self) -> None:
        """Ends the thread at its next look."""
        self._is_over.set()

    def _run(self) -> None:
        while not self._is_over.wait(_WATCH_SECONDS):
            with contextlib.suppress(Exception):
                self.nodes = ray.nodes()
                self.answered_at = time.monotonic()


class RayPool:
    """Runs trials on the cluster that this process is connected to; see `ray_cluster.connected`.

    The workers end with this process however that ends.

    Args:
        job: What makes the work of each worker: `module:function`, see `executor.Job`.
        arguments: Its arguments by name, as JSON values; each worker adds `folder`.
        folder: Where files from workers lie until they are received.
        resources: What each trial gets.
        num_workers: How many workers there are to be; those without a place wait for one. `None` for as many as fit,
            also when machines join or leave.
        shared: Files and folders that strings in `arguments` name. Where a path leads to other files on a worker's
            machine, the files are sent and the argument is changed.
        environment: What is added to the environment of each worker.
        versions: What returns the versions that all must share: `module:function`. `None` compares none.
        memory_use: See `RayWorker`.
        num_processes: How many processes run each trial together, on different machines where that is possible; each of
            them gets `resources`. They are placed together or not at all.
        member_job: What those beside the worker do, if there are any; see `RayMember`.
        note: Is told what a user should know.
    """

    def __init__(
        self,
        job: str,
        arguments: Json,
        *,
        folder: Path,
        resources: Resources,
        num_workers: int | None = None,
        shared: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        versions: str | None = None,
        memory_use: str | None = None,
        num_processes: int = 1,
        member_job: str = "",
        note: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._job = job
        self._arguments = dict(arguments)
        self._folder = folder
        self._resources = resources
        self._num_workers = num_workers
        self._paths = shared
        self._environment = environment or {}
        self._versions = versions
        self._memory_use = memory_use
        self._num_processes = num_processes
        self._member_job = member_job
        self._note = note
        self._numbers = itertools.count()
        self._workers: dict[str, _Worker] = {}
        self._untold: list[tuple[str, Event]] = []
        self._num_failed_starts = 0
        self._num_refused = 0
        self._contents: dict[str, dict[str, Any]] = {}

    def open(self) -> None:
        self._shared = tuple(map(Shared.of, self._paths))
        self._watch = _Watch()
        self._fill()

    def begin(self, worker: str, trial: Json, earlier: Path | None) -> None:
        self._workers[worker].num_trials += 1
        is_folder = earlier is not None and earlier.is_dir()
        files = {} if earlier is None else read_folder(earlier) if is_folder else {earlier.name: earlier.read_bytes()}
        self._workers[worker].send({"do": "begin", "trial": dict(trial), "is_folder": is_folder}, files)

    def events(self, receive: Receive, seconds: float) -> None:
        untold, self._untold = self._untold, []
        for name, event in untold:
            receive(name, event)
        if self._watch.is_lost:
            words = f"The head of the cluster has not answered for {_HEAD_SECONDS:.0f} seconds"
            receive("cluster", Broken(words, Cause.CLUSTER))
        self._fill()
        streams = {worker.stream: worker for worker in self._workers.values()}
        if not streams:
            time.sleep(seconds)
            return
        ray.wait(list(streams), num_returns=1, timeout=0.0 if untold else seconds)
        ready, _ = ray.wait(list(streams), num_returns=len(streams), timeout=0)
        for stream in ready:
            if streams[stream].name in self._workers:
                self._listen(streams[stream], receive)
        for worker in list(self._workers.values()):
            if not worker.is_ready and time.monotonic() - (worker.placed_at or time.monotonic()) > _START_SECONDS:
                self._lose(worker, f"it hangs: it was not ready after {_START_SECONDS:.0f} seconds", receive)

    def fetch(self, worker: str) -> None:
        self._workers[worker].is_fetched = True
        self._workers[worker].send({"do": "save"})

    def withdraw(self, worker: str) -> None:
        self._workers[worker].send({"do": "withdraw"})

    def end(self, worker: str, reason: str) -> None:
        self._untold.append((worker, WorkerLost(reason)))
        self._forget(self._workers[worker])

    def close(self) -> None:
        # One that waits for a place would take that of one that ends.
        for worker in [one for one in self._workers.values() if not one.is_ready]:
            self._forget(worker)
        workers = list(self._workers.values())
        try:
            if not self._watch.is_lost:
                for worker in workers:
                    worker.send({"do": "end"})
                self._await_ends(workers)
        finally:
            # A Ctrl-C meanwhile waits for nothing.
            for worker in workers:
                self._forget(worker)
            self._contents.clear()
            self._watch.close()

    def _await_ends(self, workers: Sequence[_Worker]) -> None:
        until = time.monotonic() + _GRACE_SECONDS
        streams = [worker.stream for worker in workers]
        while streams and (left := until - time.monotonic()) > 0:
            ready, _ = ray.wait(streams, num_returns=1, timeout=left)
            for stream in ready:
                try:
                    next(stream)
                except StopIteration:
                    streams.remove(stream)

    def _fill(self) -> None:
        """Starts workers that are missing, and takes back some that wait for a place where none is left."""
        num = self._num_workers
        if num is None:
            nodes = [node["Resources"] for node in self._watch.nodes if node["Alive"]]
            # One that waits for a place is how a cluster that grows by itself hears of it.
            num = max(1, sum(map(self._resources.num_trials, nodes)) // self._num_processes)
        num -= self._num_refused
        waiting = [one for one in self._workers.values() if one.placed_at is None]
        for _ in range(min(num - len(self._workers), _MAX_WAITING - len(waiting))):
            self._start()
        for worker in waiting[: max(0, len(self._workers) - num)]:
            self._forget(worker)

    def _start(self) -> None:
        name = f"worker-{next(self._numbers)}"
        options = {
            "num_cpus": self._resources.cpus,
            "num_gpus": self._resources.gpus,
            "max_restarts": 0,
            "max_task_retries": 0,
        }
        common = {
            "arguments": self._arguments,
            "shared": self._shared,
            "environment": dict(self._environment),
            "versions": self._versions,
        }
        group, members, places = None, [], [dict[str, Any]()] * self._num_processes
        if self._num_processes > 1:
            bundle = {"CPU": self._resources.cpus, "GPU": self._resources.gpus}
            group = placement_group([bundle] * self._num_processes, strategy="SPREAD")
            places = [
                {"scheduling_strategy": PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=index)}
                for index in range(self._num_processes)
            ]
            member = ray.remote(RayMember)
            members = [
                member.options(**options, **place).remote(job=self._member_job, **common) for place in places[1:]
            ]
        actor = (
            ray.remote(RayWorker)
            # One thread for the stream of messages, one for orders.
            .options(**options, **places[0], max_concurrency=2)
            .remote(
                job=self._job,
                memory_use=self._memory_use,
                resources=self._resources,
                members=members,
                **common,
            )
        )
        stream = actor.messages.options(num_returns="streaming").remote()
        self._workers[name] = _Worker(name, actor, stream, members, group)

    def _listen(self, worker: _Worker, receive: Receive) -> None:
        """Takes the next message of a worker."""
        try:
            message, files = ray.get([next(worker.stream)])[0]
        except StopIteration:
            self._lose(worker, worker.end_reason or "its worker has ended", receive)
        except (exceptions.ActorUnschedulableError, exceptions.RuntimeEnvSetupError) as error:
            receive(worker.name, Broken(f"Workers cannot be started. {_first_line(error)}", Cause.START))
        except exceptions.RayError as error:
            reason, is_its_fault = describe_loss(error)
            self._lose(worker, worker.end_reason or reason, receive, is_its_fault=is_its_fault)
        else:
            if "hello" in message:
                self._greet(worker, message["hello"], receive)
            elif "missing" in message:
                self._send_files(worker, message["missing"])
            else:
                self._tell(worker, message, files, receive)

    def _tell(self, worker: _Worker, message: dict[str, Any], files: Mapping[str, bytes], receive: Receive) -> None:
        memory_use = message.pop("memory_use", 0.0)
        if message["event"] in ("Checkpoint", "Saved"):
            message["folder"] = str(write_folder(self._folder, files))
        match event := from_message(message):
            case WorkerReady():
                worker.is_ready = True
                self._num_failed_starts = 0
                if worker.num_trials and memory_use > _RECYCLED_AT:
                    # It has no trial that could be lost.
                    self._forget(worker)
                else:
                    receive(worker.name, event)
            case Finished():
                worker.is_fetched = False
                receive(worker.name, event)
                if not worker.is_fetched:
                    worker.send({"do": "discard"})
            case WorkerLost():
                worker.end_reason = event.reason
            case _:
                receive(worker.name, event)

    def _greet(self, worker: _Worker, hello: Mapping[str, Any], receive: Receive) -> None:
        """Refuses a worker whose machine has other versions."""
        worker.placed_at = time.monotonic()
        mine = dict(pkgutil.resolve_name(self._versions)()) if self._versions else {}
        others = {name: hello["versions"].get(name, "missing") for name in mine}
        if different := [name for name in mine if mine[name] != others[name]]:
            reason = ", ".join(f"{name} {others[name]} instead of {mine[name]}" for name in different)
            words = f"The machine {hello['node']} has {reason}. Install the same versions there."
            self._forget(worker)
            # Its place would be given to the same machine.
            self._num_refused += 1
            if self._workers:
                self._note(words)
            else:
                receive(worker.name, Broken(f"Workers cannot be started. {words}", Cause.START))

    def _send_files(self, worker: _Worker, path: str) -> None:
        if path not in self._contents:
            (shared,) = (one for one in self._shared if one.path == path)
            self._contents[path] = {name: ray.put(content) for name, content in shared.read().items()}
        for name, content in self._contents[path].items():
            worker.actor.accept.remote(name, content)

    def _lose(self, worker: _Worker, reason: str, receive: Receive, *, is_its_fault: bool = True) -> None:
        if not worker.is_ready and is_its_fault:
            self._num_failed_starts += 1
            if self._num_failed_starts >= _MAX_FAILED_STARTS:
                words = f"Workers cannot be started. The last one: {reason}"
                receive(worker.name, Broken(words, Cause.START))
        receive(worker.name, WorkerLost(reason, is_its_fault=is_its_fault))
        self._forget(worker)

    def _forget(self, worker: _Worker) -> None:
        """Ends a worker; `_fill` starts another one."""
        del self._workers[worker.name]
        if not self._watch.is_lost:
            for actor in (worker.actor, *worker.members):
                ray.kill(actor)
            if worker.group is not None:
                remove_placement_group(worker.group)


def describe_loss(error: exceptions.RayError) -> tuple[str, bool]:
    """Returns why a worker was lost, in words, and whether its trial may have been the cause.

    Args:
        error: What Ray raised where a message of it was expected.
    """
    match error:
        case exceptions.OutOfMemoryError():
            return "its worker was ended for want of memory on its machine", True
        case exceptions.NodeDiedError():
            return "its machine is gone", False
        case exceptions.ActorDiedError():
            if error.preempted or "its node has died" in str(error):
                return "its machine is gone", False
            return "its worker was killed or has crashed, perhaps for want of memory", True
        case exceptions.ActorUnavailableError():
            return "its worker cannot be reached", False
        case exceptions.RayTaskError():
            return f"its worker ended with {_first_line(error.cause)}", True
        case _:
            return f"what it sent was lost: {_first_line(error)}", False


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def nodes() -> Iterator[Mapping[str, float]]:
    """Yields the resources of each machine of the cluster, by their names."""
    for node in ray.nodes():
        if node["Alive"]:
            yield node["Resources"]
