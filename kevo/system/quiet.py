"""Keeps what native code says off the terminal."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def quiet_natives() -> Iterator[None]:
    """Keeps the output of native code, such as drivers and decoders, off the terminal.

    What Python writes still arrives, a traceback at a crash included.
    """
    sys.stderr.flush()
    if not _is_stderr(sys.stderr):
        yield
        return
    saved, previous = os.dup(2), sys.stderr
    with (
        open(os.devnull, "wb") as nowhere,
        open(saved, "w", encoding=previous.encoding, errors="backslashreplace", buffering=1) as stream,
    ):
        os.dup2(nowhere.fileno(), 2)
        sys.stderr = stream
        faulthandler.enable(stream)
        try:
            yield
        finally:
            faulthandler.disable()
            stream.flush()
            os.dup2(saved, 2)
            sys.stderr = previous


def _is_stderr(stream: TextIO) -> bool:
    """Tells whether a stream writes where native code does; under a test it may not."""
    try:
        return stream.fileno() == 2
    except (OSError, ValueError):
        return False


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Keeps TensorFlow's start-up notes off the terminal: they are written by native code, below `sys.stderr`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Every candidate is another network: that TensorFlow traces anew each time is as it must be.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # What becomes of a worker the search tells itself.
    logging.getLogger("tuners").setLevel(logging.ERROR)
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
