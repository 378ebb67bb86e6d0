"""The epochs of a training, and the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kevo.objective import Objective


class History:
    """The epochs of one candidate so far, and the best one of its last stage.

    What fine-tuning makes of a head is not compared with that head's own luckiest epoch: each stage has its own best.

    Args:
        objective: Which epochs are better.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self.epochs: list[dict[str, float]] = []
        """The metrics of each epoch."""
        self.stages: list[str] = []
        """The stage of each epoch."""
        self.best: dict[str, float] = {}
        """The metrics of the last stage's best epoch; empty before the first epoch."""

    def __len__(self) -> int:
        return len(self.epochs)

    def num_epochs(self, stage: str) -> int:
        """Returns how many epochs a stage has had."""
        return self.stages.count(stage)

    def add(self, stage: str, metrics: dict[str, float]) -> bool:
        """Adds an epoch, and returns whether it is the best of its stage so far."""
        if stage not in self.stages:
            self.best = {}
        is_best = not self.best or self._objective.rank(metrics) > self._objective.rank(self.best)
        if is_best:
            self.best = metrics
        self.epochs.append(metrics)
        self.stages.append(stage)
        return is_best


def num_best_epochs(
    history: Sequence[Mapping[str, float]], stages: Sequence[str], objective: Objective
) -> dict[str, int]:
    """Returns how many epochs of each stage led to its best weights.

    Args:
        history: The metrics of every epoch.
        stages: The stage of each of them.
        objective: Which epochs are better.
    """
    best: dict[str, int] = {}
    for place, stage in enumerate(stages):
        if stage not in best or objective.rank(history[place]) > objective.rank(history[best[stage]]):
            best[stage] = place
    return {stage: 1 + place - stages.index(stage) for stage, place in best.items()}
