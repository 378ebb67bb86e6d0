"""The times of a series: equal steps from a start, with calendar months and working days as steps too."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError
from kevo.system.text import plural
from kevo.tasks.tables.dates import Dates, Seconds

Unit = Literal["row", "number", "second", "working day", "month"]
Positions = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1)
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60
_SHORTEST_MONTH = 27 * _DAY
_TOLERANCE = 0.1
"""So much of a step may a number be beside its place: 1749.083 stands for 1749 and a twelfth."""
_YEARS = (1000, 3000)
"""Numbers in this range may be years."""
_MONDAY = 4
"""The weekday of the first day of 1970, from Monday on, is Thursday: so many days later a week begins."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Equal steps of time.

    Args:
        unit: What steps are counted in. `row` where there are no times.
        start: The time of position 0: a row or number; seconds, working days or months since 1970.
        step: The units from one position to the next.
        offset: Seconds since the beginning of the month or the day, of units that are these.
        is_last_day: Whether times are those of the last day of each month.
        are_months: Whether times are written as months, without a day.
    """

    unit: Unit
    start: float
    step: float
    offset: float = 0.0
    is_last_day: bool = False
    are_months: bool = False

    @classmethod
    def rows(cls) -> Self:
        """Returns the steps of rows without times."""
        return cls("row", 1.0, 1.0)

    @property
    def words(self) -> str:
        """A step in words.

        Example:
            >>> Clock("second", 0.0, 7200.0).words, Clock("month", 0.0, 1.0).words
            ('2 hours', '1 month')
        """
        if self.unit == "second":
            for seconds, name in ((7 * _DAY, "week"), (_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
                if self.step % seconds == 0:
                    return plural(int(self.step // seconds), name)
            return f"{self.step:g} seconds"
        if self.unit == "month":
            num = int(self.step)
            return plural(num // 12, "year") if num % 12 == 0 else plural(num, "month")
        return f"{self.step:g}" if self.unit == "number" else plural(int(self.step), self.unit)

    @property
    def seasons(self) -> tuple[int, ...]:
        """Numbers of steps after which such series often repeat: a day, a week, a year."""
        if self.unit == "month":
            num = int(self.step)
            return (12 // num,) if num < 12 and 12 % num == 0 else ()
        if self.unit == "working day":
            return (5,) if self.step == 1 else ()
        if self.unit != "second":
            return ()
        if self.step == 7 * _DAY:
            return (52,)
        spans = (_DAY, 7 * _DAY) if self.step < _DAY else (7 * _DAY,)
        return tuple(int(span // self.step) for span in spans if span % self.step == 0 and span // self.step > 1)

    def later(self, num_steps: int) -> Self:
        """Returns the same steps, beginning so many later."""
        return dataclasses.replace(self, start=self.start + num_steps * self.step)

    def text(self, position: int) -> str:
        """Returns the time of a position, as people write it.

        Example:
            >>> Clock("month", -252.0, 1.0, are_months=True).text(143), Clock("second", 0.0, 86400.0).text(31)
            ('1960-12', '1970-02-01')
        """
        value = self.start + position * self.step
        if self.unit in ("row", "number"):
            return f"{value:.10g}"
        if self.unit == "second":
            return _written(value, self.step)
        if self.unit == "working day":
            return _written(float(_from_working_days(np.array([int(value)]))[0]) * _DAY + self.offset, _DAY)
        month = np.datetime64("1970-01", "M") + int(value)
        if self.are_months:
            return str(month)
        if self.is_last_day:
            return str((month + 1).astype("datetime64[D]") - 1)
        return _written(float(month.astype("datetime64[s]").astype(np.int64)) + self.offset, _DAY)

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values, from which `from_json` makes the same."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        found = cls(**{field.name: values[field.name] for field in dataclasses.fields(cls)})
        numbers = (float(found.start), float(found.step), float(found.offset))
        if found.unit not in ("row", "number", "second", "working day", "month") or not found.step > 0:
            raise ValueError("its times have no steps")
        if not all(map(math.isfinite, numbers)):
            raise ValueError("its times are no numbers")
        return found


class Timed(NamedTuple):
    """The times of rows: their steps, and the position of each, shape (n,)."""

    clock: Clock
    positions: Positions


def of_dates(dates: Dates, *, what: str) -> Timed:
    """Finds the steps of dates.

    Args:
        dates: The dates, in any order.
        what: What to call them in errors.

    Raises:
        DataError: they have no equal steps.

    Example:
        >>> of_dates(Dates(np.array([0.0, 86400.0, 259200.0])), what="'day'").positions.tolist()
        [0, 1, 3]
    """
    ordered = np.unique(dates.seconds)
    steps = np.diff(ordered)
    if not len(steps):
        raise DataError(f"All rows have the same time in {what}. Expected times that differ.")
    if steps.min() >= _SHORTEST_MONTH and (found := _of_months(dates, ordered)) is not None:
        return found
    days = (ordered // _DAY).astype(np.int64)
    is_weekday = (days - _MONDAY) % 7 < 5
    if _commonest(steps) == _DAY and is_weekday.all() and (steps == 3 * _DAY).any() and len(set(ordered % _DAY)) == 1:
        own = _to_working_days((dates.seconds // _DAY).astype(np.int64))
        clock = Clock("working day", float(own.min()), 1.0, offset=float(ordered[0] % _DAY))
        return Timed(clock, own - own.min())
    return _of_numbers(dates.seconds, "second", what=what, tolerance=1e-6)


def of_numbers(numbers: Seconds, *, what: str) -> Timed:
    """Finds the steps of times that are plain numbers; arguments and errors as for `of_dates`.

    Years with twelfths, such as 1749.083, are months.

    Example:
        >>> of_numbers(np.array([1749.0, 1749.083, 1749.167]), what="'time'").clock.text(1)
        '1749-02'
    """
    months = np.rint(12 * numbers)
    if _YEARS[0] <= numbers.min() and numbers.max() <= _YEARS[1] and (abs(12 * numbers - months) < _TOLERANCE).all():
        own = months.astype(np.int64)
        if len(own) > 1 and int(np.gcd.reduce(np.diff(np.unique(own)))) == 1:
            clock = Clock("month", float(own.min() - 12 * 1970), 1.0, are_months=True)
            return Timed(clock, own - own.min())
    return _of_numbers(numbers, "number", what=what, tolerance=_TOLERANCE)


def _of_numbers(numbers: Seconds, unit: Unit, *, what: str, tolerance: float) -> Timed:
    ordered = np.unique(numbers)
    if len(ordered) < 2:
        raise DataError(f"All rows have the same time in {what}. Expected times that differ.")
    step = _commonest(np.diff(ordered))
    if unit == "number":
        # The commonest difference of rounded numbers is rounded too: over the whole length it is exact.
        num = round((ordered[-1] - ordered[0]) / step)
        exact = (ordered[-1] - ordered[0]) / num
        step = exact if abs(exact - step) < tolerance * step else step
    places = (numbers - ordered[0]) / step
    positions = np.rint(places)
    odd = abs(places - positions) > tolerance
    clock = Clock(unit, float(ordered[0]), float(step))
    if odd.any():
        raise DataError(
            f"The times in {what} have no equal steps: {int(odd.sum()):,} of {len(numbers):,} rows are beside steps of "
            f"{clock.words}, the commonest. Expected equal steps, though some may be missing: bring the series to one "
            "step first, such as by means of days."
        )
    return Timed(clock, positions.astype(np.int64))


def _of_months(dates: Dates, ordered: Seconds) -> Timed | None:
    """Finds steps of whole months; `None` where times are not of the same day in each."""
    times = ordered.astype("datetime64[s]")
    months = times.astype("datetime64[M]")
    offsets = (times - months.astype("datetime64[s]")).astype(np.int64)
    is_last = ((times.astype("datetime64[D]") + 1).astype("datetime64[M]") > months).all()
    if len(set(offsets.tolist())) > 1 and not is_last:
        return None
    numbers = months.astype(np.int64)
    step = int(np.gcd.reduce(np.diff(numbers)))
    own = dates.seconds.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    clock = Clock(
        "month",
        float(numbers[0]),
        float(step),
        offset=0.0 if is_last else float(offsets[0]),
        is_last_day=bool(is_last),
        are_months=dates.are_months,
    )
    return Timed(clock, (own - numbers[0]) // step)


def _commonest(steps: Seconds) -> float:
    found, counts = np.unique(np.round(steps, 9), return_counts=True)
    return float(found[counts.argmax()])


def _to_working_days(days: Positions) -> Positions:
    """Counts working days since the Monday before 1970, of days since 1970 that are some."""
    weeks, weekday = np.divmod(days - _MONDAY, 7)
    counted: Positions = weeks * 5 + weekday
    return counted


def _from_working_days(counted: Positions) -> Positions:
    weeks, weekday = np.divmod(counted, 5)
    days: Positions = weeks * 7 + weekday + _MONDAY
    return days


def _written(seconds: float, step: float) -> str:
    time = _EPOCH + timedelta(seconds=seconds)
    if step % _DAY == 0 and (time.hour, time.minute, time.second) == (0, 0, 0):
        return time.strftime("%Y-%m-%d")
    return time.strftime("%Y-%m-%d %H:%M" if time.second == 0 else "%Y-%m-%d %H:%M:%S")
