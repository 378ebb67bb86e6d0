"""The terminal of a command: errors in one line, and quiet native code."""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

import click

from kevo.errors import ExportError, KevoError, SearchFailedError, SearchInterruptedError, WorkerError
from kevo.system.text import printable

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
_LINE_BREAK = re.compile(r"\n\s*")
_PLAIN_LIST = re.compile(r"\[\n\s+([^\[\]{}]*?)\n\s+\]")


@contextmanager
def user_errors() -> Iterator[None]:
    """Turns errors that a user can mend into one line and an exit code; a traceback is for our own mistakes."""
    try:
        yield
    except (ExportError, SearchFailedError, WorkerError) as error:
        _say(f"Error: {error}")
        sys.exit(FAILED)
    except SearchInterruptedError as error:
        _say(str(error))
        sys.exit(INTERRUPTED)
    except KevoError as error:
        _say(f"Error: {error}")
        sys.exit(MISUSED)
    except KeyboardInterrupt:
        _say("Interrupted.")
        sys.exit(INTERRUPTED)


def format_json(values: Mapping[str, Any]) -> str:
    """Returns a mapping as indented JSON, with lists of plain values on one line each, as rows of a matrix are read.

    Example:
        >>> print(format_json({"confusion": [[1, 0], [2, 3]]}))
        {
          "confusion": [
            [1, 0],
            [2, 3]
          ]
        }
    """
    # A line break inside a string is written as two characters, so that these are lists.
    return _PLAIN_LIST.sub(lambda found: f"[{_LINE_BREAK.sub(' ', found[1])}]", json.dumps(values, indent=2))


def _say(words: str) -> None:
    # Names of files and classes come from anywhere.
    click.echo("\n".join(map(printable, words.splitlines())), err=True)


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
