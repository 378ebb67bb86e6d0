"""Which columns of a table hold dates, and what times they say; no library guesses where two readings are possible."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kevo.tasks.tables.columns import Raw, is_missing, parse

Seconds = npt.NDArray[np.float64]
"""Times as seconds since 1970 without a zone, shape (n,)."""
_EPOCH = datetime(1970, 1, 1)
_ISO = "iso"
_FORMS = (
    _ISO,
    *("%Y-%m", "%Y/%m", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d-%m-%Y"),
    *("%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"),
    *("%b %Y", "%B %Y", "%b-%Y", "%Y %b", "%Y-%b", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y"),
    *("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S"),
    *("%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"),
)
"""How dates may be written. ISO 8601 stands for all that `datetime.fromisoformat` reads."""
_DAY_FIRST = {"%m/%d/%Y": "%d/%m/%Y"}
_NUM_LOOKED_AT = 50
_COMPACT = re.compile(r"(1[89]|2[01])\d{2}[01]\d[0-3]\d")
"""A date without signs, such as 20120131."""
_PARTS = ("year", "month", "day", "hour")
"""Columns of these names say a time together, as far as they are there: the first two at least."""


class Dates(NamedTuple):
    """Times of rows.

    Args:
        seconds: Seconds since 1970, shape (n,).
        are_months: Whether they name months, and no days.
        order: Whether day or month comes first, in words, where both could be meant; else empty.
    """

    seconds: Seconds
    are_months: bool = False
    order: str = ""


def read_dates(values: Raw) -> Dates | None:
    """Reads a column of dates; returns `None` where one of them is none, or where they are plain numbers.

    Args:
        values: The column. Times with a zone become UTC.

    Example:
        >>> read_dates(["1970-01-02", "1970-01-03"]).seconds.tolist()
        [86400.0, 172800.0]
    """
    if isinstance(values, np.ndarray) or not len(values):
        return None
    texts = [text.strip() for text in values]
    first = texts[:_NUM_LOOKED_AT]
    are_numbers = all(parse(text) is not None for text in first) and not all(map(_COMPACT.fullmatch, first))
    if are_numbers or any(map(is_missing, texts)):
        return None
    fitting = [form for form in _FORMS if _seconds(first, form) is not None]
    for form in fitting:
        found = _seconds(texts, form)
        if found is None:
            continue
        other = next((day for month, day in _DAY_FIRST.items() if form.startswith(month)), None)
        if other is not None:
            swapped = _seconds(texts, form.replace("%m/%d/%Y", other))
            # The reading with the more regular steps is meant, in doubt that with the month first.
            if swapped is None:
                return Dates(found)
            is_day = _regularity(swapped) > _regularity(found)
            return Dates(swapped, order="the day first") if is_day else Dates(found, order="the month first")
        return Dates(found, are_months="%d" not in form and (form != _ISO or all(map(_is_month, first))))
    return None


def read_parts(columns: Mapping[str, Raw]) -> tuple[tuple[str, ...], Dates] | None:
    """Reads times from columns called year, month, day and hour; returns their names and the times.

    Args:
        columns: Those of a table. Months may be names.
    """
    named = {name.strip().casefold(): name for name in reversed(list(columns))}
    found = [named[part] for part in _PARTS if part in named]
    names = tuple(found[: next((place for place, part in enumerate(_PARTS) if part not in named), len(_PARTS))])
    if len(names) < 2:
        return None
    try:
        numbers = [_whole(columns[name], is_month=place == 1) for place, name in enumerate(names)]
        days = [] if len(names) > 2 else [[1] * len(numbers[0])]
        seconds = [_stamp(datetime(*row)) for row in zip(*numbers, *days, strict=True)]
    except (ValueError, OverflowError):
        return None
    return names, Dates(np.array(seconds), are_months=len(names) == 2)


def times_of_rows(columns: Mapping[str, Raw]) -> tuple[str, ...]:
    """Returns the columns that say a time of its own for each row, as dates; none where there are none."""
    parts = read_parts(columns)
    found = [] if parts is None else [parts]
    found += [((name,), dates) for name, values in columns.items() if (dates := read_dates(values)) is not None]
    return next((names for names, dates in found if len(set(dates.seconds.tolist())) == len(dates.seconds)), ())


def _is_month(text: str) -> bool:
    return re.fullmatch(r"\d{4}-?\d{2}", text) is not None


def _seconds(texts: Sequence[str], form: str) -> Seconds | None:
    try:
        if form == _ISO:
            return np.array([_stamp(datetime.fromisoformat(text)) for text in texts])
        return np.array([_stamp(datetime.strptime(text, form)) for text in texts])
    except ValueError:
        return None


def _stamp(time: datetime) -> float:
    if time.tzinfo is not None:
        time = time.astimezone(UTC).replace(tzinfo=None)
    return (time - _EPOCH).total_seconds()


def _regularity(seconds: Seconds) -> float:
    """Returns the share of the commonest step, in months or in seconds."""
    ordered = np.sort(seconds)
    days = ordered.astype("datetime64[s]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    shares = [_commonest(np.diff(ordered))]
    if len(set((days - months.astype("datetime64[D]")).tolist())) == 1:
        shares.append(_commonest(np.diff(months.astype(np.int64))))
    return max(shares)


def _commonest(steps: npt.NDArray[Any]) -> float:
    counts = np.unique(steps, return_counts=True)[1]
    return float(counts.max() / counts.sum()) if len(counts) else 0.0


def _whole(values: Raw, *, is_month: bool) -> list[int]:
    """Returns whole numbers, or raises a `ValueError`."""
    texts = [f"{value:g}" for value in values.tolist()] if isinstance(values, np.ndarray) else list(values)
    return [_month(text.strip()) if is_month else int(float(text)) for text in texts]


def _month(text: str) -> int:
    for form in ("%B", "%b"):
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, form).month
    return int(float(text))
