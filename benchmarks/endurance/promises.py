"""Promises of the benchmark, and helpers of the parts' tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchmarks.endurance.jobs import Facts, Measurement
from benchmarks.support.numbers import median
from benchmarks.support.pages import table

Promise = tuple[str, str, bool]
"""What is promised, what was measured, and whether the promise was kept."""


def promise_table(promises: Iterable[Promise]) -> str:
    """Returns a table of promises in Markdown."""
    rows = ((words, value, "yes" if is_kept else "**no**") for words, value, is_kept in promises)
    return table(("promised", "measured", "kept"), rows)


def median_fact(rows: Sequence[Measurement], value: Callable[[Facts], float]) -> float:
    """Returns the median over seeds of a value of the facts."""
    return median(value(one.facts) for one in rows)


def no_exceptions(rows: Sequence[Measurement]) -> tuple[str, bool]:
    """Returns the number of problems in words, and whether there are none: the end of a promise."""
    num = sum(len(one.problems) for one in rows)
    return f"{num or 'no'} exception{'s' * (num != 1)}", not num
