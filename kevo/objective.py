"""What makes one candidate better than another."""

from __future__ import annotations

import math
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

    def margin(self, best: float, *, num_pictures: int) -> float:
        """Returns how far behind the best score another one may be and still count as equal to it.

        The best of hundreds, judged by a few hundred pictures, was lucky with some of them. A lead that is smaller than
        the standard error of the best score is therefore none: among those the tie-breaker decides, which sees more of
        each picture than right or wrong (the one-standard-error rule of Breiman, Friedman, Olshen and Stone 1984,
        "Classification and Regression Trees"). A cross-entropy has no such margin.

        Args:
            best: The best score, a share of pictures.
            num_pictures: How many pictures it is of.
        """
        return math.sqrt(best * (1 - best) / num_pictures) if self.direction == "max" else 0.0


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
