"""What was read of a long search that has ended, kept in a file: nothing is read anew after a restart.

A summary counts only as long as the files that it was made from are as they were. It can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kevo.errors import KevoError
from kevo.runs import layout
from kevo.runs.atomic_files import DAMAGE, loads
from kevo.runs.records import TrialRecord
from kevo.runs.status import Best, Status
from kevo.service.root import read_json, write_json

LONG = 500
"""From so many candidates on a search is long."""
_SOURCES = (layout.TRIALS, layout.RESULT, layout.SETTINGS, layout.FAILURE, layout.NOTES)
_LONG_BYTES = 2**19
_VERSION = 1
_HISTORY, _AFTER = b', "history": [', b', "num_epochs": '


class Candidate(NamedTuple):
    """What is kept in memory of a candidate that has ended.

    Args:
        offset: Where its record begins in the file of all.
        length: How many bytes that has.
        number: Its number in the search, from 0.
        finished_at: When it ended, in seconds of search.
        metrics: Its metrics; `None` if it failed.
    """

    offset: int
    length: int
    number: int
    finished_at: float
    metrics: dict[str, float] | None


class Summary(NamedTuple):
    """What a file keeps of a search: how it ended, and its candidates."""

    status: Status
    candidates: list[Candidate]


def in_brief(line: bytes, offset: int) -> Candidate:
    """Reads a line of the records, as far as it is kept in memory.

    Raises:
        Exception: one of `DAMAGE` where it is no record.
    """
    start, end = line.find(_HISTORY), line.rfind(_AFTER)
    record = None
    if 0 < start < end:
        # The metrics of every epoch are most of a line, and nothing of them is kept.
        with contextlib.suppress(*DAMAGE):
            record = TrialRecord.from_json(loads(line[:start] + b', "history": [], "stages": []' + line[end:]))
    record = record or TrialRecord.from_json(loads(line))
    # There may be tens of thousands, with the same names of metrics.
    metrics = {sys.intern(name): value for name, value in record.metrics.items()}
    return Candidate(offset, len(line), record.number, record.finished_at, None if record.fitness is None else metrics)


def read(path: Path, run: Path) -> Summary | None:
    """Reads a summary; `None` where there is none, or not of the run folder as it is now."""
    if not path.is_file():
        return None
    try:
        values = read_json(path)
        if values["version"] != _VERSION or values["sources"] != _sources(run):
            return None
        status = values["status"]
        names = [sys.intern(str(name)) for name in values["metrics"]]
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
            [
                Candidate(offset, length, number, finished_at, None if scores is None else _named(names, scores))
                for offset, length, number, finished_at, scores in values["candidates"]
            ],
        )
    except (KevoError, *DAMAGE):
        return None


def is_missing(path: Path, run: Path) -> bool:
    """Returns whether a search is so long that it should have a summary, and has none of its records as they are."""
    try:
        records = (run / layout.TRIALS).stat()
        return records.st_size >= _LONG_BYTES and (not path.exists() or path.stat().st_mtime_ns < records.st_mtime_ns)
    except OSError:
        return False


def write(path: Path, run: Path, status: Status, candidates: Sequence[Candidate]) -> None:
    """Writes the summary of a search that has ended."""
    names = list(dict.fromkeys(name for one in candidates for name in one.metrics or ()))
    rows = [
        (*one[:4], None if one.metrics is None else [one.metrics.get(name) for name in names]) for one in candidates
    ]
    values: dict[str, Any] = {
        "version": _VERSION,
        "sources": _sources(run),
        "status": {**status.to_json(), "run_folder": ""},
        "metrics": names,
        "candidates": rows,
    }
    # On a full disk it is read anew the next time.
    with contextlib.suppress(KevoError):
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


def _named(names: Sequence[str], scores: Sequence[float | None]) -> dict[str, float]:
    return {name: score for name, score in zip(names, scores, strict=True) if score is not None}
