"""The curve of the best score by time, as places that a template draws."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from kevo.objective import Objective
from kevo.service.searches import Candidate
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
    metric = objective.metric
    found = [(one, one.metrics[metric]) for one in candidates if one.metrics is not None and metric in one.metrics]
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

    is_better = max if objective.direction == "max" else min
    corners: list[tuple[int, int]] = []
    rows: list[tuple[int, str, float]] = []
    best: float | None = None
    for record, score in zip(done, scores, strict=True):
        if best is not None and is_better(score, best) == best:
            continue
        if best is not None:
            corners.append(place(record.finished_at, best))
        best = score
        corners.append(place(record.finished_at, score))
        rows.append((record.number + 1, duration(record.finished_at), score))
    if best is not None:
        corners.append(place(end, best))
    shown = list(zip(done, scores, strict=True))[-_MOST_DOTS:]
    return Curve(
        # Corners at the same place of the drawing are one.
        line=" ".join(f"{x},{y}" for x, y in dict.fromkeys(corners)),
        dots=tuple(dict.fromkeys(place(record.finished_at, score) for record, score in shown if low <= score <= high)),
        low=low,
        high=high,
        until=duration(end),
        rows=tuple(rows[-_MOST_ROWS:]),
    )
