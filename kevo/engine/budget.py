"""Shares of a search's time: the evolution, one candidate, the finalists, and the end."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.tasks.protocols.task import Work

_LARGEST_SHARE = 1 / 4
"""The part of the training's time after which a candidate is stopped."""
_EXPECTED_SHARE = 1 / 8
"""The part of the training's time that a candidate may be expected to take: at least eight get their chance."""
_PROBING_SHARE = 0.15
"""The share of the training time in which a task may look at its data first, counted from the start of the search."""
_SHARED_COST = 0.25
"""The share that counts of a shared part of the work: other candidates need not repeat it."""
_FINAL_SHARE = 0.25
"""The largest share of the training time that is kept for the finalists and for the refit of the winner."""
_TUNING_SHARE = 0.4
"""The same where a pretrained network is fine-tuned, which gains more than another head on it."""
_REFIT_COST = 1.25
"""How much longer than its final training the refit of the winner takes, which learns from the validation split too."""
_NETWORKS_SHARE = 0.1
"""The part of the training's time in which the winner is refit several times, to be the mean of these networks."""
_CERTAIN_SHARE = 0.9
"""The part of the time that is left for a final training that its epochs are laid out for: no two take the same."""
_FLEXIBLE_SHARE = 1 / 16
"""The part of the training's time after which a candidate is stopped whose learning rate falls with its time."""
_PROPER_SHARE = 0.6
"""The largest share of the training time that is kept for one proper training of such a candidate."""
_FRONT_SHARE = 0.75
"""The same for the proper trainings of a front."""
_SCARCE_SHARE = 0.7
"""Where a proper training takes more than that part of the time, there is none for other candidates."""
_CONTINUED_SHARE = 0.2
"""The part of a long training's time that is kept for going on with it on train and validation together."""
_FROM_SCRATCH = 2
"""So many times as long is a final training from scratch, where there is time."""
LEAST_EPOCHS = 2
"""What has not that many epochs is not begun."""
_CLOSING_SHARE = 0.05
"""The part of `max_time` that is kept for what follows the last training, until the first model tells the speed of the
machine."""
_CLOSING_SECONDS = 2.5
"""What follows the last training beside scoring, on two ordinary cores: the last model's file, plots, the end."""
_LARGEST_CLOSING_SHARE = 1 / 4
"""The most of `max_time` that is kept for what has to be done."""
_LARGEST_ENSEMBLE_SHARE = 1 / 6
"""Where the end takes more of `max_time`, no time is kept for an ensemble."""
_ENSEMBLE_COST = 1.6
"""An ensemble is scored like the best model, after its members were loaded and it was written."""


class Budget:
    """The time of one search, in seconds over all its sessions. Where a method returns `None`, there is no limit.

    Args:
        settings: How the search is to run.
        started: When this session began, by `time.monotonic`.
    """

    def __init__(self, settings: Settings, *, started: float) -> None:
        self._settings = settings
        self._started = started
        self._seconds_before = 0.0
        self.scoring_seconds = 0.0
        """To load and to score the winner is expected to take so long."""
        self.expects_ensemble = True
        """Whether candidates may be better together than the best of them alone."""
        self.slowness: float | None = None
        """How many times as long as on two ordinary cores the first model took; `None` before it."""

    @property
    def ensemble_seconds(self) -> float:
        """How long it takes to write and to score an ensemble."""
        return _ENSEMBLE_COST * self.scoring_seconds

    def take_up(self, records: Mapping[str, TrialRecord]) -> None:
        """Counts the time of earlier sessions, up to the last candidate that they finished."""
        self._seconds_before = max((record.finished_at for record in records.values()), default=0.0)

    @property
    def seconds(self) -> float:
        """How long the search has taken."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def left(self) -> float | None:
        """How long anything may still be trained."""
        whole = self._training_seconds
        return None if whole is None else whole - self.seconds

    def tuning_seconds(self, shared: float) -> float | None:
        """Seconds for a finalist whose pretrained network is fine-tuned.

        Args:
            shared: How many of them its passes are expected to take.
        """
        whole = self._training_seconds
        return None if whole is None else _before_refit(_TUNING_SHARE * whole, shared)

    def left_for_finalist(self, best: float, *, shared: float = 0.0) -> float | None:
        """Seconds for the next finalist, so that the winner can still be refit on train and validation.

        Args:
            best: How many seconds the training of the best so far would take once more.
            shared: How many seconds of its own training need not be repeated.
        """
        left = self.left
        if left is None:
            return None
        # Where there is no time for that any more, none is kept for it.
        kept = _REFIT_COST * best if _REFIT_COST * best < left else 0.0
        return min(_before_refit(left, shared), left - kept)

    def left_for_evolution(
        self, finals: Sequence[float], *, tunes: bool, best: Sequence[Work] = (), refit: float = 0.0
    ) -> float | None:
        """How long candidates may still be trained before the finalists' turn.

        Args:
            finals: How many seconds each finalist that is still to be trained would like to have.
            tunes: Whether a pretrained network is fine-tuned in them, or more examples pass it.
            best: The forecasts for the candidates whose proper final trainings are still to come, the best first.
            refit: How many seconds the training of the winner so far took, if it is still to be refit.
        """
        whole, left = self._training_seconds, self.left
        if whole is None or left is None:
            return None
        wanted = sum(finals) + _REFIT_COST * max(refit, *finals, 0.0)
        kept = min(wanted, (_TUNING_SHARE if tunes else _FINAL_SHARE) * whole)
        proper = [self.proper_seconds(work) for work in best]
        share = _FRONT_SHARE if len(best) > 1 else _PROPER_SHARE
        return left - max(kept, min(sum(proper) + _REFIT_COST * sum(proper[:1]), share * whole))

    def num_networks(self, seconds: float, *, most: int) -> int:
        """Of how many networks the refit of the winner is the mean.

        Args:
            seconds: How long one of them takes.
            most: So many at most.
        """
        whole = self.seconds if self._training_seconds is None else self._training_seconds
        fitting = _NETWORKS_SHARE * whole / max(_REFIT_COST * seconds, 1e-9)
        return max(1, int(min(most, fitting)))

    def longest(self, work: Work) -> int:
        """How many epochs a final training has at most.

        One whose learning rate falls with its time goes on for longer where there is time, unless the settings say how
        long: pictures that are never quite the same teach for that long.
        """
        is_open = self._settings.final_epochs is None and self._settings.resolved_max_time is not None
        return (_FROM_SCRATCH if is_open and work.per_epoch is not None else 1) * self._settings.resolved_final_epochs

    def proper_seconds(self, work: Work) -> float:
        """How long a candidate's final training takes at full length; 0 where that need not be known."""
        return (work.per_epoch or 0.0) * self.longest(work)

    def is_scarce(self, work: Work) -> bool:
        """Tells whether there is so little time that one network should have all of it.

        That is so where a proper training takes most of it. A front takes several networks, which share it at last.
        """
        whole = None if self._settings.minimize else self._training_seconds
        return whole is not None and _SCARCE_SHARE * whole < self.proper_seconds(work)

    def fits_a_refit(self, work: Work) -> bool:
        """Tells whether there is time for a proper training and then one on train and validation together."""
        return self.left is None or self.left >= (1 + _REFIT_COST) * self.proper_seconds(work)

    def num_refit_epochs(self, work: Work) -> float:
        """For how many epochs a network can be trained on train and validation together."""
        left = self.left
        return math.inf if left is None or not work.per_epoch else left / (_REFIT_COST * work.per_epoch)

    def without_continuation(self, work: Work, left: float) -> float:
        """How many seconds of those that are left a last training may take; the rest is for going on with all examples.

        That is all of them where so few more epochs would gain nothing, and over folds, where each model learns from
        all examples anyway.
        """
        kept = _CONTINUED_SHARE * left
        if work.per_epoch is None or self._settings.folds is not None:
            return left
        return left - kept if kept >= LEAST_EPOCHS * _REFIT_COST * work.per_epoch else left

    def num_epochs_in(self, work: Work, seconds: float | None) -> float:
        """For how many epochs, up to those of a final training, a candidate can be trained in so many seconds."""
        if seconds is None or not work.per_epoch:
            return self.longest(work)
        return min(self.longest(work), seconds / (self._slower * work.per_epoch))

    def full_length_seconds(self, record: TrialRecord, records: Mapping[str, TrialRecord]) -> float:
        """How long the final training of a candidate would take, without a limit of time."""
        lengthening = self._settings.resolved_final_epochs / self._settings.epochs
        return lengthening * self._whole_seconds(record, records)

    def may_tune(self, work: Work, left: float | None) -> bool:
        """Tells whether there is time to fine-tune a finalist's pretrained network."""
        return left is None or work.seconds <= left

    def for_a_candidate(
        self, work: Work, left: float | None, *, is_first: bool, takes_all: bool = False
    ) -> tuple[int, float | None]:
        """Epochs and seconds that the next candidate may take at most.

        Args:
            work: The forecast for it.
            left: How much is left for the evolution.
            is_first: Whether no other candidate has come out.
            takes_all: Whether it may take all that is left; see `allows`.
        """
        whole, num_epochs = self._training_seconds, self._settings.epochs
        if left is None or whole is None:
            return num_epochs, None
        share = 1.0 if takes_all else _LARGEST_SHARE
        if work.per_epoch is not None:
            work = self.at_this_speed(work) if is_first else work
            if is_first and self.is_scarce(work):
                return self.longest(work), max(1.0, self.without_continuation(work, left))
            # On a slow machine a sixteenth is gone before the first network has learned anything.
            share = min(share, (self._slower if is_first else 1.0) * _FLEXIBLE_SHARE)
        return num_epochs, max(1.0, min(left, share * whole))

    def expected_seconds(self, work: Work) -> float:
        """How long a candidate is going to take."""
        whole = self._training_seconds
        if whole is None or work.per_epoch is None:
            return work.seconds
        return min(work.seconds, _FLEXIBLE_SHARE * whole)

    @property
    def may_probe(self) -> bool:
        """Tells whether the task may still look at its data before the first candidate."""
        whole = self._training_seconds
        return whole is None or self.seconds < _PROBING_SHARE * whole

    def at_this_speed(self, work: Work) -> Work:
        """Returns the forecast for a first candidate: how slow the machine is, only the first model has shown."""
        per_epoch = None if work.per_epoch is None else self._slower * work.per_epoch
        return work._replace(shared=self._slower * work.shared, own=self._slower * work.own, per_epoch=per_epoch)

    def allows(self, work: Work, left: float | None, *, scoring_seconds: float = 0.0, takes_all: bool = False) -> bool:
        """Tells whether a candidate is to be begun.

        Args:
            work: Its forecast.
            left: How many seconds are left for the evolution.
            scoring_seconds: How long it would take to score it at the end.
            takes_all: Whether it may take all that is left, since nothing cheaper is left to be tried.
        """
        whole, max_time = self._training_seconds, self._settings.resolved_max_time
        if left is None or whole is None or max_time is None:
            return True
        if scoring_seconds > _LARGEST_ENSEMBLE_SHARE * max_time:
            return False
        if work.per_epoch is not None:
            # It has its network built, and as many epochs as fit then.
            least = work.seconds + (LEAST_EPOCHS - self._settings.rungs[0]) * work.per_epoch
            return min(work.seconds, least) <= min(left, _FLEXIBLE_SHARE * whole)
        # What would be stopped before its end is not begun.
        if takes_all:
            return work.seconds <= left
        can_end = work.seconds <= min(left, _LARGEST_SHARE * whole)
        return can_end and work.own + _SHARED_COST * work.shared <= _EXPECTED_SHARE * whole

    def num_final_epochs(
        self, record: TrialRecord, records: Mapping[str, TrialRecord], work: Work, *, left: float | None
    ) -> int:
        """Returns for how many epochs a candidate could be trained once more when so much time is left for it.

        Args:
            record: The candidate.
            records: All of them by their names.
            work: The forecast for it.
            left: How many seconds are left.
        """
        longest = self.longest(work)
        if left is None:
            return longest
        seconds_per_epoch = seconds_spent(record, records) / num_last_epochs(record)
        if work.per_epoch is not None:
            # In a short training most of the time may be that in which the network was built.
            seconds_per_epoch = min(seconds_per_epoch, work.per_epoch)
        return min(longest, int(_CERTAIN_SHARE * left / max(1e-6, seconds_per_epoch)))

    @property
    def _slower(self) -> float:
        """How many times as long as on two ordinary cores trainings take, as far as that is known."""
        return max(1.0, self.slowness or 0.0)

    @property
    def _training_seconds(self) -> float | None:
        """When the last training must end."""
        whole = self._settings.resolved_max_time
        if whole is None:
            return None
        # Whatever scoring may take, training comes first.
        return whole - self._closing_seconds(whole)

    def _closing_seconds(self, whole: float) -> float:
        """How much of the whole time is kept for what follows the last training."""
        with_ensemble = self.scoring_seconds + self.expects_ensemble * self.ensemble_seconds
        if self.slowness is None:
            least = max(_CLOSING_SHARE * whole, min(2 * _CLOSING_SECONDS, whole / 10))
        else:
            other = max(1.0, self.slowness) * _CLOSING_SECONDS
            with_ensemble += other
            least = min(other + self.scoring_seconds, _LARGEST_CLOSING_SHARE * whole)
        return max(least, min(with_ensemble, _LARGEST_ENSEMBLE_SHARE * whole))

    def _whole_seconds(self, record: TrialRecord, records: Mapping[str, TrialRecord]) -> float:
        """Seconds that a candidate takes, or would take without pauses and from scratch."""
        share = num_last_epochs(record) / self._settings.epochs if record.is_paused else 1.0
        if record.inherits is not None:
            share = min(1.0, record.planned_epochs / self._settings.epochs)
        return seconds_spent(record, records) / share


def _before_refit(left: float, shared: float) -> float:
    """Returns how much of some time a training may take so that, without its shared part, it can be repeated."""
    shared = min(shared, left)
    return shared + (left - shared) / (1 + _REFIT_COST)


def seconds_spent(record: TrialRecord, records: Mapping[str, TrialRecord]) -> float:
    """Seconds spent on a candidate, those before its pauses included."""
    before = 0.0 if record.continues is None else seconds_spent(records[record.continues], records)
    return before + record.seconds


def num_last_epochs(record: TrialRecord) -> int:
    """Returns how many epochs a candidate has spent in its last stage."""
    return record.stages.count(record.stages[-1])
