"""Medians and slopes, and how tables show numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

import numpy as np


def median(values: Iterable[float]) -> float:
    """Returns the median of the values that are not NaN; NaN if there are none."""
    numbers = [value for value in values if not math.isnan(value)]
    return statistics.median(numbers) if numbers else math.nan


def slope(values: Sequence[float]) -> float:
    """Returns the slope of the least squares line through values at 0, 1, 2, ...; NaN for fewer than two values."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0]) if len(values) > 1 else math.nan


def cell(value: float, form: str) -> str:
    """Formats a number for a table: empty for NaN, `never` for infinity."""
    if math.isnan(value):
        return ""
    return "never" if math.isinf(value) else format(value, form)


def ratio(numerator: float, denominator: float) -> str:
    """Formats a quotient for a table; empty if the denominator is 0."""
    return cell(numerator / denominator, ".3g") if denominator else ""
