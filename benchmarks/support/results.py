"""Files of measurements, and a loop that measures what is missing in one."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from benchmarks.support.command_line import log

_Row = TypeVar("_Row")
_Job = TypeVar("_Job")


@dataclass(frozen=True)
class ResultsFile(Generic[_Row]):
    """A file with one measurement, a frozen dataclass, as JSON in each line.

    Args:
        path: The file; it is created with its folder when the first measurement is added.
        parse: Returns the measurement from decoded JSON.
        key: Identifies what was measured. Keys can be sorted.
    """

    path: Path
    parse: Callable[[dict[str, Any]], _Row]
    key: Callable[[_Row], Hashable]

    def read(self) -> list[_Row]:
        """Returns the measurements sorted by key; of two with the same key the later one counts."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        rows = {self.key(row): row for row in map(self.parse, map(json.loads, lines))}
        return [rows[key] for key in sorted(rows)]  # type: ignore[type-var]

    def append(self, row: _Row) -> None:
        """Adds a measurement at the end."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(dataclasses.asdict(row)) + "\n")  # type: ignore[call-overload]


def measure_missing(
    results: ResultsFile[_Row],
    jobs: Iterable[_Job],
    *,
    key: Callable[[_Job], Hashable],
    title: Callable[[_Job], str],
    measure: Callable[[_Job], _Row],
    summary: Callable[[_Row], str],
    fresh: bool,
) -> bool:
    """Measures one job after the other and adds each measurement to the file as soon as it is done.

    Args:
        results: The file.
        jobs: What to measure.
        key: The key that the measurement of a job has in the file.
        title: Names a job in messages.
        measure: Measures a job.
        summary: Describes a measurement in a message.
        fresh: Whether to measure again what the file holds already.

    Returns:
        Whether no measurement failed.
    """
    done = {results.key(row) for row in results.read()}
    went_well = True
    for job in jobs:
        if not fresh and key(job) in done:
            log(f"{title(job)}: measured before")
            continue
        began = time.monotonic()
        try:
            row = measure(job)
        except Exception as error:
            # Measuring takes hours: one failure does not end the rest.
            log(f"{title(job)}: failed, {type(error).__name__}: {error}")
            went_well = False
            continue
        results.append(row)
        log(f"{title(job)}: {summary(row)} ({time.monotonic() - began:.0f} s)")
    return went_well
