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
from typing import Any

import httpx2

from tests.support.project import ROOT

SECONDS = 280.0


class Process:
    """`kevo serve` as a process of its own."""

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
        wait(self.ready.exists)
        values = json.loads(self.ready.read_text())
        self.token = values["token"]
        headers = {"authorization": f"Bearer {self.token}"}
        self.client = httpx2.Client(base_url=values["url"], headers=headers, timeout=120)

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}").json()

    def post(self, path: str, values: Any = None) -> httpx2.Response:
        return self.client.post(f"/api/v1{path}", json={} if values is None else values)

    def end(self, number: int) -> int:
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
def listening(server: Process, search: str) -> Iterator[list[str]]:
    """Hears the events of a search until its stream ends by itself."""
    heard: list[str] = []

    def listen() -> None:
        with server.client.stream("GET", f"/api/v1/events?search={search}") as answer:
            heard.extend(line for line in answer.iter_lines() if line)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield heard
    thread.join(60)
    assert not thread.is_alive()
