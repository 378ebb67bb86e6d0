"""Lets one thread at a time into an oracle."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from keras_tuner.src.engine.oracle import LOCKS, THREADS

_O = TypeVar("_O")
_P = ParamSpec("_P")
_R = TypeVar("_R")


def make(oracle: object) -> None:
    """Makes an oracle's lock. Keras Tuner does it on first use, where two threads at once may each make one."""
    LOCKS[oracle] = threading.Lock()


@contextmanager
def locked(oracle: object) -> Iterator[None]:
    """Holds Keras Tuner's own lock, and lets go of it on errors too, which `keras_tuner.synchronized` does not.

    What is so marked in the oracle may be called inside: the lock belongs to the thread, by its name.
    """
    thread = threading.current_thread().name
    if THREADS[oracle] == thread:
        yield
        return
    with LOCKS[oracle]:
        THREADS[oracle] = thread
        try:
            yield
        finally:
            THREADS[oracle] = None


def exclusive(method: Callable[Concatenate[_O, _P], _R]) -> Callable[Concatenate[_O, _P], _R]:
    """Lets one thread at a time into the methods of an oracle so marked."""

    @functools.wraps(method)
    def alone(self: _O, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with locked(self):
            return method(self, *args, **kwargs)

    return alone
