"""The curve of the best score by time, as places that a template draws."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kevo.objective import Objective
from kevo.service.summaries import Candidate
from kevo.system.text import duration

WIDTH, HEIGHT = 420, 180
LEFT = 56
_RIGHT, _TOP, _BOTTOM = 12, 12, 28
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


def curve(candidates: Sequence[Candidate], objective: Objective) -> Curve | None:
    """Returns the curve of a search; `None` before its first score."""
    found = _scored(candidates, objective)
    if not found:
        return None
    done, scores = [one for one, _ in found], [score for _, score in found]
    # Where the first one was poor, the rest would be a line at the edge.
    low, high = min(statistics.median_low(scores), scores[0]), max(scores)
    if objective.direction == "min":
        low, high = min(scores), max(statistics.median_high(scores), scores[0])
    end = max(record.finished_at for record in done) or 1.0
    span = (high - low) or 1.0

    def place(seconds: float, score: float) -> tuple[int, int]:
        x = LEFT + (WIDTH - LEFT - _RIGHT) * seconds / end
        y = HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (score - low) / span
        return round(x), round(y)

    bests = _bests(found, objective)
    rows = [(one.number + 1, duration(one.finished_at), score) for one, score in bests]
    shown = list(zip(done, scores, strict=True))[-_MOST_DOTS:]
    return Curve(
        line=_line(bests, end, place),
        dots=tuple(dict.fromkeys(place(record.finished_at, score) for record, score in shown if low <= score <= high)),
        low=low,
        high=high,
        until=duration(end),
        rows=tuple(rows[-_MOST_ROWS:]),
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


def together(searches: Sequence[tuple[str, Sequence[Candidate], Objective | None]]) -> Together | None:
    """Returns the curves of several searches; `None` where they improve different things, or one has no score."""
    objectives = [objective for _, _, objective in searches if objective is not None]
    if len(objectives) < len(searches) or len({one.metric for one in objectives}) != 1:
        return None
    objective = objectives[0]
    bests = [(name, _bests(_scored(candidates, objective), objective)) for name, candidates, _ in searches]
    if not all(found for _, found in bests):
        return None
    scores = [score for _, found in bests for _, score in found]
    # Each begins with what it had at first, which may be far from the rest.
    low, high = min(found[(len(found) - 1) // 2][1] for _, found in bests), max(scores)
    if objective.direction == "min":
        low, high = min(scores), max(found[(len(found) - 1) // 2][1] for _, found in bests)
    end = max(one.finished_at for _, candidates, _ in searches for one in candidates) or 1.0
    span = (high - low) or 1.0

    def place(seconds: float, score: float) -> tuple[int, int]:
        share = min(1.0, max(0.0, (score - low) / span))
        x = LEFT + (WIDTH - LEFT - _RIGHT) * seconds / end
        return round(x), round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share)

    lines = tuple((name, _line(found, end, place), found[-1][1]) for name, found in bests)
    return Together(lines, objective.metric, low, high, duration(end))


def _scored(candidates: Sequence[Candidate], objective: Objective) -> list[tuple[Candidate, float]]:
    metric = objective.metric
    return [(one, one.metrics[metric]) for one in candidates if one.metrics is not None and metric in one.metrics]


def _bests(found: Sequence[tuple[Candidate, float]], objective: Objective) -> list[tuple[Candidate, float]]:
    """Returns those candidates that were the best when they ended."""
    is_better = max if objective.direction == "max" else min
    bests: list[tuple[Candidate, float]] = []
    for one, score in found:
        if not bests or is_better(score, bests[-1][1]) != bests[-1][1]:
            bests.append((one, score))
    return bests


def _line(
    bests: Sequence[tuple[Candidate, float]], end: float, place: Callable[[float, float], tuple[int, int]]
) -> str:
    """Returns the corners of the line of the best score, as SVG has them."""
    corners: list[tuple[int, int]] = []
    for (one, score), (_, before) in zip(bests, [bests[0], *bests], strict=False):
        corners += [place(one.finished_at, before), place(one.finished_at, score)] if corners else []
        corners = corners or [place(one.finished_at, score)]
    corners.append(place(end, bests[-1][1]))
    # Corners at the same place of the drawing are one.
    return " ".join(f"{x},{y}" for x, y in dict.fromkeys(corners))
