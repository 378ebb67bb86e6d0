"""Which candidates may be trained at all, and on how many examples: data is a fidelity, as epochs are.

Where the passes of all examples through a frozen network take too long, a candidate learns from a sample; only on the
network of the best one more examples pass. That is successive halving over the data set (Klein et al. 2017,
arXiv:1605.07079; Jamieson and Talwalkar 2016, arXiv:1502.07943).
"""

from __future__ import annotations

import functools
from collections import Counter
from itertools import islice

from kevo.engine.archive import Archive
from kevo.engine.budget import Budget
from kevo.runs.records import FIRST, TrialRecord
from kevo.tasks.protocols.kind import AnyKind
from kevo.tasks.protocols.task import Task
from tuners.genome import Genome

_SAMPLE = 2048
"""Size of the sample: heads trained on so many examples are good enough to compare frozen networks."""
_SHARE_OF_THOSE_BEHIND = 1 / 8
"""The part of the time that networks from scratch have together while a pretrained one is clearly better."""


class Feasibility:
    """Tells which candidates of a search may be trained, and counts the others.

    Args:
        task: What is learned.
        kind: Its kind, which tells whether candidates share a frozen network.
        archive: The candidates so far.
        budget: The time of the search.
    """

    def __init__(self, task: Task, kind: AnyKind, archive: Archive, budget: Budget) -> None:
        self._task = task
        self._kind = kind
        self._archive = archive
        self._budget = budget
        self.left: float | None = None
        """How many seconds are left for the evolution; `None` for no limit."""
        self.num_skipped: Counter[str] = Counter()
        """How many genomes may not be trained, by the reason in words."""
        self.takes_all = False
        """Whether a candidate may take all the time that is left, since nothing cheaper is left to be tried."""
        self._num_seen = 0
        self._best_from_scratch: TrialRecord | None = None
        self._seconds_from_scratch = 0.0

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

    @property
    def _has_scratch_had_its_share(self) -> bool:
        """Whether networks from scratch are clearly behind a pretrained one, and have had their share of the time.

        A front may have room for small networks all the same.
        """
        self._look_at_new_records()
        best = self._best_from_scratch
        if self.left is None or best is None or len(self._archive.objectives) > 1:
            return False
        if self._seconds_from_scratch <= _SHARE_OF_THOSE_BEHIND * self._budget.seconds:
            return False
        leader = next(iter(self._archive.finalists), None)
        if leader is None or self._task.work(leader.genome).per_epoch is not None:
            return False
        return self._archive.is_clearly_behind(best)

    def _look_at_new_records(self) -> None:
        records = self._archive.records
        rank = self._archive.objectives[0].rank
        for record in islice(records.values(), self._num_seen, None):
            if not record.is_evolved or self._task.work(record.genome).per_epoch is None:
                continue
            self._seconds_from_scratch += record.seconds
            best = self._best_from_scratch
            if record.fitness is not None and (best is None or rank(record.metrics) > rank(best.metrics)):
                self._best_from_scratch = record
        self._num_seen = len(records)

    def num_examples(self, genome: Genome) -> int | None:
        """Returns how many examples a candidate learns from, a sample; `None` for as many as there is time for.

        What has passed its frozen network already is learned from in any case.
        """
        work = self._task.work(genome)
        if self.left is None or self._task.sampled_work(genome, _SAMPLE).seconds >= work.seconds:
            return None
        if self.is_first:
            work = self._budget.at_this_speed(work)
        return None if self._budget.allows(work, self.left) or self._leads(genome) else _SAMPLE

    def expected_seconds(self, genome: Genome) -> float:
        """Returns how long a candidate is going to take, without passes that make the features of more examples."""
        work = self._task.work(genome)
        if self.left is not None and not self._budget.allows(work, self.left):
            work = self._task.sampled_work(genome, _SAMPLE)
        return self._budget.expected_seconds(work)

    def _leads(self, genome: Genome) -> bool:
        """Tells whether a candidate stands on the same frozen network as the best one."""
        best = next(iter(self._archive.finalists), None)
        key = self._kind.extractor_key(genome)
        return best is not None and key is not None and key == self._kind.extractor_key(best.genome)

    def _obstacle(self, genome: Genome) -> str | None:
        """Says why a candidate may not be trained; `None` if it may."""
        if (obstacle := self._task.obstacle(genome)) is not None:
            return obstacle
        work = self._task.work(genome)
        if work.per_epoch is not None and self._is_left_to_heads:
            return "too little time"
        if work.per_epoch is not None and self._has_scratch_had_its_share:
            return "pretrained networks are clearly better"
        # Of the very first nothing is known but a guess; if it was wrong, training is cut short.
        may_take_any_time = self.is_first and work.per_epoch is not None
        if self.left is None or not self._archive.records or may_take_any_time:
            return None
        allows = functools.partial(
            self._budget.allows,
            left=self.left,
            scoring_seconds=self._task.scoring_seconds(genome),
            takes_all=self.takes_all,
        )
        if allows(work):
            return None
        # A sample of the examples tells what a network is worth, and any is better than no model at all.
        if allows(self._task.sampled_work(genome, None if self.is_first else _SAMPLE)):
            return None
        return "too little time"
