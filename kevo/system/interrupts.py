"""Ctrl-C, taken at a safe moment, and a request for the same from another terminal.

Python raises `KeyboardInterrupt` wherever it stands, and loses it where it stands in a weak reference's callback, as it
often does while Keras cleans up. Here the first Ctrl-C is only noted, and raised when the search looks; the second is
Python's own again.

From another terminal a file in the run folder asks for what a first Ctrl-C does. No signal is sent: a run folder may
come from someone else, and with it the number of a process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from kevo.errors import RunError
from kevo.runs import layout
from kevo.runs.atomic_files import writing
from kevo.runs.folder import Run

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_LOOK_SECONDS = 0.2
_AGAIN_SECONDS = 0.05


class Interrupt(KeyboardInterrupt):
    """A first Ctrl-C, or a request for the same: the search is to end with what it has."""


class Interrupts:
    """While entered, notes the first Ctrl-C instead of raising it; outside the main thread there is none.

    Args:
        run: The folder in which others may ask for the same; `None` for none.
    """

    def __init__(self, run: Run | None = None) -> None:
        self._request = None if run is None else run.path / layout.STOP
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
            self._is_asked = self.clear() or self._is_asked
        if self._is_asked:
            self._is_asked = False
            raise Interrupt

    def clear(self) -> bool:
        """Removes a request, such as one for an earlier session, and returns whether there was one."""
        if self._request is None:
            return False
        try:
            self._request.unlink()
        except OSError:
            return False
        return True

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


def stop(run: Run, *, wait: float) -> bool:
    """Asks the search that is at work in a run folder to end as on a Ctrl-C.

    Args:
        run: The folder.
        wait: For how many seconds to wait until it has ended.

    Returns:
        Whether it has; otherwise it still may.

    Raises:
        RunError: no search is at work there, or the folder cannot be written.
    """
    if not run.is_busy:
        raise RunError(f"No search is at work in {run.path}, so that there is nothing to stop. See: kevo status.")
    request, until = run.path / layout.STOP, time.monotonic() + wait
    with writing(request):
        os.close(os.open(request, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644))
    while run.is_busy:
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK_SECONDS)
    # It may have ended by itself before it looked.
    request.unlink(missing_ok=True)
    return True
