"""Ctrl-C, taken at a safe moment.

Python raises `KeyboardInterrupt` wherever it stands, and loses it where it stands in a weak reference's callback, as it
often does while Keras cleans up. Here the first Ctrl-C is only noted, and raised when the search looks; the second is
Python's own again.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_LOOK_SECONDS = 0.2
_AGAIN_SECONDS = 0.05


class Interrupt(KeyboardInterrupt):
    """A first Ctrl-C, or a request for the same: the search ends with the best so far."""


class Interrupts:
    """While entered, notes the first Ctrl-C instead of raising it; outside the main thread there is none.

    Args:
        is_requested: Says whether somebody asked for the same in another way; is called now and then.
    """

    def __init__(self, is_requested: Callable[[], bool] = lambda: False) -> None:
        self._is_requested = is_requested
        self._looks_at = 0.0
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
        """Raises the interrupt that was noted or asked for, once.

        Raises:
            Interrupt: there was one.
        """
        if time.monotonic() >= self._looks_at:
            self._looks_at = time.monotonic() + _LOOK_SECONDS
            self._is_asked = self._is_requested() or self._is_asked
        if self._is_asked:
            self._is_asked = False
            raise Interrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._is_asked = True
        self._restore()

    def _restore(self) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None


@contextlib.contextmanager
def redelivering() -> Iterator[None]:
    """Lets a Ctrl-C that Python has lost come again, instead of being told that it was."""
    previous = sys.unraisablehook

    def hook(lost: UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            previous(lost)
            return
        # At once it would be lost again.
        main = threading.main_thread().ident or 0
        threading.Timer(_AGAIN_SECONDS, signal.pthread_kill, (main, signal.SIGINT)).start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = previous
