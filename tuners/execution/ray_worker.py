"""The actors of `RayPool`: a worker on some machine of a cluster. It runs trials as other worker processes do.

Its messages stream through one generator as long as it lives, while a thread of its own trains. A trial may be spread
over a worker and some members, on other machines where there are any: each of them does what the worker tells it.
"""

from __future__ import annotations

import dataclasses
import os
import pkgutil
import queue
import shutil
import socket
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuners.execution.executor import Json, UnfitError, WorkerLost, to_message
from tuners.execution.node_files import Bytes, NodeFolder, Shared, fetch, moved, read_folder, write_folder
from tuners.execution.worker import serve

_GATHER_SECONDS = 300.0
"""How long members may take until they are ready, once they have a place."""
_SAY_SECONDS = 60.0
"""How long a member may take to accept a message."""
_WATCH_SECONDS = 1.0
"""How often a worker looks at its memory."""
Files = Mapping[str, bytes]
"""Files that travel with a message, by their names."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What each trial gets.

    Args:
        cpus: Cores.
        gpus: GPUs; a fraction lets several trials share one.
    """

    cpus: float = 1.0
    gpus: float = 0.0

    def num_trials(self, node: Mapping[str, float]) -> int:
        """Returns how many trials fit on a node with these resources at a time.

        Example:
            >>> Resources(cpus=2, gpus=0.5).num_trials({"CPU": 8.0, "GPU": 1.0})
            2
        """
        parts = ((node.get("CPU", 0.0), self.cpus), (node.get("GPU", 0.0), self.gpus))
        return min((int(has / wants + 1e-6) for has, wants in parts if wants), default=0)


class RayWorker:
    """A worker. `messages` is called once and streams; `obey` and `accept` are called meanwhile, in another thread.

    Args:
        job: What makes its work: `module:function`, see `executor.Job`.
        arguments: Its arguments by name, as JSON values, without `folder`.
        shared: Files that paths in the arguments name.
        environment: What is added to its environment.
        versions: What returns the versions of packages here: `module:function`. `None` for no such thing.
        memory_use: What returns how much of its share of the machine's memory this process takes, from 0 to 1 and more,
            told which part of the machine is its share: `module:function`. `None` for no limit.
        resources: What each trial gets of its machine.
        members: Actors of `RayMember` that train along. The job gets lines to them, and the `addresses` of all.
    """

    def __init__(
        self,
        *,
        job: str,
        arguments: Json,
        shared: tuple[Shared, ...],
        environment: Mapping[str, str],
        versions: str | None,
        memory_use: str | None,
        resources: Resources,
        members: Sequence[Any] = (),
    ) -> None:
        # Before anything is imported that reads it.
        os.environ.update(environment)
        self._job = job
        self._arguments = arguments
        self._shared = shared
        self._versions = versions
        self._memory_use = memory_use
        self._resources = resources
        self._members = members
        self._part = 1.0
        self._outgoing: queue.SimpleQueue[tuple[dict[str, Any], Files] | None] = queue.SimpleQueue()
        self._orders: queue.SimpleQueue[tuple[dict[str, Any], Files]] = queue.SimpleQueue()
        self._contents: queue.SimpleQueue[tuple[str, Bytes]] = queue.SimpleQueue()
        self._folder: Path | None = None
        self._earlier: Path | None = None

    def messages(self) -> Iterator[tuple[dict[str, Any], Files]]:
        """Yields what the worker has to tell, each with its files, until it ends."""
        self._part = 1 / max(1, self._resources.num_trials(_own_node()))
        versions = pkgutil.resolve_name(self._versions)() if self._versions else {}
        yield {"hello": {"node": socket.gethostname(), "pid": os.getpid(), "versions": dict(versions)}}, {}
        threading.Thread(target=self._work, daemon=True).start()
        looks_at = 0.0
        while True:
            if time.monotonic() >= looks_at:
                looks_at = time.monotonic() + _WATCH_SECONDS
                if self._use() > 1:
                    reason = "out of memory: it took more than a worker's share of its machine"
                    yield to_message(WorkerLost(reason)), {}
                    return
            try:
                told = self._outgoing.get(timeout=_WATCH_SECONDS)
            except queue.Empty:
                continue
            if told is None:
                return
            yield told

    def obey(self, order: dict[str, Any], files: Files) -> None:
        """Takes an order; the files are those of an earlier model."""
        self._orders.put((order, files))

    def accept(self, name: str, content: Bytes) -> None:
        """Takes one of the files that the worker has asked for."""
        self._contents.put((name, content))

    # As `tuners.execution.worker.Messages`.

    def send(self, message: Json) -> None:
        """Tells a message; the files of its folder go with it."""
        told, files = dict(message), {}
        if "folder" in told:
            folder = Path(told.pop("folder"))
            files = read_folder(folder)
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
        if told["event"] == "WorkerReady":
            told["memory_use"] = self._use()
        self._outgoing.put((told, files))

    def receive(self, seconds: float | None = 0.0) -> dict[str, Any] | None:
        """Returns the next order; `None` where there is none."""
        try:
            order, files = (
                self._orders.get(timeout=seconds) if seconds is None or seconds else self._orders.get_nowait()
            )
        except queue.Empty:
            return None
        if order["do"] == "begin":
            if self._earlier is not None:
                shutil.rmtree(self._earlier, ignore_errors=True)
            self._earlier = write_folder(self._folder, files) if files and self._folder is not None else None
            earlier = self._earlier
            if earlier is not None and not order["is_folder"]:
                (earlier,) = earlier.iterdir()
            return {**order, "earlier": earlier and str(earlier)}
        return order

    def _work(self) -> None:
        try:
            with NodeFolder() as folder:
                self._folder = folder.path
                places = fetch(folder, self._shared, self._requested)
                arguments = {**moved(self._arguments, places), "folder": str(folder.path)}
                if self._members:
                    arguments |= _gather(self._members, self._shared, places)
                serve(self, self._job, arguments, folder.path)
        except UnfitError as error:
            self._outgoing.put((to_message(WorkerLost(str(error))), {}))
        except BaseException as error:
            # No trial may do this: the process is at fault, or the machine.
            traceback.print_exc()
            self._outgoing.put((to_message(WorkerLost(f"its worker ended with {type(error).__name__}: {error}")), {}))
        finally:
            self._outgoing.put(None)

    def _requested(self, shared: Shared) -> dict[str, Bytes]:
        self._outgoing.put(({"missing": shared.path}, {}))
        return dict(self._contents.get() for _ in shared.names)

    def _use(self) -> float:
        return 0.0 if self._memory_use is None else float(pkgutil.resolve_name(self._memory_use)(self._part))


class RayMember:
    """A process that trains along with a worker, which calls its methods one after the other.

    Args:
        job: What trains along: `module:function`. It gets the arguments, and `folder`, `line`, `addresses`, `index` and
            `ready`, which it calls when it is about to join the others, and which returns when all are.
        arguments: As for `RayWorker`.
        shared: Likewise.
        environment: Likewise.
        versions: Likewise.
    """

    def __init__(
        self,
        *,
        job: str,
        arguments: Json,
        shared: tuple[Shared, ...],
        environment: Mapping[str, str],
        versions: str | None,
    ) -> None:
        os.environ.update(environment)
        self._job = job
        self._arguments = arguments
        self._shared = shared
        self._versions = versions
        self._contents: dict[str, Mapping[str, Bytes]] = {}
        self._heard: queue.SimpleQueue[tuple[dict[str, Any], bytes]] = queue.SimpleQueue()
        self._is_ready = threading.Event()
        self._may_join = threading.Event()

    def hello(self) -> dict[str, Any]:
        """Says where and what this process is, and which of the shared files are missing here."""
        with NodeFolder() as folder:
            missing = [one.path for one in self._shared if folder.find(one) is None]
        versions = dict(pkgutil.resolve_name(self._versions)()) if self._versions else {}
        return {"node": socket.gethostname(), "versions": versions, "address": _free_address(), "missing": missing}

    def accept(self, path: str, contents: Mapping[str, Bytes]) -> None:
        """Takes a shared file or folder that is missing."""
        self._contents[path] = contents

    def start(self, addresses: Sequence[str], index: int) -> None:
        """Begins to train along; returns when this process is about to join the others."""
        threading.Thread(target=self._work, args=(addresses, index), daemon=True).start()
        self._is_ready.wait()

    def join(self) -> None:
        """Lets this process join the others.

        TensorFlow holds Python's lock until all have joined: that `start` has returned would not be told any more.
        """
        self._may_join.set()

    def obey(self, message: dict[str, Any], payload: bytes) -> None:
        """Takes a message of the worker."""
        self._heard.put((message, payload))

    def hear(self) -> tuple[dict[str, Any], bytes]:
        """Waits for the next message of the worker, and returns it."""
        return self._heard.get()

    def _await_others(self) -> None:
        self._is_ready.set()
        self._may_join.wait()

    def _work(self, addresses: Sequence[str], index: int) -> None:
        try:
            with NodeFolder() as folder:
                places = fetch(folder, self._shared, lambda shared: self._contents.pop(shared.path))
                arguments = {**moved(self._arguments, places), "folder": str(folder.path)}
                train_along = pkgutil.resolve_name(self._job)
                train_along(line=self, addresses=addresses, index=index, ready=self._await_others, **arguments)
        except BaseException:
            traceback.print_exc()
            # The others notice that by the end of this process only.
            os._exit(1)


class _Line:
    """Carries messages from a worker to a member."""

    def __init__(self, member: Any) -> None:
        self._member = member
        self._last: Any = None

    def say(self, message: Json, payload: bytes = b"") -> None:
        """Sends a message.

        Raises:
            ConnectionError: an earlier one has not arrived.
        """
        import ray

        try:
            if self._last is not None:
                ray.get([self._last], timeout=_SAY_SECONDS)
        except ray.exceptions.RayError as error:
            raise ConnectionError(str(error)) from error
        self._last = self._member.obey.remote(dict(message), payload)


def _gather(members: Sequence[Any], shared: Sequence[Shared], places: Mapping[str, str]) -> dict[str, Any]:
    """Waits until all members are ready, and returns what the worker's job needs of them.

    Args:
        members: The actors.
        shared: The files that they need.
        places: Where these are here.

    Raises:
        UnfitError: one of them cannot train along.
    """
    import ray

    try:
        hellos = ray.get([member.hello.remote() for member in members], timeout=_GATHER_SECONDS)
        for path in dict.fromkeys(path for hello in hellos for path in hello["missing"]):
            (one,) = (one for one in shared if one.path == path)
            contents = ray.put(dataclasses.replace(one, path=places[path]).read())
            for member in members:
                member.accept.remote(path, contents)
        addresses = [_free_address(), *(hello["address"] for hello in hellos)]
        starts = [member.start.remote(addresses, index) for index, member in enumerate(members, start=1)]
        ray.get(starts, timeout=_GATHER_SECONDS)
        for member in members:
            member.join.remote()
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines()
        raise UnfitError(f"A process that was to train along is gone: {lines[0] if lines else error}") from error
    return {"members": [_Line(member) for member in members], "addresses": addresses}


def _free_address() -> str:
    """Returns an address of this machine, and a port that is free now."""
    import ray

    host = ray.util.get_node_ip_address()
    with socket.create_server((host, 0)) as door:
        return f"{host}:{door.getsockname()[1]}"


def _own_node() -> Mapping[str, float]:
    """Returns the resources of this machine, as the cluster knows them."""
    import ray

    own = ray.get_runtime_context().get_node_id()
    found: Mapping[str, float] = next((node["Resources"] for node in ray.nodes() if node["NodeID"] == own), {})
    return found
