"""The actor of `RayPool`: a worker on some machine of a cluster. It runs trials as other worker processes do.

Its messages stream through one generator as long as it lives, while a thread of its own trains.
"""

from __future__ import annotations

import os
import pkgutil
import queue
import shutil
import socket
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuners.execution.executor import Json, WorkerLost, to_message
from tuners.execution.node_files import Bytes, NodeFolder, Shared, fetch, moved, read_folder, write_folder
from tuners.execution.worker import serve

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
    ) -> None:
        # Before anything is imported that reads it.
        os.environ.update(environment)
        self._job = job
        self._arguments = arguments
        self._shared = shared
        self._versions = versions
        self._memory_use = memory_use
        self._resources = resources
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
                serve(self, self._job, arguments, folder.path)
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


def _own_node() -> Mapping[str, float]:
    """Returns the resources of this machine, as the cluster knows them."""
    import ray

    own = ray.get_runtime_context().get_node_id()
    found: Mapping[str, float] = next((node["Resources"] for node in ray.nodes() if node["NodeID"] == own), {})
    return found
