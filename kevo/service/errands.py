"""Work that takes a while and is no search: reports and exports, each by a `kevo` command of its own, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kevo.errors import os_reason
from kevo.system.text import printable

_SECONDS = 900.0
_MOST_WORDS = 500


@dataclass
class Errand:
    """One piece of such work.

    Args:
        key: What it is.
        state: `queued`, `running`, `done` or `failed`.
        words: Why it failed.
    """

    key: tuple[str, ...]
    state: str = "queued"
    words: str = ""

    @property
    def is_under_way(self) -> bool:
        """Whether it has not ended."""
        return self.state in ("queued", "running")


class Errands:
    """All such work of a server."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Errand] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(1)

    def get(self, key: tuple[str, ...]) -> Errand | None:
        """Returns an errand, also one that has ended."""
        return self._known.get(key)

    def begin(
        self, key: tuple[str, ...], arguments: Sequence[str], *, folder: Path, output: Path | None = None
    ) -> Errand:
        """Begins an errand, if it is not under way.

        Args:
            key: What it is.
            arguments: What stands behind `kevo`.
            folder: Where it works.
            output: Where what it prints is kept; `None` for nowhere.
        """
        if (known := self._known.get(key)) is not None and known.is_under_way:
            return known
        errand = self._known[key] = Errand(key)
        task = asyncio.get_running_loop().create_task(self._run(errand, arguments, folder, output))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return errand

    def begin_once(
        self, key: tuple[str, ...], arguments: Sequence[str], *, folder: Path, output: Path | None = None
    ) -> Errand:
        """Begins an errand, if it was not begun before; see `begin`."""
        return self._known.get(key) or self.begin(key, arguments, folder=folder, output=output)

    def drop(self, key: tuple[str, ...]) -> None:
        """Forgets an errand that has failed, so that it can be tried again."""
        if (known := self._known.get(key)) is not None and not known.is_under_way:
            del self._known[key]

    def forget(self, search: str) -> None:
        """Forgets the errands of a search that is removed."""
        for key in [key for key in self._known if search in key]:
            del self._known[key]

    async def close(self) -> None:
        """Ends those under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, errand: Errand, arguments: Sequence[str], folder: Path, output: Path | None) -> None:
        async with self._turn:
            errand.state = "running"
            try:
                child = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "kevo",
                    *arguments,
                    cwd=folder,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    start_new_session=True,
                )
            except OSError as error:
                # The search was removed while this waited for its turn.
                errand.state, errand.words = "failed", f"It cannot be begun: {os_reason(error)}."
                return
            try:
                printed, said = await asyncio.wait_for(child.communicate(), _SECONDS)
            except TimeoutError:
                errand.state, errand.words = "failed", f"It takes longer than {_SECONDS:g} seconds."
                return
            except asyncio.CancelledError:
                errand.state, errand.words = "failed", "The server ended."
                raise
            finally:
                if child.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
                    await child.wait()
            lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
            if output is not None and child.returncode == 0:
                await asyncio.to_thread(output.write_bytes, printed)
            errand.state = "done" if child.returncode == 0 else "failed"
            errand.words = "" if child.returncode == 0 else printable(lines[-1] if lines else "")[:_MOST_WORDS]
