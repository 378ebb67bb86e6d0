"""A Ray cluster on this machine, with a token of its own; in network namespaces, machines whose link can be cut."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

from benchmarks.support.project import ROOT

_PORT = 6399
_ADDRESSES = ("10.99.0.1", "10.99.0.2")
_NODE = ("--num-cpus", "1", "--object-store-memory", "80000000", "--disable-usage-stats")


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Sets the variables with which nodes are started and joined: a token of their own, and how workers run."""
    values = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Otherwise workers stand behind everything else that runs here.
        "RAY_worker_niceness": "0",
        "PYTHONPATH": str(ROOT),
    }
    with patch.dict(os.environ, values):
        yield


@contextlib.contextmanager
def nodes(num: int) -> Iterator[str]:
    """Starts a cluster of nodes with one core each, and yields the address of its head.

    Where the system can, the processes of a node stay on its core: TensorFlow's threads would else take part of others.
    """
    with _environment():
        import ray
        from ray.cluster_utils import Cluster

        ray._raylet.Config.initialize("")
        options = {"num_cpus": 1, "object_store_memory": 80_000_000}
        with _on_core(0):
            cluster = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
        try:
            for number in range(1, num):
                with _on_core(number):
                    cluster.add_node(**options)
            cluster.wait_for_nodes()
            yield cluster.address
        finally:
            cluster.shutdown()


@contextlib.contextmanager
def _on_core(number: int) -> Iterator[None]:
    """Keeps the processes that are started within it on one core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[number % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


class Machines:
    """Two network namespaces with a link between them, and a node of one cluster in each.

    It is used as a context manager. Only root may make namespaces.
    """

    def __enter__(self) -> Machines:
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            stack.enter_context(_environment())
            self._folders = [stack.enter_context(tempfile.TemporaryDirectory(prefix="r", dir="/tmp")) for _ in "12"]
            self._names = [f"kevo-{os.getpid()}-{number}" for number in (1, 2)]
            for name in self._names:
                _do("ip", "netns", "add", name)
                stack.callback(_do, "ip", "netns", "del", name)
                stack.callback(self._end_processes, name)
            ends = [f"kevo{os.getpid()}{end}" for end in "ab"]
            _do("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
            for name, end, address in zip(self._names, ends, _ADDRESSES, strict=True):
                _do("ip", "link", "set", end, "netns", name)
                _do(*self._within(name), "ip", "addr", "add", f"{address}/24", "dev", end)
                _do(*self._within(name), "ip", "link", "set", "lo", "up")
                _do(*self._within(name), "ip", "link", "set", end, "up")
            self._cut = (*self._within(self._names[1]), "ip", "link", "set", ends[1], "down")
            head = ("--head", "--port", str(_PORT), "--include-dashboard", "false", "--temp-dir", self._folders[0])
            self._start(0, head)
            self._start(1, ("--address", self.address))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def address(self) -> str:
        """The address of the head, which is in the first namespace."""
        return f"{_ADDRESSES[0]}:{_PORT}"

    @property
    def prefix(self) -> list[str]:
        """The words to put before a command that is to run in the network of the head."""
        return self._within(self._names[0])

    def cut(self) -> None:
        """Cuts the link."""
        _do(*self._cut)

    def _within(self, name: str) -> list[str]:
        return ["ip", "netns", "exec", name]

    def _start(self, number: int, words: Sequence[str]) -> None:
        ray = Path(sys.executable).with_name("ray")
        address = ("--node-ip-address", _ADDRESSES[number])
        _do(*self._within(self._names[number]), str(ray), "start", *words, *address, *_NODE)

    def _end_processes(self, name: str) -> None:
        found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=True).stdout
        for pid in map(int, found.split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()}")
