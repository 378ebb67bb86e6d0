"""The terminal of a command: errors in one line, and results as JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from kevo.errors import ExportError, KevoError, SearchFailedError, SearchInterruptedError, WorkerError
from kevo.system import memory
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
    except MemoryError:
        limit = memory.limit()
        _say(f"Error: memory has run out{'' if limit is None else f': {limit} may be used here'}. Allow more.")
        sys.exit(FAILED)
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
