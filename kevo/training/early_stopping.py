"""When a stage of training ends early: after several epochs in a row without gain."""

from __future__ import annotations

import math
from collections.abc import Mapping

from kevo.objective import Objective


class EarlyStopping:
    """Counts the epochs in a row of one stage that brought no gain.

    An epoch brings a gain if it is the best of its stage so far, or if its tie-breaker is the lowest so far: accuracy
    moves in steps of whole examples, and a network whose loss still falls is still learning.

    Args:
        objective: Which epochs are better.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._lowest = math.inf
        self.num_without_gain = 0
        """The epochs since the last gain."""

    def record(self, metrics: Mapping[str, float], *, is_best: bool) -> None:
        """Counts an epoch.

        Args:
            metrics: Those of the epoch.
            is_best: Whether it is the best of its stage so far.
        """
        tie = self._objective.tie(metrics)
        has_gained = is_best or tie < self._lowest
        self.num_without_gain = 0 if has_gained else self.num_without_gain + 1
        self._lowest = min(self._lowest, tie)

    def is_due(self, patience: int | None) -> bool:
        """Returns whether the stage is to end: after `patience` epochs without gain; with `None` never."""
        return patience is not None and self.num_without_gain >= patience
