"""The metrics of a training under way: as many points as a picture of it needs, however long it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from kevo.runs.outcome import finite

MOST_POINTS = 200
"""An even number."""
_MOST_METRICS = 12
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Point:
    """The metrics of a training at one of its moments.

    Args:
        stage: The stage that was under way.
        epochs: How many epochs were done by then, those of earlier stages and parts of one included.
        metrics: What was told last by then, such as `loss`; those of the validation split, such as `val_accuracy`, are
            there where an epoch has ended since the point before.
    """

    stage: str
    epochs: float
    metrics: Mapping[str, float]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `dataclasses.asdict` made."""
        metrics = {str(name): finite(value) for name, value in values["metrics"].items()}
        return cls(str(values["stage"]), finite(values["epochs"]), metrics)

    def joined(self, later: Point) -> Point:
        """Returns a later point with what was told before it and not anew."""
        return Point(later.stage, later.epochs, {**self.metrics, **later.metrics})


@dataclass(slots=True)
class TrainingCurve:
    """Collects the points of one training.

    Where they become too many, each two that follow each other become one: what is left stands evenly, and no metric
    that comes once in an epoch is lost.
    """

    points: list[Point] = field(default_factory=list)
    _per_point: int = 1
    """So many reports are one point."""
    _num_in_last: int = 0
    _stage: str = ""
    _before: float = 0.0
    """The epochs of earlier stages."""
    _done: float = 0.0
    """The epochs of the stage under way."""

    def add(self, stage: str, done: float, metrics: Mapping[str, float]) -> None:
        """Adds a report; one without metrics, as of a preparation, is no point.

        Args:
            stage: The stage under way.
            done: How many of its epochs are done, parts of one included.
            metrics: The latest metrics; those that are no number are left out.
        """
        told = [(name, float(value)) for name, value in metrics.items()]
        known = {name: _rounded(value) for name, value in told[:_MOST_METRICS] if math.isfinite(value)}
        if not known:
            return
        if stage != self._stage or done < self._done:
            self._before, self._stage = self._before + self._done, stage
        self._done = done
        point = Point(stage, _rounded(self._before + done), known)
        is_same = bool(self.points) and self.points[-1].epochs == point.epochs
        if is_same or 0 < self._num_in_last < self._per_point:
            self.points[-1] = self.points[-1].joined(point)
            self._num_in_last += not is_same
            return
        self.points.append(point)
        self._num_in_last = 1
        if len(self.points) > MOST_POINTS:
            # They are one too many for pairs: the last one waits for another.
            pairs = zip(self.points[:-1:2], self.points[1::2], strict=True)
            self.points = [*(first.joined(second) for first, second in pairs), self.points[-1]]
            self._per_point *= 2


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
