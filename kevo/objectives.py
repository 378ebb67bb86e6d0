"""What makes one candidate better than another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Objective:
    """A validation metric and its direction, `max` or `min`."""

    metric: str
    direction: str

    def better(self, first: float, second: float) -> bool:
        """Says whether `first` is strictly better than `second`."""
        return first > second if self.direction == "max" else first < second

    @property
    def worst(self) -> float:
        """A score that every real one beats."""
        return -math.inf if self.direction == "max" else math.inf


OBJECTIVES: Mapping[str, Objective] = {
    "accuracy": Objective("val_accuracy", "max"),
    "macro_f1": Objective("val_macro_f1", "max"),
    # Not `val_loss`: label smoothing and L2 are genes, and would change what is compared.
    "loss": Objective("val_cross_entropy", "min"),
}
