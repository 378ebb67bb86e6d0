"""Work of a tracker in a thread of its own, in order, so that no training waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Background:
    """One thread that does one thing after another.

    Args:
        name: What the thread is called.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._pending: deque[Future[None]] = deque()

    def later(self, work: Callable[[], None]) -> None:
        """Does something after all that was asked for before; raises what that has raised meanwhile."""
        self._check()
        self._pending.append(self._thread.submit(work))

    def finish(self) -> None:
        """Waits until all is done, and raises what it raised."""
        self._thread.shutdown(wait=True)
        self._check()

    def _check(self) -> None:
        while self._pending and self._pending[0].done():
            try:
                self._pending.popleft().result()
            except Exception:
                self._thread.shutdown(wait=False, cancel_futures=True)
                raise
