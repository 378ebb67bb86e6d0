"""The value that is white: one for all pictures of a source, told from all of them.

A container says little of its content: twelve bits of a camera come in files of sixteen, and a filter leaves floats
from 0 to 1 a hair above 1. So one white is chosen for a whole source, by all its values but the few that stand out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

_DEPTHS = (255, 1023, 4095, 16383, 65535)
"""White of 8, 10, 12, 14 and 16 bits."""
_OUTLIERS = 1e-3
"""The share of values that may lie above white: hot pixels, and what a filter adds at edges."""
_OVERSHOOT = 0.25
"""So much of the range 0-1 may lie beyond its ends."""
_DARK = 16
"""Floats for 0-255 that all lie below this are something else, unless they are whole numbers."""
_BRIGHT, _BRIGHTER = 268, 511
"""Floats for 0-255 end below the first; those that end between both may be anything."""
_MOST_AT_ONCE = 1 << 22
"""So many values are scaled at a time."""
_LIMITS = (1 + _OVERSHOOT, _DARK, 255, _BRIGHT, _BRIGHTER, *_DEPTHS[1:])


@dataclass(frozen=True, slots=True)
class Whites:
    """The value that is white, of each kind of numbers; `None` where a source has no such numbers.

    Args:
        integers: Of whole numbers that no picture format brings to 8 bits by itself.
        floats: Of floats.
    """

    integers: int | None = None
    floats: int | None = None

    def given(self, *, is_float: bool) -> int | None:
        """The white of a kind of numbers."""
        return self.floats if is_float else self.integers

    def filled(self) -> Whites:
        """These, and what the containers stand for where there is none: 16 bits, and floats 0-1."""
        return Whites(self.integers or 65535, self.floats or 1)


UNKNOWN = Whites()
"""The whites of a source whose numbers all come as 0-255."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Which values occur.

    Args:
        low: The lowest value.
        high: The highest value.
        num_values: How many there are.
        num_above: How many lie above each of some limits.
        is_whole: Whether all are whole numbers.
    """

    low: float
    high: float
    num_values: int
    num_above: tuple[int, ...]
    is_whole: bool

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> Self:
        """Counts the values of an array."""
        is_float = values.dtype.kind == "f"
        # NumPy's extremes, unlike Python's, are NaN where any value is.
        low, high = float(values.min()), float(values.max())
        # The highest limit is beyond all that float16 holds, but infinity.
        with np.errstate(over="ignore"):
            num_above = tuple(int(np.count_nonzero(values > limit)) if high > limit else 0 for limit in _LIMITS)
        is_whole = not is_float or (1 < high <= _DARK and bool((values == np.rint(values)).all()))
        return cls(low, high, values.size, num_above, is_whole)

    @classmethod
    def joined(cls, parts: Iterable[Levels]) -> Self:
        """The levels of several arrays together."""
        all_parts = list(parts)
        return cls(
            float(np.min([one.low for one in all_parts])),
            float(np.max([one.high for one in all_parts])),
            sum(one.num_values for one in all_parts),
            tuple(map(sum, zip(*(one.num_above for one in all_parts), strict=True))),
            all(one.is_whole for one in all_parts),
        )

    def white(self, *, is_float: bool) -> int:
        """Chooses the value that is white.

        Whole numbers have the fewest of 8, 10, 12, 14 and 16 bits that hold them, or are 0 and 1. Floats are taken for
        0-1, else for 0-255, else for as many bits. One value in a thousand may lie above.

        Raises:
            ValueError: no such range fits; says what was found.
        """
        found = f"values from {self.low:g} to {self.high:g}"
        if not self.high <= _DEPTHS[-1]:
            raise ValueError(found)
        if self.high <= 1 or (is_float and self._fits(1 + _OVERSHOOT)):
            white = 1
        elif is_float and not self.is_whole and self._fits(_DARK):
            raise ValueError(f"{found}, too much for 0-1 and too little for 0-255")
        elif is_float and self._fits(_BRIGHT):
            white = 255
        elif is_float and self._fits(_BRIGHTER):
            raise ValueError(f"{found}, too much for 0-255 and too little for 10 bits")
        else:
            white = next((depth for depth in _DEPTHS if self._fits(depth)), _DEPTHS[-1])
        if not self.low >= (-_OVERSHOOT * white if is_float else 0):
            raise ValueError(found)
        return white

    def _fits(self, limit: float) -> bool:
        return self.num_above[_LIMITS.index(limit)] <= _OUTLIERS * self.num_values

    def is_beyond(self, white: int) -> bool:
        """Whether too much lies above a white that other pictures have."""
        limit = next((one for one in _LIMITS if one >= white), None)
        return limit is not None and not self._fits(limit)


def to_bytes(values: npt.NDArray[Any], white: int) -> npt.NDArray[np.uint8]:
    """Brings values to 0-255; what lies beyond is cut off. Bytes that are so already are returned as they are."""
    if values.dtype == np.uint8 and white == 255:
        return values
    if values.dtype.kind == "b":
        return np.where(values, np.uint8(255), np.uint8(0))
    if values.dtype.kind in "iu" and white == 255:
        bytes_: npt.NDArray[np.uint8] = np.clip(values, 0, 255).astype(np.uint8)
        return bytes_
    found = np.empty(values.shape, np.uint8)
    # As floats all of them at once would take four times the room.
    step = max(1, _MOST_AT_ONCE * len(values) // max(1, values.size))
    for start in range(0, len(values), step):
        scaled = values[start : start + step].astype(np.float32) * np.float32(255 / white)
        found[start : start + step] = np.rint(np.clip(scaled, 0, 255))
    return found


def describe(levels: Levels, white: int) -> str | None:
    """Says which white was chosen; `None` where it goes without saying."""
    if white == 255 and levels.high <= 255 and levels.low >= 0:
        return None
    if white == 1 and levels.high <= 1 and levels.low >= 0:
        return None
    beyond = " What lies beyond is cut off." if levels.high > white or levels.low < 0 else ""
    return f"The pictures have values from {levels.low:g} to {levels.high:g}: {white} is white for all of them.{beyond}"
