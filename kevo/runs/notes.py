"""What a search has told its user, kept in its run folder."""

from __future__ import annotations

import contextlib
import os
import time

from kevo.errors import RunError
from kevo.runs import layout
from kevo.runs.atomic_files import DAMAGE, dumps, loads, writing
from kevo.runs.folder import Run

MOST = 100
"""So many of the last notes are read."""
_MOST_BYTES = 2**16


def append(run: Run, text: str) -> None:
    """Adds a note; where the folder cannot be written, nothing is."""
    line = dumps({"at": time.time(), "text": text}) + "\n"
    path = run.path / layout.NOTES
    with contextlib.suppress(RunError), writing(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line.encode())


def read(run: Run) -> tuple[str, ...]:
    """Returns the last notes, the newest at the end; lines that cannot be read are left out."""
    try:
        descriptor = os.open(run.path / layout.NOTES, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ()
    with os.fdopen(descriptor, "rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - _MOST_BYTES)
        file.seek(start)
        lines = file.read(_MOST_BYTES).split(b"\n")[1 if start else 0 : -1]
    found: list[str] = []
    for line in lines[-MOST:]:
        with contextlib.suppress(*DAMAGE):
            found.append(str(loads(line)["text"]))
    return tuple(found)
