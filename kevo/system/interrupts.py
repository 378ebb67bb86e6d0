"""Ctrl-C and the signals that ask for an end, taken at a safe moment.

Python raises `KeyboardInterrupt` wherever it stands, and loses it where it stands in a weak reference's callback, as it
often does while Keras cleans up. Here the first Ctrl-C is only noted, and raised when the search looks; the second is
Python's own again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
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
_TERMINATIONS = (signal.SIGTERM, signal.SIGHUP)
"""What `kill`, `docker stop` and a batch system at its limit send, and what a terminal sends when it is closed."""
_MAX_DESCRIPTOR = 256


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


class Terminations:
    """While entered, the first SIGTERM or SIGHUP does what Ctrl-C does, and later ones do nothing.

    Whoever sends one wants the best so far, and may send several. Signals that the process ignores, as under `nohup`,
    or has a handler of its own for, stay as they are, and so do all outside the main thread.
    """

    def __init__(self) -> None:
        self._is_asked = False
        self._previous: dict[signal.Signals, Any] = {}
        self._terminals: set[int] = set()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._terminals = {os.fstat(one).st_rdev for one in range(3) if os.isatty(one)}
            for number in _TERMINATIONS:
                current = signal.getsignal(number)
                if current is signal.SIG_DFL or isinstance(getattr(current, "__self__", None), Terminations):
                    self._previous[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        self._previous.clear()

    def ignore(self) -> None:
        """Has the signals do nothing from now on: the process is about to end anyway."""
        self._is_asked = True

    def _take(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            # What is written to a terminal that is gone would raise an error.
            _silence(self._terminals)
        if self._is_asked:
            return
        self._is_asked = True
        ctrl_c = signal.getsignal(signal.SIGINT)
        if callable(ctrl_c):
            ctrl_c(signal.SIGINT, frame)
        else:
            # A job in the background ignores Ctrl-C.
            raise KeyboardInterrupt


def _silence(terminals: set[int]) -> None:
    """Leads all that this process would write to these devices nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(_MAX_DESCRIPTOR):
        with contextlib.suppress(OSError):
            status = os.fstat(descriptor)
            if stat.S_ISCHR(status.st_mode) and status.st_rdev in terminals:
                os.dup2(nowhere, descriptor)
    os.close(nowhere)


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
