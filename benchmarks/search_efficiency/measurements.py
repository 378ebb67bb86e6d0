"""Plain data: what was measured of one search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """What was measured of one search.

    Args:
        landscape: Name of the protocol.
        searcher: Name of the searcher.
        seed: Seed of the search and the landscape.
        budget: Epochs that the search might spend.
        steps: Epochs spent, and the regret of the choice from then on, whenever the choice changed.
        num_trainings: Number of trainings.
        seconds: Time of the search itself: to propose all trainings, and to learn from their scores.
    """

    landscape: str
    searcher: str
    seed: int
    budget: int
    steps: tuple[tuple[int, float], ...]
    num_trainings: int
    seconds: float

    def regret(self, epochs: int) -> float:
        """Returns the regret of the choice after a number of epochs; NaN before the first choice."""
        return next((regret for spent, regret in reversed(self.steps) if spent <= epochs), float("nan"))


Rows = Mapping[str, Sequence[Measurement]]
"""The measurements on one landscape, by searcher."""
