"""Gives the trials of a search to workers, and takes in their results.

All state of a running search is here: the oracle that breeds candidates, the archive of those that ended, the budget
and the forecast. Workers are only names; all calls come from one thread.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path

from keras_tuner.engine.trial import Trial, TrialStatus

from kevo.engine import inheritance, oracle, partial_trainings
from kevo.engine.archive import Archive
from kevo.engine.budget import Budget
from kevo.engine.ensemble import EnsembleLibrary
from kevo.engine.feasibility import Feasibility
from kevo.engine.final_training import FinalTraining, FinalTrainings
from kevo.engine.messages import TrialResult, TrialSpec
from kevo.engine.running import Running, RunningTrials
from kevo.engine.trial_records import last_record, record_of
from kevo.progress import Listener
from kevo.runs import layout, phases
from kevo.runs.atomic_files import dumps, loads
from kevo.runs.predictions import write_predictions
from kevo.runs.records import FIRST, TrialRecord
from kevo.settings import Settings
from kevo.tasks.protocols.scores import Outputs
from kevo.tasks.protocols.task import FirstAnswer, Task
from kevo.training.effort import CandidateError, Effort
from tuners.genome import Genome

_ENSEMBLES_AHEAD = 2
"""So many times as long as an ensemble takes before the end it is looked whether there is to be one."""
_LATEST_WORKER = 120.0
"""A worker that is not there so many seconds after the time was up is not waited for."""
_MAX_LOSSES = 2
"""A training that took so many workers with it is not begun again."""


class Idle(Enum):
    """The answer to a worker where there is no trial for it."""

    WAIT = "wait"
    OVER = "over"


class Scheduler:
    """The head of one session of a search.

    Args:
        archive: The candidates of earlier sessions.
        task: What is learned.
        settings: How the search is to run.
        listener: Is told what happens.
        budget: Its time.
    """

    def __init__(
        self,
        archive: Archive,
        task: Task,
        settings: Settings,
        listener: Listener,
        *,
        budget: Budget,
    ) -> None:
        self._archive = archive
        self._task = task
        self._kind = settings.kind
        self._settings = settings
        self._listener = listener
        self._budget = budget
        self.running = RunningTrials()
        self._numbers = {record.trial_id: record.number for record in archive.records.values()}
        self._next_number = 1 + max(self._numbers.values(), default=-1)
        self.is_feasible = Feasibility(task, self._kind, archive, budget)
        self._exhausted_with: float | None = None
        """So many seconds were left for the evolution when the oracle had nothing more; `None` before."""
        self._is_stopped = False
        self._phase: tuple[str, str] | None = None
        self._has_told_of_inheritance = False
        self._finals = FinalTrainings(archive, settings, budget, task)
        self._library = EnsembleLibrary(archive.folder, task, settings)
        self._weighed = list[str]()
        self.oracle = oracle.oracle(
            archive,
            settings,
            task,
            max_retries=_MAX_LOSSES - 1,
            feasible=self.is_feasible,
            cost=self.is_feasible.expected_seconds,
            note=listener.note,
        )
        # Whoever was killed may have written an end down without that.
        partial_trainings.tidy(archive.folder, archive.records)
        # Of final trainings only: the oracle counts those of its own trials.
        self._num_losses: Counter[str] = Counter()
        self._expect_closing()

    @property
    def is_over(self) -> bool:
        """Whether no trial is left, or no time for one; also if no worker is there to ask."""
        if self._is_stopped or self.running:
            return self._is_stopped
        if (left := self._budget.left) is not None and left <= 0:
            return self._first_answer() is None or left <= -_LATEST_WORKER
        max_trials = self._settings.max_trials
        has_evolved = not self._may_evolve or self._has_settled
        has_evolved |= max_trials is not None and len(self.oracle.end_order) >= max_trials
        return has_evolved and self._next_final() is None and self._next_refit() is None

    def stop(self) -> None:
        """Ends the search: no worker gets another trial, and running ones are not waited for."""
        self._is_stopped = True

    def next(self, worker: str) -> TrialSpec | Idle:
        """Returns a worker's next trial. Its former one counts as lost."""
        if self._is_stopped:
            # What a worker was at is no loss of its own: it is taken up when the search is.
            return Idle.OVER
        self.lose(worker, "its worker asked for another task")
        if (first := self.begin_first(worker)) is not None:
            return first
        while not self._is_stopped and self._may_evolve:
            if self._has_settled:
                # What runs may yet bring something new, as a search that is taken up again would see.
                if self.running:
                    return Idle.WAIT
                self._listener.note(f"Nothing new in {self._archive.num_without_news} candidates: no more are bred.")
                self._exhausted_with = math.inf
                break
            trial = self._next_trial()
            if trial.status == TrialStatus.IDLE:
                return Idle.WAIT
            if trial.status == TrialStatus.STOPPED:
                # What runs may be lost, and is then to be run again.
                if self.running:
                    return Idle.WAIT
                if self.is_feasible.left is not None and not self.is_feasible.takes_all:
                    # What is dear may use the time that nothing else can.
                    self.is_feasible.takes_all = True
                    continue
                self._exhausted_with = math.inf if self.is_feasible.left is None else self.is_feasible.left
                break
            if (task := self._begun(trial, worker)) is not None:
                return task
        if any(running.trial is not None for running in self.running):
            return Idle.WAIT
        if self._is_stopped:
            return Idle.OVER
        if self._settings.inherit and not self._has_told_of_inheritance:
            self._has_told_of_inheritance = True
            self._listener.note(inheritance.summary(self._archive.records.values()))
        if (final := self._next_final()) is not None:
            effort, finalist = final.effort, final.finalist
            return self._begin(
                worker, final.trial_id, final.genome, effort, finalist.generation, final.continues, full_length=True
            )
        if self.running:
            return Idle.WAIT
        # What the end does not need is the refit's.
        self._expect_closing(weighs=True)
        if (final := self._next_refit()) is not None:
            effort, winner = final.effort, final.finalist
            return self._begin(
                worker, final.trial_id, final.genome, effort, winner.generation, final.continues, refits=winner
            )
        return Idle.OVER

    def begin_first(self, worker: str) -> TrialSpec | None:
        """Begins the model that is trained in seconds, where time is limited: from then on there is an answer.

        Args:
            worker: Who trains it.

        Returns:
            The trial; `None` where there is a model already, or nothing so plain.
        """
        if (answer := self._first_answer()) is None:
            return None
        # It takes seconds. Where a machine is so slow that it does not, an answer is worth more than what follows.
        work = self._task.work(answer.genome)._replace(per_epoch=None)
        num_epochs, seconds = self._budget.for_a_candidate(work, self._budget.left, is_first=False)
        effort = Effort(num_epochs, seconds, num_examples=answer.num_examples)
        return self._begin(worker, FIRST, answer.genome, effort, 0, None)

    def tell(self, worker: str, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> bool:
        """Takes down how far a worker is, and returns whether it is to go on."""
        running = self.running.of(worker)
        if running is None or self._is_stopped:
            return False
        running.heard_at = time.monotonic()
        self._listener.progress(running.task.number, stage, done, total, metrics)
        return True

    def wants(self, worker: str, outcome: TrialResult) -> bool:
        """Tells whether the model of a worker's trial may be needed."""
        running = self.running.of(worker)
        if running is None or outcome.reason is not None:
            return False
        return running.refits is not None or self._archive.wants(self._record(running, outcome))

    def leads(self, worker: str, outcome: TrialResult) -> bool:
        """Tells whether a worker's trial would win now."""
        running = self.running.of(worker)
        if running is None or outcome.reason is not None or running.refits is not None:
            return False
        return self._archive.leads(self._record(running, outcome))

    def finish(
        self,
        worker: str,
        outcome: TrialResult,
        *,
        save: Callable[[Path], object] | None = None,
        outputs: Outputs | None = None,
    ) -> None:
        """Takes in the result of a trial.

        Args:
            worker: Who did it.
            outcome: What came of it.
            save: Writes the model; called only if that is wanted. A `CandidateError` of its own fails the candidate.
            outputs: The model's outputs for the validation split.
        """
        running = self.running.of(worker)
        if running is None or self._is_stopped:
            return
        if running.refits is not None:
            self._end_refit(running, running.refits, outcome, save, outputs)
            return
        record = self._record(running, outcome)
        # A record that cannot be read again would end the search when it is taken up.
        self._archive.check(record)
        is_wanted = outcome.reason is None and self._archive.wants(record)
        try:
            self._archive.add(record, save=save if is_wanted else None, outputs=outputs)
        except CandidateError as error:
            self.finish(worker, outcome.failed(str(error)))
            return
        self._learn(running, outcome)
        partial_trainings.forget(self._archive.folder, record.trial_id)
        # Only now: whatever fails before leaves the trial to be run again.
        self.running.end(worker)
        self._end(running.trial, record)
        self._expect_closing()
        self._listener.trial_ended(record, self._archive.winner)

    def are_valid(self, outputs: Outputs) -> bool:
        """Tells whether outputs that came from elsewhere can be some model's; see `Task.are_valid`."""
        return self._task.are_valid(outputs)

    def check(self, result: TrialResult) -> None:
        """Raises a `ValueError` where a result from another process is none that the task's trainer could give."""
        if result.learned:
            self._task.check_learned(result.learned)

    def lose(self, worker: str, reason: str, *, is_its_fault: bool = True) -> None:
        """Notes that a worker is gone. Its trial is given to the next one that asks.

        Args:
            worker: Who is gone.
            reason: Why.
            is_its_fault: Whether what it was at may have been the cause: that is begun again once only.
        """
        running = self.running.end(worker)
        self._pin()
        if running is None:
            return
        trial_id, trial = running.task.trial_id, running.trial
        num_losses = is_its_fault + (self._num_losses[trial_id] if trial is None else self.oracle.num_runs(trial_id))
        self._listener.trial_lost(running.task.number, reason)
        if trial is None:
            self._num_losses[trial_id] = num_losses
        if num_losses < _MAX_LOSSES or running.refits is not None:
            if trial is not None:
                self.oracle.take_back(trial_id, reason, counts=is_its_fault)
            return
        record = self._record(running, TrialResult(seconds=0.0, reason=reason))
        self._archive.add(record)
        partial_trainings.forget(self._archive.folder, trial_id)
        self._end(trial, record)
        self._listener.trial_ended(record, self._archive.winner)

    def keep(
        self,
        worker: str,
        *,
        save: Callable[[Path], object],
        history: Sequence[Mapping[str, float]],
        stages: Sequence[str],
        seconds: float,
    ) -> None:
        """Keeps a training that is under way, so that it can be taken up again if it breaks off; see `unfinished`."""
        running = self.running.of(worker)
        if running is not None and running.refits is None and not self._is_stopped:
            task = running.task
            partial_trainings.keep(
                self._archive.folder,
                task.trial_id,
                task.genome,
                save=save,
                history=history,
                stages=stages,
                seconds=task.seconds_before + seconds,
                continues=task.continues,
                inherits=task.inherits,
            )

    @property
    def _has_settled(self) -> bool:
        """Whether the evolution has brought nothing new for as long as it may."""
        patience = self._settings.patience
        return patience is not None and self._archive.num_without_news >= patience

    @property
    def _may_evolve(self) -> bool:
        """Whether there is time for another candidate, and perhaps one to be bred.

        There may be time again after the final trainings: those that are done need none.
        """
        left = self.is_feasible.left = self._finals.left_for_evolution()
        if self._exhausted_with is not None and (left is None or left <= self._exhausted_with):
            return False
        return left is None or left > 0

    def _next_trial(self) -> Trial:
        # Who trains what stands in `running` alone: to the oracle each trial that runs has a worker of its own.
        names = (f"run {number}" for number in itertools.count())
        trial = self.oracle.create_trial(next(name for name in names if name not in self.oracle.ongoing_trials))
        for reason, num in self.is_feasible.num_skipped.items():
            self._listener.skipped("genomes", reason, num)
        self.is_feasible.num_skipped.clear()
        return trial

    def _begun(self, trial: Trial, worker: str) -> TrialSpec | None:
        """Begins a trial, or ends it at once where all is known of it already."""
        values = trial.hyperparameters.values
        # A search that was killed may have written a candidate down without telling its oracle.
        record = self._archive.records.get(trial.trial_id)
        paused = last_record(values.get("tuner/trial_id"), self._archive, self.oracle)
        if record is None and paused is not None and not paused.is_paused:
            # What needs no further training is as fit in every rung.
            record = paused
        if record is not None:
            self._end(trial, record)
            return None
        genome: Genome = {name: value for name, value in values.items() if not name.startswith("tuner/")}
        others = [running for running in self.running if running.task.trial_id != FIRST]
        num_epochs, seconds = self._budget.for_a_candidate(
            self._task.work(genome),
            self.is_feasible.left,
            is_first=self.is_feasible.is_first and not others,
            takes_all=self.is_feasible.takes_all,
        )
        if num_epochs > self._settings.epochs:
            genome = self._finals.as_only_one(trial.trial_id, genome, seconds)
        effort = Effort(
            num_epochs,
            seconds,
            pause_after=values.get("tuner/epochs"),
            num_examples=self.is_feasible.num_examples(genome),
        )
        parent = None
        if self._settings.inherit:
            parent = inheritance.parent_of(
                trial, genome, archive=self._archive, settings=self._settings, oracle=self.oracle
            )
        if parent is not None:
            effort = inheritance.shortened(effort)
        generation = self.oracle.generation_of(trial.trial_id)
        return self._begin(worker, trial.trial_id, genome, effort, generation, paused, trial=trial, parent=parent)

    def _first_answer(self) -> FirstAnswer | None:
        """Returns what is trained first, also when the time is up by then; `None` where that is done or under way."""
        is_under_way = FIRST in self.running.names
        if self._budget.left is None or self._archive.records or is_under_way:
            return None
        return self._task.first_answer

    def _begin(
        self,
        worker: str,
        trial_id: str,
        genome: Genome,
        effort: Effort,
        generation: int,
        continues: TrialRecord | None,
        *,
        full_length: bool = False,
        trial: Trial | None = None,
        refits: TrialRecord | None = None,
        parent: TrialRecord | None = None,
    ) -> TrialSpec:
        folder = self._archive.folder
        kept = partial_trainings.find(folder, trial_id, genome)
        # A refit goes on from the weights alone: its learning rate rises and falls anew.
        earlier = None if refits else continues
        source = continues or parent
        model = kept.model if kept else folder.path / layout.checkpoint(source.trial_id) if source else None
        # Without its model a candidate begins again.
        if model is not None and not model.is_file():
            model, continues = None, None
        number = self._numbers.setdefault(trial_id, self._next_number)
        self._next_number = max(self._next_number, number + 1)
        task = TrialSpec(
            trial_id=trial_id,
            number=number,
            genome=genome,
            effort=effort,
            continues=continues.trial_id if continues else None,
            history=kept.history if kept else tuple(earlier.history) if earlier else (),
            stages=kept.stages if kept else tuple(earlier.stages) if earlier else (),
            seconds_before=kept.seconds if kept else 0.0,
            learned=self._task.learned,
            inherits=parent.trial_id if parent else None,
            parent=parent.genome if parent else None,
        )
        self.running.begin(
            Running(
                task=task,
                worker=worker,
                generation=generation,
                full_length=full_length,
                trial=trial,
                work=self._task.work(genome),
                heard_at=time.monotonic(),
                goes_on_from=model,
                refits=refits,
            )
        )
        self._tell_phase(trial_id, is_evolved=trial is not None, full_length=full_length)
        words = self._kind.describe(genome)
        if parent is not None:
            words += f", with the weights of candidate {parent.number + 1}"
        self._listener.trial_started(number, words, self.is_feasible.left if trial else self._budget.left, worker)
        self._pin()
        return task

    def _tell_phase(self, trial_id: str, *, is_evolved: bool, full_length: bool) -> None:
        """Tells the listener what a training that begins is for, unless it knows."""
        if full_length:
            running = sum(one.full_length for one in self.running)
            ended = sum(record.full_length for record in self._archive.records.values())
            # Candidates that came after others have had theirs have one of their own.
            num = max(ended + running, len(self._archive.finalists))
            phase = phases.FINALS, f"final training {ended + running} of {num}"
        elif is_evolved:
            phase = phases.EVOLVING, phases.words(phases.EVOLVING)
        elif trial_id == FIRST:
            phase = phases.EVOLVING, "trains a first model, in seconds"
        else:
            phase = phases.REFITTING, phases.words(phases.REFITTING)
        if phase != self._phase:
            self._phase = phase
            self._listener.phase_began(*phase)

    def _pin(self) -> None:
        """Keeps the models that are just gone on from."""
        sources = (name for running in self.running for name in (running.task.continues, running.task.inherits))
        self._archive.pinned = {trial_id for trial_id in sources if trial_id is not None}

    def _next_final(self) -> FinalTraining | None:
        return self._finals.next(self.running.names)

    def _next_refit(self) -> FinalTraining | None:
        final = self._finals.refit()
        return None if final is None or self._num_losses[final.trial_id] >= _MAX_LOSSES else final

    def _end_refit(
        self,
        running: Running,
        winner: TrialRecord,
        outcome: TrialResult,
        save: Callable[[Path], object] | None,
        outputs: Outputs | None,
    ) -> None:
        reason = outcome.reason or ("its model is missing" if save is None else None)
        if save is not None and reason is None:
            try:
                answered = layout.refit_predictions(winner.trial_id)
                # An earlier refit may have lost its model since.
                (self._archive.folder.path / answered).unlink(missing_ok=True)
                if outputs is not None:
                    with self._archive.folder.replacing(answered) as path:
                        write_predictions(path, outputs)
                # Last: a refit whose model is there is done.
                with self._archive.folder.replacing(layout.refit_model(winner.trial_id)) as path:
                    save(path)
            except CandidateError as error:
                reason = str(error)
        if reason is not None:
            self._num_losses[running.task.trial_id] = _MAX_LOSSES
            self._listener.note(f"The winner learns from the training split only: {reason}.")
        self.running.end(running.worker)

    def _record(self, running: Running, outcome: TrialResult) -> TrialRecord:
        return record_of(running, outcome, archive=self._archive, oracle=self.oracle, finished_at=self._budget.seconds)

    def _learn(self, running: Running, outcome: TrialResult) -> None:
        """Tells the task how long a training took, and the facts that it learned."""
        if outcome.learned:
            self._task.learn(outcome.learned)
        work, seconds = running.work, outcome.seconds
        is_whole = not running.full_length and running.task.effort.num_examples is None
        is_telling = outcome.reason is None and not outcome.is_cut_short and is_whole
        if work.per_epoch is not None and outcome.reason is None and outcome.share > 0:
            # It may have any length, so that it is compared with what its own was expected to take.
            num_epochs = outcome.share * running.task.effort.num_epochs
            expected = work.seconds + work.per_epoch * (num_epochs - self._settings.rungs[0])
            seconds, is_telling = work.seconds * outcome.seconds / expected, True
        elif not running.full_length:
            # What ended early or failed, or learned from a sample, would have taken longer still.
            is_telling |= seconds > work.seconds
        if is_telling and running.goes_on_from is None:
            self._task.note_duration(running.task.genome, work, seconds)

    def _end(self, trial: Trial | None, record: TrialRecord) -> None:
        """Tells the oracle the result of a trial, and has it keep a copy of the record; of others a file does."""
        if trial is None:
            self._archive.folder.write_json(layout.record_copy(record.trial_id), record.to_json())
            return
        self.oracle.annotate(trial.trial_id, loads(dumps(record.to_json()).encode()))
        if record.fitness is None:
            trial.status, trial.message = TrialStatus.FAILED, record.reason
        else:
            self.oracle.update_trial(trial.trial_id, record.metrics)
            trial.status = TrialStatus.COMPLETED
        self.oracle.end_trial(trial)

    def _expect_closing(self, *, weighs: bool = False) -> None:
        """Tells the budget how long the end of the search is going to take.

        Args:
            weighs: Whether to look if there is to be an ensemble, however much time is left.
        """
        if (first := self._archive.records.get(FIRST)) is not None and first.fitness is not None:
            work = self._task.work(first.genome)
            self._budget.slowness = first.seconds * work.error / work.own
        if (winner := self._archive.winner) is not None:
            self._budget.scoring_seconds = self._task.scoring_seconds(winner.genome)
        left = self._budget.left
        if left is None or not (weighs or left <= _ENSEMBLES_AHEAD * self._budget.ensemble_seconds):
            return
        saved = self._archive.saved
        if (names := [record.trial_id for record in saved]) != self._weighed:
            self._weighed, self._budget.expects_ensemble = names, self._library.gains(saved)
