"""Reads a series from a CSV file or arrays: rows in order of time, on equal steps, with what is missing known."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError
from kevo.system.text import plural
from kevo.tasks.series import clock
from kevo.tasks.series.clock import Clock, Timed
from kevo.tasks.tables.columns import Raw, count_missing, typed
from kevo.tasks.tables.dates import read_dates, read_parts
from kevo.tasks.tables.reading import Limits, Table, from_array, is_table_file, listed, read_table

ARRAY_TARGET = "value"
"""The name of a series that came as an array."""
_TIME_NAMES = frozenset(
    {"date", "datetime", "day", "ds", "index", "month", "period", "step", "t", "time", "timestamp", "year"}
)
"""Names of columns of times, where these are numbers."""
_MOST_MISSING = 0.3
"""A series that lacks a larger share of its steps is none of equal steps."""
_LEAST_NUMBERS = 0.95
"""A column in which a smaller share of the values are numbers is none of numbers."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series on equal steps.

    Args:
        name: A short name, fit for a file.
        times: The names of the columns of times; none where rows are steps.
        clock: The steps.
        columns: The names of its columns, that to be forecast first.
        values: Their values, shape (num_steps, num_columns), without gaps: where one is missing it is the last known
            one, or before the first known one that.
        is_known: Whether the value that is to be forecast is known, shape (num_steps,).
        unused: The names of columns that are no numbers, or say nothing.
        notes: What was decided, in words.
    """

    name: str
    times: tuple[str, ...]
    clock: Clock
    columns: tuple[str, ...]
    values: npt.NDArray[np.float32]
    is_known: npt.NDArray[np.bool_]
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def later(self, first: int) -> Series:
        """Returns the series without the steps before one of them."""
        return dataclasses.replace(
            self, clock=self.clock.later(first), values=self.values[first:], is_known=self.is_known[first:]
        )


class _Rows(NamedTuple):
    """A table, the columns of its times, what these say, and how they are read where that is in doubt."""

    table: Table
    times: tuple[str, ...]
    timed: Timed
    order: str = ""


def read(
    source: Any,
    *,
    target: str | None = None,
    times: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    limits: Limits | None = None,
) -> Series:
    """Reads a series.

    Args:
        source: The path of a file of rows, see `kevo.tasks.tables.reading.read_table`; a data frame, whose index may be
            of dates; or an array of shape (n,) or (n, num_columns), whose first column is the target.
        target: The column to be forecast. `None` takes the only one of numbers.
        times: The columns of times; none where rows are steps. `None` finds them.
        columns: The columns of a model, the target first. `None` takes all that are numbers and say something.
        limits: What to refuse. Defaults to `Limits()`.

    Raises:
        DataError: the source cannot be read, lacks a column, or has no equal steps.
    """
    name, table, index = _table(source, limits)
    rows = _timed(table, index, times, target, name)
    target, used, unused = _columns(rows, target, columns, name)
    notes = [_times_note(rows)]
    values = np.stack([typed(rows.table.columns[one], "number") for one in used], axis=1)
    positions, values, more = _ordered(rows.timed.positions, values, name)
    num_steps = int(positions[-1]) + 1
    if num_steps - len(positions) > _MOST_MISSING * num_steps:
        raise DataError(
            f"{name} has {len(positions):,} rows for {num_steps:,} steps of {rows.timed.clock.words}: too many are "
            "missing. Expected equal steps: bring the series to longer ones first, such as by means of weeks."
        )
    grid = np.full((num_steps, len(used)), np.nan, np.float32)
    grid[positions] = values
    known = ~np.isnan(grid)
    if empty := [one for place, one in enumerate(used) if not known[:, place].any()]:
        raise DataError(f"{name} has no number in {listed(empty)}. Expected values of the past.")
    # What comes before the first value says nothing.
    first = int(known[:, 0].argmax())
    filled, known = _filled(grid, known)[first:], known[first:]
    notes += [*more, *_gaps(num_steps - len(positions), known, used, first), *_left_out(unused, used)]
    return Series(
        name,
        rows.times,
        rows.timed.clock.later(first),
        tuple(used),
        filled,
        known[:, 0],
        tuple(unused),
        tuple(notes),
    )


def forecastable(source: Any, *, limits: Limits | None = None) -> tuple[str, ...]:
    """Returns the columns of a source that can be forecast, by times of the source's own; none where it has no times.

    Args:
        source: As for `read`.
        limits: What to refuse. Defaults to `Limits()`.

    Raises:
        DataError: the source cannot be read, or has no equal steps.
    """
    name, table, index = _table(source, limits)
    rows = _timed(table, index, None, None, name)
    if rows.timed.clock.unit == "row":
        return ()
    others = [one for one in table.columns if one not in rows.times]
    return tuple(one for one in others if _is_of_numbers(table.columns[one]) and not _counts(table.columns[one]))


def _table(source: Any, limits: Limits | None) -> tuple[str, Table, Raw | None]:
    """Reads a source; returns its name, its rows, and the dates of its index."""
    if is_table_file(source):
        path = Path(source)
        name = re.sub(r"[^\w.-]+", "_", path.resolve().stem) or "series"
        return name, read_table(path, limits=limits), None
    if isinstance(source, str | os.PathLike):
        raise DataError(f"Cannot read a series from {source}. Expected the path of a .csv file.")
    values = np.asarray(source)
    if values.ndim == 1:
        column = str(getattr(source, "name", None) or ARRAY_TARGET)
        table = from_array(values.reshape(-1, 1), names=[column], limits=limits)
    else:
        num_columns = values.shape[1] if values.ndim == 2 else 1
        names = [ARRAY_TARGET, *(f"column_{place}" for place in range(2, num_columns + 1))]
        table = from_array(source, names=names, limits=limits)
    # Lists have a method of that name.
    index = getattr(source, "index", None)
    dates = np.asarray(() if index is None or callable(index) else index)
    return "series", table, list(map(str, dates)) if dates.dtype.kind == "M" else None


def _timed(table: Table, index: Raw | None, times: Sequence[str] | None, target: str | None, name: str) -> _Rows:
    columns = table.columns
    if times is not None:
        if lacking := [one for one in times if one not in columns]:
            raise DataError(
                f"{name} has no column {listed(lacking)} of times. Expected one of: {listed(list(columns))}."
            )
        return _Rows(table, tuple(times), _times(columns, times))
    if index is not None and (dates := read_dates(index)) is not None:
        return _Rows(table, (), clock.of_dates(dates, what="the index"))
    if (parts := read_parts(columns)) is not None and target not in parts[0]:
        return _Rows(table, parts[0], clock.of_dates(parts[1], what=listed(parts[0])))
    for one, values in columns.items():
        if one != target and (dates := read_dates(values)) is not None:
            return _Rows(table, (one,), clock.of_dates(dates, what=repr(one)), dates.order)
    for one in columns:
        if one != target and one.strip().casefold() in _TIME_NAMES and np.isfinite(typed(columns[one], "number")).all():
            return _Rows(table, (one,), _times(columns, [one]))
    return _Rows(table, (), Timed(Clock.rows(), np.arange(table.num_rows)))


def _times(columns: Mapping[str, Raw], names: Sequence[str]) -> Timed:
    """Reads the times of columns that are known to hold some."""
    chosen = {name: columns[name] for name in names}
    if not chosen:
        return Timed(Clock.rows(), np.arange(len(next(iter(columns.values())))))
    if len(chosen) > 1:
        parts = read_parts(chosen)
        if parts is None or len(parts[0]) < len(chosen):
            raise DataError(
                f"The columns {listed(list(chosen))} are no times together. Expected them to be called year and month, "
                "and perhaps day and hour, with whole numbers in each row."
            )
        return clock.of_dates(parts[1], what=listed(list(chosen)))
    ((name, values),) = chosen.items()
    if (dates := read_dates(values)) is not None:
        return clock.of_dates(dates, what=repr(name))
    numbers = np.array([_number(value) for value in values], np.float64)
    if not np.isfinite(numbers).all():
        row = int((~np.isfinite(numbers)).argmax())
        raise DataError(
            f"The time in {name!r} cannot be read in row {row + 1}: {str(values[row])!r}. Expected dates of one form "
            "in all rows, such as 2024-01-31, or numbers."
        )
    return clock.of_numbers(numbers, what=repr(name))


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except ValueError:
        return float("nan")


def _columns(
    rows: _Rows, target: str | None, columns: Sequence[str] | None, name: str
) -> tuple[str, list[str], list[str]]:
    """Returns the target, the columns that are used, it first, and the names of the others."""
    others = [one for one in rows.table.columns if one not in rows.times]
    if columns is not None:
        if lacking := [one for one in columns if one not in rows.table.columns]:
            raise DataError(
                f"{name} lacks {listed(lacking)}. Expected the columns that the model was trained on: "
                f"{listed(list(columns))}."
            )
        return columns[0], list(columns), [one for one in others if one not in columns]
    numeric = [one for one in others if _is_of_numbers(rows.table.columns[one])]
    if target is None:
        if len(numeric) != 1:
            raise DataError(
                f"Which column of {name} is to be forecast? Expected --target with one of: {listed(numeric) or 'none'}."
            )
        target = numeric[0]
    if target not in rows.table.columns:
        raise DataError(f"{name} has no column {target!r}. Expected one of: {listed(numeric)}.")
    if target in rows.times:
        raise DataError(f"The column {target!r} holds the times. Expected one to be forecast: {listed(numeric)}.")
    if not _is_of_numbers(rows.table.columns[target]):
        raise DataError(
            f"The column {target!r} of {name} does not hold numbers that differ. Expected such to forecast."
        )
    used = [target, *(one for one in numeric if one != target and not _counts(rows.table.columns[one]))]
    return target, used, [one for one in others if one not in used]


def _is_of_numbers(values: Raw) -> bool:
    """Tells whether nearly all of a column are numbers, and not all the same."""
    found = typed(values, "number")
    known = np.isfinite(found)
    present = len(values) - count_missing(values)
    return bool(known.sum() > _LEAST_NUMBERS * present) and len(np.unique(found[known])) > 1


def _counts(values: Raw) -> bool:
    """Tells whether a column counts the rows."""
    found = typed(values, "number")
    return bool((np.diff(found) == 1).all())


def _ordered(
    positions: clock.Positions, values: npt.NDArray[np.float32], name: str
) -> tuple[clock.Positions, npt.NDArray[np.float32], list[str]]:
    """Brings rows into the order of their times, each of which may stand there once."""
    notes = []
    if (np.diff(positions) < 0).any():
        order = np.argsort(positions, kind="stable")
        positions, values = positions[order], values[order]
        notes.append("The rows are not in order of time: they were sorted.")
    repeats = np.flatnonzero(np.diff(positions) == 0)
    if len(repeats):
        same = np.array_equal(values[repeats], values[repeats + 1], equal_nan=True)
        if not same:
            raise DataError(
                f"{plural(len(repeats), 'row')} of {name} have a time that another row has too. Expected one row for "
                "each time: where the file holds several series, search each in a file of its own."
            )
        notes.append(f"Rows that stand there twice were left out once: {len(repeats):,}.")
        kept = np.flatnonzero(np.diff(positions, prepend=-1) > 0)
        positions, values = positions[kept], values[kept]
    return positions, values, notes


def _filled(grid: npt.NDArray[np.float32], known: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Carries the last known value of each column on; before the first one stands that one."""
    places = np.maximum.accumulate(np.where(known, np.arange(len(grid))[:, None], -1), axis=0)
    places = np.where(places < 0, known.argmax(axis=0), places)
    found: npt.NDArray[np.float32] = np.nan_to_num(np.take_along_axis(grid, places, axis=0))
    return found


def _times_note(rows: _Rows) -> str:
    one, (first, last) = rows.timed.clock, (rows.timed.positions.min(), rows.timed.positions.max())
    if one.unit == "row":
        return "No column holds times: each row is a step, in the order of the file."
    where = listed(rows.times) if rows.times else "the index"
    order = f", read with {rows.order}" if rows.order else ""
    return f"Times are in {where}: steps of {one.words}, from {one.text(int(first))} to {one.text(int(last))}{order}."


def _gaps(num_rows: int, known: npt.NDArray[np.bool_], columns: Sequence[str], first: int) -> list[str]:
    notes = []
    if num_rows:
        notes.append(f"{plural(num_rows, 'step')} of {len(known) + first:,} have no row.")
    if first:
        notes.append(f"The first {plural(first, 'step')} without a value of {columns[0]!r} were left out.")
    lacking = {name: int(num) for name, num in zip(columns, (~known).sum(axis=0), strict=True) if num}
    if lacking:
        words = ", ".join(f"{name!r} at {num:,}" for name, num in lacking.items())
        notes.append(
            f"Values are missing: {words}. There the last known value goes on, and a window whose answer would be one "
            "of these is not used."
        )
    return notes


def _left_out(unused: Sequence[str], used: Sequence[str]) -> list[str]:
    notes = []
    if len(used) > 1:
        notes.append(f"{used[0]!r} is forecast from its own past and from that of {listed(used[1:])}.")
    if unused:
        notes.append(f"Left out {listed(unused)}: no numbers that differ, or a count of the rows.")
    return notes
