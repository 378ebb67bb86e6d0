"""Ctrl-C, taken at a safe moment.

Python raises `KeyboardInterrupt` wherever it stands, and loses it where it stands in a weak reference's callback, as it
often does while Keras cleans up. Here the first Ctrl-C is only noted, and raised when the search looks; the second is
Python's own again.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupts:
    """While entered, notes the first Ctrl-C instead of raising it. Does nothing outside the main thread."""

    def __init__(self) -> None:
        self._is_asked = False
        self._previous: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def check(self) -> None:
        """Raises the interrupt that was noted, once.

        Raises:
            KeyboardInterrupt: there was one.
        """
        if self._is_asked:
            self._is_asked = False
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._is_asked = True
        self._restore()

    def _restore(self) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None
