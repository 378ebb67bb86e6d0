"""The metrics of one training, as small curves that a template draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kevo.runs.records import TrialRecord
from kevo.runs.training_curve import Point
from kevo.service.pages.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH

_LOSS = "loss"
_SPLIT = "val_"


@dataclass(frozen=True)
class Line:
    """A metric on one split.

    Args:
        is_validation: Whether it is that of the validation split.
        line: The corners of the line, as SVG has them.
        end: The last of them.
        last: The last value.
    """

    is_validation: bool
    line: str
    end: tuple[int, int]
    last: float


@dataclass(frozen=True)
class Panel:
    """A metric on both splits, as far as it was told.

    Args:
        metric: Its name, without that of a split.
        lines: The training split first.
        low: The lowest value.
        high: The highest one.
        epochs: How many epochs there are so far.
    """

    metric: str
    lines: tuple[Line, ...]
    low: float
    high: float
    epochs: float


def panels(points: Sequence[Point], metric: str = "") -> list[Panel]:
    """Returns the curves of a training: what the search improves, the score of training, and the loss.

    Args:
        points: The metrics so far.
        metric: That of the objective; empty where it is not known.
    """
    names = dict.fromkeys(name for point in points for name in point.metrics)
    own = [name for name in names if not name.startswith(_SPLIT) and name != _LOSS]
    shown = dict.fromkeys([*filter(None, [metric.removeprefix(_SPLIT)]), *own, _LOSS])
    found = (_panel(points, name) for name in shown)
    return [one for one in found if one is not None]


def of_record(record: TrialRecord) -> list[Point]:
    """Returns the metrics of a training that has ended: one point for each epoch."""
    epochs = enumerate(zip(record.stages, record.history, strict=True), start=1)
    return [Point(stage, float(number), metrics) for number, (stage, metrics) in epochs]


def of_status(trainings: Iterable[Mapping[str, Any]]) -> dict[int, list[Point]]:
    """Returns the metrics of trainings under way, as a status tells them, by the numbers of their candidates."""
    return {one["number"]: list(map(Point.from_json, one["curve"])) for one in trainings}


def _panel(points: Sequence[Point], metric: str) -> Panel | None:
    told = {
        name: [(point.epochs, point.metrics[name]) for point in points if name in point.metrics]
        for name in (metric, f"{_SPLIT}{metric}")
    }
    values = [value for one in told.values() for _, value in one]
    if not values:
        return None
    low, high, first, last = min(values), max(values), points[0].epochs, points[-1].epochs
    # A training of many epochs is seen from its begin on; one that was gone on with from where it was.
    start = 0.0 if first <= 1 else first

    def place(epochs: float, value: float) -> tuple[int, int]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (epochs - start) / ((last - start) or 1.0)
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / ((high - low) or 1.0)
        return round(x), round(y)

    lines = []
    for name, pairs in told.items():
        if pairs:
            corners = list(dict.fromkeys(place(*pair) for pair in pairs))
            line = " ".join(f"{x},{y}" for x, y in corners)
            lines.append(Line(name.startswith(_SPLIT), line, corners[-1], pairs[-1][1]))
    return Panel(metric, tuple(lines), low, high, last)
