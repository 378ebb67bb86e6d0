"""A stopwatch for searches."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Clock:
    """Counts seconds from its creation, without those for which it was paused.

    Attributes:
        started: When it was created, by `time.monotonic`.
    """

    def __init__(self) -> None:
        self.started = time.monotonic()
        self._paused = 0.0

    @property
    def seconds(self) -> float:
        """The seconds counted so far."""
        return time.monotonic() - self.started - self._paused

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Pauses the clock within the context, for what belongs to the measuring and not to the search."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._paused += time.monotonic() - began
