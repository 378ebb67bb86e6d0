"""Where values stand on an axis of their own, from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeGuard

import numpy as np

from kevo.report.plots.style import value_label

_MOST_NAMED_VALUES = 8
_NUM_MARKS = 5
_LOG_RATIO = 30
_LARGEST = 1e30

Value = str | int | float | bool


class Scale(Protocol):
    """Where values stand."""

    has_steps: bool
    """Whether many candidates stand on the same place."""

    def height(self, value: Value) -> float:
        """Returns where a value stands."""

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Places, and their labels."""


class Steps:
    """Each value on a step of its own; numbers in their order, then words in theirs."""

    has_steps = True

    def __init__(self, values: Iterable[Value]) -> None:
        ordered = sorted(
            set(values), key=lambda value: (isinstance(value, str), "" if is_number(value) else str(value))
        )
        numbers = sorted(value for value in ordered if not isinstance(value, str))
        ordered[: len(numbers)] = numbers
        self._steps = {value: step / max(len(ordered) - 1, 1) for step, value in enumerate(ordered)}

    def height(self, value: Value) -> float:
        return self._steps[value]

    @property
    def marks(self) -> list[tuple[float, str]]:
        every = math.ceil(len(self._steps) / _MOST_NAMED_VALUES)
        return [(height, value_label(value)) for value, height in list(self._steps.items())[::every]]


class Even:
    """A linear scale, or a logarithmic one for numbers that span much; numbers beyond its ends are put there."""

    has_steps = False

    def __init__(self, low: float, high: float, *, is_open: tuple[bool, bool] = (False, False)) -> None:
        self._is_logarithmic = low > 0 and high > _LOG_RATIO * low
        self._low, self._high = self._scaled(low), self._scaled(high)
        self._is_open = is_open

    def height(self, value: Value) -> float:
        if self._low == self._high:
            return 0.5
        return min(max((self._scaled(float(value)) - self._low) / (self._high - self._low), 0.0), 1.0)

    @property
    def marks(self) -> list[tuple[float, str]]:
        if self._low == self._high:
            return [(0.5, f"{self._number(self._low):.3g}")]
        places = np.linspace(0.0, 1.0, _NUM_MARKS).tolist()
        words = [f"{self._number(self._low + place * (self._high - self._low)):.3g}" for place in places]
        for end, sign, is_open in ((0, "≤", self._is_open[0]), (-1, "≥", self._is_open[1])):
            words[end] = f"{sign} {words[end]}" if is_open else words[end]
        return list(zip(places, words, strict=True))

    def _scaled(self, number: float) -> float:
        return math.log(max(number, 1 / _LARGEST)) if self._is_logarithmic else number

    def _number(self, scaled: float) -> float:
        return math.exp(scaled) if self._is_logarithmic else scaled


def scale_of(values: Sequence[Value | None]) -> Scale:
    """Returns the scale for a gene; a value is `None` in a genome without it."""
    known = {value for value in values if value is not None}
    numbers = [float(value) for value in known if is_number(value)]
    if len(numbers) == len(known) > _MOST_NAMED_VALUES:
        return Even(min(numbers), max(numbers))
    return Steps(known)


def is_number(value: object) -> TypeGuard[int | float]:
    """Tells whether something is a number that a gene may have."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def plain(value: object) -> Value | None:
    """Returns a gene as it is where it can be compared, or else in words: a record may come from anyone."""
    if value is None or isinstance(value, str | bool) or is_number(value):
        return value
    return str(value)
