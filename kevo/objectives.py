"""What makes one candidate better than another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TIE_BREAKER = "val_cross_entropy"
"""On a few hundred pictures many candidates have the same accuracy; the one that is surer of it is better."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A validation metric and its direction, `max` or `min`."""

    metric: str
    direction: str

    def rank(self, metrics: Mapping[str, float]) -> tuple[float, float]:
        """Returns what orders candidates, or epochs of one: greater is better, equals are told apart by their loss."""
        sign = 1 if self.direction == "max" else -1
        return sign * metrics[self.metric], -metrics[TIE_BREAKER]


OBJECTIVES: Mapping[str, Objective] = {
    "accuracy": Objective("val_accuracy", "max"),
    "macro_f1": Objective("val_macro_f1", "max"),
    # Not `val_loss`: label smoothing and L2 are genes, and would change what is compared.
    "loss": Objective("val_cross_entropy", "min"),
}

COSTS: Mapping[str, str] = {
    "params": "parameters",
    "seconds": "seconds of training",
    "flops": "FLOPs per picture",
    "bytes": "bytes of the saved model",
}
"""What may be minimized beside an objective, in words."""
