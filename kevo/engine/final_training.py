"""The last trainings of a search: the finalists at full length, then the winner on train and validation together.

They compete with all other models. No state is kept here: what there is to do follows from the records.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from kevo.engine import partial_trainings
from kevo.engine.archive import Archive, full_length_id
from kevo.engine.budget import LEAST_EPOCHS, Budget, num_last_epochs, seconds_spent
from kevo.runs import layout
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.tasks.protocols.task import Task, Work
from kevo.training.effort import PATIENCE, Effort, MeanMember
from kevo.training.history import num_best_epochs
from tuners.genome import Genome

_DOUBT = 2
"""So many times as fast as forecast a network may learn from all examples, and its time is used."""
_MOST_ALIKE = 100
"""So many of the trials that are as good as the winner are looked at, to be averaged with it."""
_RESTARTED_RATE = 0.5
"""The part of its learning rate with which the winner goes on with all examples."""


@dataclass(frozen=True, slots=True)
class FinalTraining:
    """A last training: its name, its genome and its effort.

    Args:
        trial_id: Its name in the search.
        genome: What is trained.
        effort: How much it may cost.
        finalist: Whose last training it is.
        continues: The training that it goes on from; `None` for none.
    """

    trial_id: str
    genome: Genome
    effort: Effort
    finalist: TrialRecord
    continues: TrialRecord | None = None


class FinalTrainings:
    """The last trainings of a search.

    Args:
        archive: The candidates so far.
        settings: How the search is to run.
        budget: Its time.
        task: Tells how long candidates take, and how they can be trained further.
    """

    def __init__(self, archive: Archive, settings: Settings, budget: Budget, task: Task) -> None:
        self._archive = archive
        self._settings = settings
        self._budget = budget
        self._task = task

    def next(self, begun: Collection[str]) -> FinalTraining | None:
        """Returns the next of the best candidates to be trained at full length.

        Where time is limited the best comes first, for as many epochs as there is time for. What a head can learn from
        a frozen network it has mostly learned: its final training goes on to fine-tune that network.

        Args:
            begun: The names of those that somebody is at.
        """
        return next((final for final in self._possible() if final.trial_id not in begun), None)

    def _possible(self) -> Iterator[FinalTraining]:
        """Yields the final trainings that are still to be done, as far as there is time for them now."""
        refit_seconds = self._refit_seconds
        for place, record in enumerate(self._archive.finalists):
            if full_length_id(record) in self._archive.records:
                continue
            gets_the_rest = self._shares_the_rest(record) or (place == 0 and self._gets_the_rest(record))
            # Passes that its final training makes are not made again by a refit.
            shared = self._task.work(record.genome).shared
            left = self._budget.left if gets_the_rest else self._budget.left_for_finalist(refit_seconds, shared=shared)
            if gets_the_rest and left is not None:
                left = self._part(record) * self._budget.without_continuation(self._task.work(record.genome), left)
            if left is not None and left <= 0:
                return
            final = self._broken_off(record, left) or self._anew(record, left, is_last=gets_the_rest)
            if final is not None:
                yield final

    def refit(self) -> FinalTraining | None:
        """Returns the training in which the winner learns from the validation split too, if there is time for it.

        It begins anew where a training of full length fits. Where only a shorter one does, it goes on from the winner.
        """
        winner, left = self._archive.best_saved, self._budget.left
        if self._settings.folds is not None:
            # Every candidate's model has learned from all examples.
            return None
        if winner is None or (self._archive.folder.path / layout.refit_model(winner.trial_id)).is_file():
            return None
        if winner.inherits is not None:
            # For as few epochs it would learn little from scratch.
            return self._continuation(winner, left)
        num_epochs, nums = self._refit_epochs(winner)
        if self._was_cut_short(winner):
            if self._budget.num_refit_epochs(self._task.work(winner.genome)) < num_epochs:
                return self._continuation(winner, left)
        elif left is not None and left <= self._best_seconds:
            # It takes as long as before at least: what cannot end is not begun.
            return self._continuation(winner, left)
        effort = Effort(
            num_epochs,
            left,
            tune_epochs=winner.tune_epochs,
            refit=nums,
            num_examples=self._num_again(winner, left),
            members=self._members(winner),
        )
        return FinalTraining(f"{winner.trial_id}-refit", winner.genome, effort, winner)

    def _members(self, winner: TrialRecord) -> tuple[MeanMember, ...]:
        """Returns the networks that are averaged with the winner's in its refit: none where small ones are asked for.

        Which of those that scores cannot tell apart is best is chance, and their mean is better than most of them.
        """
        if self._settings.minimize:
            return ()
        equals = itertools.islice(self._archive.equals_of_winner, _MOST_ALIKE)
        alike = [winner, *(one for one in equals if one.trial_id != winner.trial_id)]
        positions = self._task.mean_members([one.genome for one in alike])
        most = 1 + len(positions)
        if (limit := self._settings.max_params) is not None:
            most = min(most, limit // max(winner.num_parameters or 1, 1))
        num = self._budget.num_networks(self._best_seconds, most=most)
        chosen = [alike[position] for position in positions[: num - 1]]
        return tuple(MeanMember(one.genome, *self._refit_epochs(one)) for one in chosen)

    def _refit_epochs(self, record: TrialRecord) -> tuple[int, dict[str, int]]:
        """Returns over how many epochs learning rates fall in a trial's refit, and how many of each stage it has."""
        nums = num_best_epochs(record.history, record.stages, self._archive.objective)
        if not self._was_cut_short(record):
            return record.planned_epochs, nums
        # The learning rate fell with the time that there was, and does so again.
        num_epochs = num_last_epochs(record)
        return num_epochs, {**nums, record.stages[-1]: num_epochs}

    def _num_again(self, winner: TrialRecord, left: float | None) -> int | None:
        """Returns how many training examples a refit learns from at least: those that have passed its frozen network.

        Returns:
            `None` for all, where there is time for their passes or there are none to make.
        """
        work = self._task.work(winner.genome, tune_epochs=winner.tune_epochs)
        return None if left is None or not work.shared or work.seconds <= left else 1

    def _continuation(self, winner: TrialRecord, left: float | None) -> FinalTraining | None:
        """Returns the training in which the winner goes on with all examples, at rates that rise and fall once more.

        That is a warm restart (Loshchilov and Hutter 2017, arXiv:1608.03983). At the low rates that a longer training
        would have by then, new examples teach less.
        """
        work = self._task.work(winner.genome)
        if work.per_epoch is None or (more := self._budget.num_refit_epochs(work)) < LEAST_EPOCHS:
            return None
        # The time decides, not a forecast of it: rates fall with what is left.
        num_epochs = math.ceil(min(_DOUBT * more, num_last_epochs(winner)))
        effort = Effort(num_epochs, left, refit={winner.stages[-1]: num_epochs}, rate=_RESTARTED_RATE)
        return FinalTraining(f"{winner.trial_id}-refit", winner.genome, effort, winner, continues=winner)

    def as_only_one(self, trial_id: str, genome: Genome, seconds: float | None) -> Genome:
        """Returns the genome to train where one candidate gets all the time: that of a final training.

        Args:
            trial_id: Its name in the search.
            genome: Its genome.
            seconds: How long it may take.
        """
        for one in self._lengths(genome):
            if partial_trainings.find(self._archive.folder, trial_id, one) is not None:
                return one
        return self._lengthened(genome, self._budget.num_epochs_in(self._task.work(genome), seconds))

    def _lengths(self, genome: Genome) -> tuple[Genome, ...]:
        """Returns the genomes that a training may have begun with: this one, or its change for long trainings."""
        return genome, self._lengthened(genome, math.inf)

    def _lengthened(self, genome: Genome, num_epochs: float) -> Genome:
        return self._task.lengthened(genome, num_epochs, equals=[one.genome for one in self._archive.equals])

    def left_for_evolution(self) -> float | None:
        """How many seconds candidates may still be trained; `None` for no limit.

        Time is kept for the final trainings that are still to come, and for the refit of the winner. What they leave
        over goes back to the evolution.
        """
        if self._budget.left is None:
            return None
        finalists = self._archive.finalists
        possible = {final.finalist.trial_id for final in self._possible()}
        best = [
            self._task.work(record.genome)
            for place, record in enumerate(finalists)
            if record.trial_id in possible and (place == 0 or self._shares_the_rest(record))
        ]
        if best and self._budget.is_scarce(best[0]) and self._was_cut_short(finalists[0]):
            return 0.0
        seconds, tunes = list[float](), False
        for record in finalists:
            if record.trial_id not in possible:
                continue
            if (tuned := self._tuned(record, self._budget.tuning_seconds)) is not None:
                seconds.append(self._tuning_work(tuned).seconds)
                tunes = True
            else:
                seconds.append(self._budget.full_length_seconds(record, self._archive.records))
                # Where a sample of the examples has passed its frozen network, the others are to pass.
                if (work := self._task.work(record.genome)).shared:
                    seconds[-1] = max(seconds[-1], work.seconds)
                    tunes = True
        refit = 0.0 if self.refit() is None else self._refit_seconds
        return self._budget.left_for_evolution(seconds, tunes=tunes, best=best, refit=refit)

    def _was_cut_short(self, record: TrialRecord) -> bool:
        """Tells whether a training whose length follows its time was still learning when that was up."""
        if self._budget.left is None or self._task.work(record.genome).per_epoch is None or record.is_paused:
            return False
        num_epochs, stage = num_last_epochs(record), record.stages[-1]
        best = num_best_epochs(record.history, record.stages, self._archive.objective)[stage]
        return num_epochs < record.planned_epochs and best > num_epochs - PATIENCE

    def _gets_the_rest(self, record: TrialRecord) -> bool:
        """Tells whether a finalist's last training gets all the time, and no refit any.

        That is so where it was cut short or inherited, and a training and a refit of full length do not both fit.
        """
        is_short = self._was_cut_short(record) or (self._budget.left is not None and record.inherits is not None)
        return is_short and not self._budget.fits_a_refit(self._task.work(record.genome))

    def _shares_the_rest(self, record: TrialRecord) -> bool:
        """Tells whether a finalist is one of a front whose last trainings share all the time that there is."""
        return bool(self._settings.minimize) and self._task.work(record.genome).per_epoch is not None

    def _part(self, record: TrialRecord) -> float:
        """Returns the part of the time that a finalist gets: all, or as much as others of the front for each epoch.

        Of networks that have learned for as many epochs each, it can be said what their parameters are worth.
        """
        if not self._shares_the_rest(record):
            return 1.0
        mine = self._budget.proper_seconds(self._task.work(record.genome))
        return mine / sum(
            self._budget.proper_seconds(self._task.work(one.genome))
            for one in self._archive.finalists
            if full_length_id(one) not in self._archive.records
        )

    @property
    def _best_seconds(self) -> float:
        """How long the training of the winner so far took, or would take now that its features are there."""
        winner = self._archive.best_saved
        if winner is None or self._settings.folds is not None:
            return 0.0
        again = self._task.repeat_seconds(winner.genome, tune_epochs=winner.tune_epochs)
        return seconds_spent(winner, self._archive.records) if again is None else again

    @property
    def _refit_seconds(self) -> float:
        """How long the refit of the winner so far is expected to take."""
        winner = self._archive.best_saved
        return 0.0 if winner is None else (1 + len(self._members(winner))) * self._best_seconds

    def _broken_off(self, record: TrialRecord, left: float | None) -> FinalTraining | None:
        """Returns a finalist's last training that was kept before it broke off: with less time left it is the same."""
        trial_id = full_length_id(record)
        deeper = self._task.deeper(record.genome)
        for genome in (*self._lengths(record.genome), *deeper):
            kept = partial_trainings.find(self._archive.folder, trial_id, genome)
            if kept is None:
                continue
            if genome in deeper:
                return FinalTraining(trial_id, genome, self._tuning(genome), record)
            if kept.continues is not None:
                return FinalTraining(trial_id, genome, self._plain(self._settings.epochs, left), record, record)
            more = self._num_epochs(record, left)
            longest = self._budget.longest(self._task.work(genome))
            num_epochs = min(longest, kept.stages.count(kept.stages[-1]) + more)
            return FinalTraining(trial_id, genome, self._plain(num_epochs, left), record)
        return None

    def _anew(self, record: TrialRecord, left: float | None, *, is_last: bool) -> FinalTraining | None:
        """Returns a finalist's last training, unless that would come to less than it has had.

        Args:
            record: The finalist.
            left: Seconds for it.
            is_last: Whether nothing follows: then the time decides alone how long it goes on.
        """
        trial_id = full_length_id(record)
        if (tuned := self._tuned(record, self._left_for_tuning)) is not None:
            return FinalTraining(trial_id, tuned, self._tuning(tuned), record)
        num_epochs = self._num_epochs(record, left)
        so_far = self._settings.epochs - 1 if record.is_paused else num_last_epochs(record)
        if left is None or num_epochs > so_far:
            genome = self._lengthened(record.genome, num_epochs)
            num_epochs = self._budget.longest(self._task.work(record.genome)) if is_last else num_epochs
            return FinalTraining(trial_id, genome, self._plain(num_epochs, left), record)
        if not record.is_paused:
            return None
        # With too little time to begin again, a candidate that paused still has some of its epochs before it.
        return FinalTraining(trial_id, record.genome, self._plain(self._settings.epochs, left), record, record)

    def _num_epochs(self, record: TrialRecord, left: float | None) -> int:
        return self._budget.num_final_epochs(record, self._archive.records, self._task.work(record.genome), left=left)

    def _plain(self, num_epochs: int, left: float | None) -> Effort:
        return Effort(num_epochs, left, patience=2 * PATIENCE)

    def _tuning(self, tuned: Genome) -> Effort:
        left = self._left_for_tuning(self._tuning_work(tuned).shared)
        return Effort(self._settings.epochs, left, tune_epochs=self._tune_epochs)

    def _left_for_tuning(self, shared: float) -> float | None:
        return self._budget.left_for_finalist(self._refit_seconds, shared=shared)

    def _tuning_work(self, tuned: Genome) -> Work:
        return self._task.work(tuned, tune_epochs=self._tune_epochs)

    def _tuned(self, record: TrialRecord, seconds: Callable[[float], float | None]) -> Genome | None:
        """Returns a finalist with as much of its network fine-tuned as time allows; `None` where that is nothing.

        Args:
            record: The finalist.
            seconds: Returns how long it may take, by the seconds of its passes.
        """
        if not self._leads_its_network(record) or self._is_clearly_behind(record):
            return None
        for tuned in self._task.deeper(record.genome):
            work = self._tuning_work(tuned)
            if self._budget.may_tune(work, seconds(work.shared)):
                return tuned
        return None

    def _leads_its_network(self, record: TrialRecord) -> bool:
        """Tells whether no better finalist stands on the same frozen network.

        Where time is limited only one is fine-tuned for each: other heads would lead to nearly the same network.
        """
        key = self._settings.kind.extractor_key(record.genome)
        if self._budget.left is None or key is None:
            return True
        alike = (one for one in self._archive.finalists if self._settings.kind.extractor_key(one.genome) == key)
        return next(alike, record).trial_id == record.trial_id

    def _is_clearly_behind(self, record: TrialRecord) -> bool:
        """Tells whether time is limited, and better spent on others: fine-tuning gains less than a finalist lacks."""
        return self._budget.left is not None and self._archive.is_clearly_behind(record)

    @property
    def _tune_epochs(self) -> int:
        """For how many epochs finalists are fine-tuned: all of them, so half as many do."""
        return math.ceil(self._settings.epochs / 2)
