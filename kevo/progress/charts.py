"""Numbers as rows of small marks, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.-:=+*#"
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bits of a braille letter: two columns of four dots, from the top."""


def bars(values: Sequence[float], *, ascii_only: bool = False) -> str:
    """Draws one mark for each value, from the lowest to the highest of them.

    Example:
        >>> bars([0.5, 0.75, 1.0]), bars([0.5, 0.75, 1.0], ascii_only=True)
        ('▁▅█', '_=#')
    """
    marks = _ASCII_BARS if ascii_only else _BARS
    return "".join(marks[round(height * (len(marks) - 1) + 1e-9)] for height in _heights(values))


def staircase(points: Sequence[tuple[float, float]], *, until: float, width: int) -> list[float]:
    """Returns the values at evenly spaced times.

    Args:
        points: When it changed, rising, and what it was from then on; at least one.
        until: The last time; the first is that of the first point.
        width: How many times there are, at least one.
    """
    start, values, last = points[0][0], [], 0
    for column in range(width):
        moment = start + (until - start) * column / max(1, width - 1)
        while last + 1 < len(points) and points[last + 1][0] <= moment:
            last += 1
        values.append(points[last][1])
    return values


def curve(values: Sequence[float], *, height: int) -> list[str]:
    """Draws a curve with two values in each column of braille letters.

    Args:
        values: From left to right.
        height: How many lines it takes.

    Example:
        >>> curve([0.5, 0.5, 0.9, 0.9], height=1)
        ['⣀⡏']
    """
    rows = 4 * height
    levels = [rows - 1 - round(level * (rows - 1)) for level in _heights(values)]
    letters = [[0] * ((len(levels) + 1) // 2) for _ in range(height)]
    for column, (before, level) in enumerate(pairwise([levels[0], *levels])):
        # A step is a line from one level to the other.
        for row in range(min(before, level), max(before, level) + 1):
            letters[row // 4][column // 2] |= _DOTS[column % 2][row % 4]
    return ["".join(chr(_BRAILLE + letter) for letter in line) for line in letters]


def _heights(values: Sequence[float]) -> list[float]:
    """Returns where values stand between their lowest and highest, from 0 to 1; all are 1 where they agree."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    return [(value - low) / (high - low) if high > low else 1.0 for value in values]
