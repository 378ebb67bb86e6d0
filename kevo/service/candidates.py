"""What is kept in memory of the candidates of a search: in columns, so that tens of thousands take a megabyte."""

from __future__ import annotations

import contextlib
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

from kevo.objective import Objective
from kevo.runs.atomic_files import DAMAGE, loads
from kevo.runs.records import TrialRecord

Ending = Literal["completed", "failed"]
"""How a candidate has ended."""
CandidateOrder = Literal["ended", "-ended", "best", "-best", "params", "-params", "seconds", "-seconds"]
"""Which come first; a minus turns an order round: `-best` begins with the worst. Those without a value come last."""
_HISTORY, _AFTER = b', "history": [', b', "num_epochs": '
_COLUMNS = {"offsets": "q", "lengths": "q", "numbers": "q", "failed": "b", "times": "d", "seconds": "d", "params": "d"}


class Candidate(NamedTuple):
    """A candidate that has ended.

    Args:
        offset: Where its record begins in the file of all.
        length: How many bytes that has.
        number: Its number in the search, from 0.
        finished_at: When it ended, in seconds of search.
        seconds: How long it took.
        num_parameters: The size of its network; `None` if it failed.
        metrics: Its metrics; `None` if it failed.
    """

    offset: int
    length: int
    number: int
    finished_at: float
    seconds: float
    num_parameters: int | None
    metrics: dict[str, float] | None


class Scored(NamedTuple):
    """The score of a candidate: its number from 0, when it ended in seconds of search, and one of its metrics."""

    number: int
    finished_at: float
    score: float


class Candidates:
    """Candidates in the order in which they ended. They only become more."""

    def __init__(self) -> None:
        self._columns: dict[str, array[Any]] = {name: array(kind) for name, kind in _COLUMNS.items()}
        self._metrics: dict[str, array[float]] = {}

    def __len__(self) -> int:
        # The column that is written last, for whoever reads meanwhile.
        return len(self._columns["offsets"])

    def __getitem__(self, place: int) -> Candidate:
        one = {name: column[place] for name, column in self._columns.items()}
        metrics = {name: column[place] for name, column in list(self._metrics.items())}
        known = {name: value for name, value in metrics.items() if not math.isnan(value)}
        return Candidate(
            one["offsets"],
            one["lengths"],
            one["numbers"],
            one["times"],
            one["seconds"],
            None if math.isnan(one["params"]) else int(one["params"]),
            None if one["failed"] else known,
        )

    def __iter__(self) -> Iterator[Candidate]:
        return map(self.__getitem__, range(len(self)))

    @property
    def num_bytes(self) -> int:
        """Where the record of the last one ends in the file of all."""
        return self._columns["offsets"][-1] + self._columns["lengths"][-1] if len(self) else 0

    @property
    def last_time(self) -> float:
        """When the last one ended, in seconds of search."""
        return max(self._columns["times"], default=0.0)

    def append(self, one: Candidate) -> None:
        """Adds one that has ended."""
        metrics = one.metrics or {}
        for name in metrics.keys() - self._metrics.keys():
            self._metrics[name] = array("d", [math.nan] * len(self))
        for name, column in self._metrics.items():
            column.append(metrics.get(name, math.nan))
        self._columns["times"].append(one.finished_at)
        self._columns["seconds"].append(one.seconds)
        self._columns["params"].append(math.nan if one.num_parameters is None else one.num_parameters)
        self._columns["failed"].append(one.metrics is None)
        self._columns["numbers"].append(one.number)
        self._columns["lengths"].append(one.length)
        self._columns["offsets"].append(one.offset)

    def place_of(self, number: int) -> int | None:
        """Returns the place, from 0, of the candidate that ended last of those with a number; `None` for none."""
        numbers = self._columns["numbers"]
        return next((place for place in reversed(range(len(self))) if numbers[place] == number), None)

    def places(
        self, *, order: CandidateOrder = "ended", objective: Objective | None = None, status: Ending | None = None
    ) -> Sequence[int]:
        """Returns the places of some of them, from 0.

        Args:
            order: Which come first.
            objective: What the search improves; without it there is no best, and they stay in the order of their ends.
            status: Only those that ended so; `None` for all.
        """
        name, is_turned = order.removeprefix("-"), order.startswith("-")
        failed = self._columns["failed"]
        found: Sequence[int] = range(len(self))
        if status is not None:
            found = [place for place in found if bool(failed[place]) == (status == "failed")]
        if name == "ended" or (name == "best" and objective is None):
            return found[::-1] if is_turned else found
        if name == "best" and objective is not None:
            values: Sequence[float] = self._metrics.get(objective.metric, array("d", [math.nan] * len(self)))
            # The best is the lowest value of a loss, and the highest one of all else.
            is_turned ^= objective.direction == "max"
        else:
            values = self._columns[name]
        known = [place for place in found if not math.isnan(values[place])]
        unknown = [place for place in found if math.isnan(values[place])]
        return sorted(known, key=values.__getitem__, reverse=is_turned) + unknown

    def scored(self, metric: str) -> list[Scored]:
        """Returns the scores of those that have a metric."""
        scores = self._metrics.get(metric, array("d"))
        rows = zip(self._columns["numbers"], self._columns["times"], scores, strict=False)
        return [Scored(*row) for row in rows if not math.isnan(row[2])]

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values."""
        columns = {name: column.tolist() for name, column in self._columns.items()}
        return {**columns, "metrics": {name: column.tolist() for name, column in self._metrics.items()}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` made.

        Raises:
            Exception: one of `DAMAGE` where it is nothing of that.
        """
        found = cls()
        found._columns = {
            name: _numbers(values[name]) if kind == "d" else array(kind, values[name])
            for name, kind in _COLUMNS.items()
        }
        found._metrics = {str(name): _numbers(column) for name, column in values["metrics"].items()}
        if len({*map(len, found._columns.values()), *map(len, found._metrics.values())}) != 1:
            raise ValueError("its columns are not equally long")
        return found


def _numbers(column: Sequence[float | None]) -> array[float]:
    return array("d", [math.nan if value is None else value for value in column])


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
    return Candidate(
        offset,
        len(line),
        record.number,
        record.finished_at,
        record.seconds,
        record.num_parameters,
        None if record.fitness is None else record.metrics,
    )
