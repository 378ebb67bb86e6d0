"""The curve of the best score by time, as places that a template draws."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kevo.objective import Objective
from kevo.service.candidates import Candidates, Scored
from kevo.system.text import duration

WIDTH, HEIGHT = 420, 180
LEFT = 56
RIGHT, TOP, BOTTOM = 12, 12, 28
_MOST_DOTS = 1000
_MOST_ROWS = 100


@dataclass(frozen=True)
class Curve:
    """The best score by time.

    Args:
        line: The corners of the line, as SVG has them.
        dots: The places of candidates.
        low: The lowest score that is shown.
        high: The highest one.
        until: The last time that is shown, in words.
        rows: The last of those that were the best when they ended: the number of the candidate from 1, its time in
            words, and its score.
    """

    line: str
    dots: tuple[tuple[int, int], ...]
    low: float
    high: float
    until: str
    rows: tuple[tuple[int, str, float], ...]


def curve(candidates: Candidates, objective: Objective) -> Curve | None:
    """Returns the curve of a search; `None` before its first score."""
    found = candidates.scored(objective.metric)
    if not found:
        return None
    scores = [one.score for one in found]
    # Where the first one was poor, the rest would be a line at the edge.
    low, high = min(statistics.median_low(scores), scores[0]), max(scores)
    if objective.direction == "min":
        low, high = min(scores), max(statistics.median_high(scores), scores[0])
    end = max(one.finished_at for one in found) or 1.0
    span = (high - low) or 1.0

    def place(seconds: float, score: float) -> tuple[int, int]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * seconds / end
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (score - low) / span
        return round(x), round(y)

    bests = _bests(found, objective)
    rows = [(one.number + 1, duration(one.finished_at), one.score) for one in bests[-_MOST_ROWS:]]
    shown = (place(one.finished_at, one.score) for one in found[-_MOST_DOTS:] if low <= one.score <= high)
    return Curve(
        line=_line(bests, end, place),
        dots=tuple(dict.fromkeys(shown)),
        low=low,
        high=high,
        until=duration(end),
        rows=tuple(rows),
    )


@dataclass(frozen=True)
class Together:
    """The best scores of several searches by time, on the same axes.

    Args:
        lines: The name of each search, the corners of its line as SVG has them, and its last best score.
        metric: What the scores are.
        low: The lowest score that is shown.
        high: The highest one.
        until: The last time that is shown, in words.
    """

    lines: tuple[tuple[str, str, float], ...]
    metric: str
    low: float
    high: float
    until: str


def together(searches: Sequence[tuple[str, Candidates, Objective | None]]) -> Together | None:
    """Returns the curves of several searches; `None` where they improve different things, or one has no score."""
    objectives = [objective for _, _, objective in searches if objective is not None]
    if len(objectives) < len(searches) or len({one.metric for one in objectives}) != 1:
        return None
    objective = objectives[0]
    bests = [(name, _bests(candidates.scored(objective.metric), objective)) for name, candidates, _ in searches]
    if not all(found for _, found in bests):
        return None
    scores = [one.score for _, found in bests for one in found]
    # Each begins with what it had at first, which may be far from the rest.
    low, high = min(found[(len(found) - 1) // 2].score for _, found in bests), max(scores)
    if objective.direction == "min":
        low, high = min(scores), max(found[(len(found) - 1) // 2].score for _, found in bests)
    end = max(candidates.last_time for _, candidates, _ in searches) or 1.0
    span = (high - low) or 1.0

    def place(seconds: float, score: float) -> tuple[int, int]:
        share = min(1.0, max(0.0, (score - low) / span))
        x = LEFT + (WIDTH - LEFT - RIGHT) * seconds / end
        return round(x), round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share)

    lines = tuple((name, _line(found, end, place), found[-1].score) for name, found in bests)
    return Together(lines, objective.metric, low, high, duration(end))


def _bests(found: Sequence[Scored], objective: Objective) -> list[Scored]:
    """Returns those candidates that were the best when they ended."""
    is_better = max if objective.direction == "max" else min
    bests: list[Scored] = []
    for one in found:
        if not bests or is_better(one.score, bests[-1].score) != bests[-1].score:
            bests.append(one)
    return bests


def _line(bests: Sequence[Scored], end: float, place: Callable[[float, float], tuple[int, int]]) -> str:
    """Returns the corners of the line of the best score, as SVG has them."""
    corners: list[tuple[int, int]] = []
    for one, before in zip(bests, [bests[0], *bests], strict=False):
        corners += [place(one.finished_at, before.score)] if corners else []
        corners.append(place(one.finished_at, one.score))
    corners.append(place(end, bests[-1].score))
    # Corners at the same place of the drawing are one.
    return " ".join(f"{x},{y}" for x, y in dict.fromkeys(corners))
