"""What was read of a long search that has ended, kept in a file: nothing is read anew after a restart.

It is read by a process of its own, `python -m kevo.service.summaries RUN SUMMARY`: tens of thousands of records take
memory that the server would keep for weeks. A summary counts only as long as the files that it was made from are as
they were. It can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from kevo.errors import KevoError
from kevo.runs import layout
from kevo.runs.atomic_files import DAMAGE
from kevo.runs.folder import Run
from kevo.runs.status import Best, Status, StatusReader
from kevo.service.candidates import Candidates, in_brief
from kevo.service.root import read_json, write_json

_SOURCES = (layout.TRIALS, layout.RESULT, layout.SETTINGS, layout.FAILURE, layout.NOTES)
_LONG_BYTES = 2**19
"""With records of so many bytes a search is long."""
_VERSION = 3
_SECONDS = 300.0


class Summary(NamedTuple):
    """What a file keeps of a search: how it ended, and its candidates."""

    status: Status
    candidates: Candidates


def read(path: Path, run: Path) -> Summary | None:
    """Reads a summary; `None` where there is none, or not of the run folder as it is now."""
    if not path.is_file():
        return None
    try:
        values = read_json(path)
        if values["version"] != _VERSION or values["sources"] != _sources(run):
            return None
        status = values["status"]
        return Summary(
            Status(
                **{
                    **status,
                    "run_folder": run,
                    "best": status["best"] and Best(**status["best"]),
                    "trainings": (),
                    "notes": tuple(status["notes"]),
                }
            ),
            Candidates.from_json(values["candidates"]),
        )
    except (KevoError, *DAMAGE):
        return None


def is_missing(path: Path, run: Path) -> bool:
    """Returns whether a search is so long that it should have a summary, and has none of its records as they are."""
    try:
        return is_long(run) and (
            not path.exists() or path.stat().st_mtime_ns < (run / layout.TRIALS).stat().st_mtime_ns
        )
    except OSError:
        return False


def is_long(run: Path) -> bool:
    """Returns whether a search has so many candidates that its summary is kept."""
    try:
        return (run / layout.TRIALS).stat().st_size >= _LONG_BYTES
    except OSError:
        return False


def make(path: Path, run: Path) -> None:
    """Has a process write the summary of a search that has ended; where it cannot, none is there."""
    command = [sys.executable, "-m", __name__, str(run), str(path)]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=_SECONDS,
            check=False,
        )


def write(path: Path, run: Path) -> None:
    """Reads a search, and writes its summary if it has ended.

    Raises:
        KevoError: it is damaged, or nothing can be written there.
    """
    sources = _sources(run)
    status = StatusReader(run).read()
    if status.state == "running":
        return
    candidates, offset = Candidates(), 0
    for line in Run.open(run, without=layout.SEARCH).each_trial_line():
        candidates.append(in_brief(line, offset))
        offset += len(line)
    values = {
        "version": _VERSION,
        "sources": sources,
        "status": {**status.to_json(), "run_folder": ""},
        "candidates": candidates.to_json(),
    }
    write_json(path, values, indent=None)


def _sources(run: Path) -> list[list[int]]:
    """Returns size and time, in microseconds, of what a summary is made from."""
    found = []
    for name in _SOURCES:
        try:
            about = (run / name).stat()
            found.append([about.st_size, about.st_mtime_ns // 1000])
        except OSError:
            found.append([])
    return found


if __name__ == "__main__":
    with contextlib.suppress(KevoError):
        write(Path(sys.argv[2]), Path(sys.argv[1]))
