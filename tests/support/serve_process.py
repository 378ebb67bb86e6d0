"""`kevo serve` as a process of its own, and whoever listens to it."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import psutil

from kevo.service import launching
from tests.support.project import ROOT

SECONDS = 280.0


class Process:
    """`kevo serve` as a process of its own, which is there until the end of a `with`, however that ends.

    Args:
        folder: Where its root lies, and what it says.
        options: Those of the command.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.ready = folder / "ready"
        self.ready.unlink(missing_ok=True)
        self.log = folder / "said"
        arguments = ["serve", "--root", str(folder / "root"), "--port", "0", "--ready-file", str(self.ready), *options]
        with self.log.open("ab") as output:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            self.child = subprocess.Popen(
                [sys.executable, "-m", "kevo", *arguments], stderr=output, stdout=output, env=environment, cwd=folder
            )
        self.client = httpx2.Client(timeout=120)

    def __enter__(self) -> Self:
        try:
            wait(self._is_ready)
        except BaseException:
            self._close()
            raise
        values = json.loads(self.ready.read_text())
        self.token = values["token"]
        self.client.base_url = values["url"]
        self.client.headers["authorization"] = f"Bearer {self.token}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _is_ready(self) -> bool:
        assert self.child.poll() is None, self.log.read_text()
        return self.ready.exists()

    def _close(self) -> None:
        self.child.kill()
        self.child.wait()
        self.client.close()

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}").json()

    def post(self, path: str, values: Any = None) -> httpx2.Response:
        return self.client.post(f"/api/v1{path}", json={} if values is None else values)

    def end(self, number: int) -> int:
        """Sends a signal, and returns the exit code."""
        self.child.send_signal(number)
        code = self.child.wait(60)
        self.client.close()
        return code


def wait(is_so: Callable[[], Any]) -> Any:
    """Returns what is so, as soon as it is."""
    until = time.monotonic() + SECONDS
    while not (found := is_so()):
        assert time.monotonic() < until
        time.sleep(0.1)
    return found


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[Callable[..., Process]]:
    """Yields what starts a server in a folder; at the end neither that is left nor a search that it has begun."""
    with contextlib.ExitStack() as stack:
        stack.callback(_end_searches, folder)
        yield lambda *options: stack.enter_context(Process(folder, *options))


def search_processes(lock: Path) -> set[int]:
    """The processes that hold the lock of a search and run it; there never are two.

    A child that was begun a moment ago has the lock, and the name, of its parent until it runs its own program.
    """
    parents = {}
    for number in launching.holders(lock):
        # It may end at any moment.
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(number)
            if {"search", "resume"} & set(process.cmdline()):
                parents[number] = process.ppid()
    return {process for process, parent in parents.items() if parent not in parents}


def search_process(lock: Path) -> int:
    """The process of a search, as soon as it is there."""
    (process,) = wait(lambda: search_processes(lock))
    return int(process)


def _end_searches(folder: Path) -> None:
    for lock in folder.glob("root/jobs/*/lock"):
        launching.kill(lock)
        wait(lambda lock=lock: not launching.is_alive(lock))


@contextlib.contextmanager
def listening(server: Process, search: str) -> Iterator[list[str]]:
    """Hears the events of a search until its stream ends by itself."""
    heard: list[str] = []

    def listen() -> None:
        # A server that is killed, as after a test that fails, ends it too: then nobody hears a `bye`.
        with (
            contextlib.suppress(httpx2.TransportError),
            server.client.stream("GET", f"/api/v1/events?search={search}") as answer,
        ):
            heard.extend(line for line in answer.iter_lines() if line)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield heard
    thread.join(60)
    assert not thread.is_alive()
