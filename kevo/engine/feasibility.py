"""Which candidates may be trained at all: they are small enough, and there is time for them."""

from __future__ import annotations

import functools
from collections import Counter

from kevo.engine.archive import Archive
from kevo.engine.budget import Budget
from kevo.runs.records import FIRST
from kevo.tasks.protocols.task import Task
from tuners.genome import Genome


class Feasibility:
    """Tells which candidates of a search may be trained, and counts the others.

    Args:
        task: What is learned.
        archive: The candidates so far.
        budget: The time of the search.
    """

    def __init__(self, task: Task, archive: Archive, budget: Budget) -> None:
        self._task = task
        self._archive = archive
        self._budget = budget
        self.left: float | None = None
        """How many seconds are left for the evolution; `None` for no limit."""
        self.num_skipped: Counter[str] = Counter()
        """How many genomes may not be trained, by the reason in words."""

    def __call__(self, genome: Genome) -> bool:
        """Tells whether a candidate may be trained."""
        reason = self._obstacle(genome)
        if reason is not None:
            self.num_skipped[reason] += 1
        return reason is None

    @property
    def is_first(self) -> bool:
        """Whether no candidate of the evolution has come out yet."""
        return not any(
            record.fitness is not None and record.trial_id != FIRST for record in self._archive.records.values()
        )

    @property
    def _is_left_to_heads(self) -> bool:
        """Whether a pretrained network leads after the final trainings.

        What these leave over is enough for heads on features that are there, but not to learn as much from scratch. A
        front may have room for small networks all the same.
        """
        winner = self._archive.winner
        return (
            self.left is not None
            and len(self._archive.objectives) == 1
            and self._archive.has_finals
            and winner is not None
            and self._task.work(winner.genome).per_epoch is None
        )

    def _obstacle(self, genome: Genome) -> str | None:
        """Says why a candidate may not be trained; `None` if it may."""
        if (obstacle := self._task.obstacle(genome)) is not None:
            return obstacle
        work = self._task.work(genome)
        if work.per_epoch is not None and self._is_left_to_heads:
            return "too little time"
        # Of the very first nothing is known but a guess; if it was wrong, training is cut short.
        may_take_any_time = self.is_first and work.per_epoch is not None
        if self.left is None or not self._archive.records or may_take_any_time:
            return None
        allows = functools.partial(
            self._budget.allows, left=self.left, scoring_seconds=self._task.scoring_seconds(genome)
        )
        if allows(work):
            return None
        # A sample of the examples is better than nothing.
        if self.is_first and allows(self._task.sampled_work(genome)):
            return None
        return "too little time"
