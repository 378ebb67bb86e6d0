"""Who hands out the trainings of a search and takes in what comes of them, whoever does them and wherever.

All state of a running search is here: the oracle that breeds candidates, the archive of those that ended, the budget
and the forecast. Workers are only names; calls may come from several threads.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import keras_tuner
import numpy as np
import numpy.typing as npt
from keras_tuner.engine.trial import Trial, TrialStatus

from kevo import space
from kevo.budget import Budget, num_last_epochs, seconds_spent
from kevo.datasets import ImageDataset
from kevo.engine import unfinished
from kevo.engine.archive import KINDS, Archive, full_length_id
from kevo.engine.genes import Genes, is_small_enough
from kevo.engine.tasks import Outcome, Task
from kevo.forecast import Forecast, Work
from kevo.probing import LinearProbes
from kevo.reporting import Listener
from kevo.runs import TrialRecord, checkpoint, damage, refit_model, writing
from kevo.settings import Settings
from kevo.space import Genome
from kevo.stages import PATIENCE, Effort, num_best_epochs
from kevo.words import describe
from tuners.oracle import GeneticOracle
from tuners.settings import Settings as EvolutionSettings

_P = ParamSpec("_P")
_R = TypeVar("_R")
BODIES = "bodies.json"
_MAX_LOSSES = 2
"""A training that took so many workers with it is not begun again."""


def _refit_id(record: TrialRecord) -> str:
    return f"{record.trial_id}-refit"


class Rest(Enum):
    """What a worker gets where there is no task for it."""

    WAIT = "wait"
    OVER = "over"


@dataclass(slots=True)
class _Running:
    """A training that somebody is at."""

    task: Task
    worker: str
    generation: int
    full_length: bool
    trial: Trial | None
    work: Work
    heard_at: float
    goes_on_from: Path | None = None
    refits: TrialRecord | None = None


def _exclusive(method: Callable[Concatenate[Chief, _P], _R]) -> Callable[Concatenate[Chief, _P], _R]:
    """Lets one thread at a time into the methods of a chief so marked."""

    @functools.wraps(method)
    def alone(self: Chief, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with self._lock:
            return method(self, *args, **kwargs)

    return alone


class Chief:
    """The head of one sitting of a search.

    Args:
        archive: The candidates of earlier sittings.
        dataset: The pictures.
        settings: How the search is to run.
        listener: Is told what happens.
        budget: Its time.
        forecast: Tells how long candidates take.
        genes: What is searched.
        probes: What linear heads make of frozen networks.
    """

    def __init__(
        self,
        archive: Archive,
        dataset: ImageDataset,
        settings: Settings,
        listener: Listener,
        *,
        budget: Budget,
        forecast: Forecast,
        genes: Genes,
        probes: LinearProbes,
    ) -> None:
        self._archive = archive
        self._dataset = dataset
        self._settings = settings
        self._listener = listener
        self._budget = budget
        self._forecast = forecast
        self._probes = probes
        self._lock = threading.RLock()
        self._running: dict[str, _Running] = {}
        self._numbers = {record.trial_id: record.number for record in archive.records.values()}
        self._left: float | None = None
        self._has_evolved = False
        self._is_stopped = False
        self.oracle = self._evolution(genes)
        # What earlier sittings lost.
        self._losses = {trial_id: self.oracle._run_times[trial_id] for trial_id in self.oracle._retry_queue}
        self._expect_closing()

    @property
    @_exclusive
    def is_over(self) -> bool:
        """Whether nobody has anything to do any more, or there is no time for it; also if no worker is there to ask."""
        if self._is_stopped or self._running:
            return self._is_stopped
        if (left := self._budget.left) is not None and left <= 0:
            return True
        max_trials = self._settings.max_trials
        has_evolved = self._has_evolved or self._has_settled
        has_evolved |= max_trials is not None and len(self.oracle.end_order) >= max_trials
        return has_evolved and self._next_final() is None and self._next_refit() is None

    def stop(self) -> None:
        """Ends the search: from now on nobody gets a task, and what runs is not waited for."""
        self._is_stopped = True

    @_exclusive
    def next(self, worker: str) -> Task | Rest:
        """Returns what a worker is to do. What it was at before counts as lost."""
        self.lose(worker, "its worker asked for another task")
        while not self._is_stopped and not self._has_evolved:
            if self._has_settled:
                # What runs may yet bring something new, as a search that is taken up again would see.
                if self._running:
                    return Rest.WAIT
                self._listener.note(f"Nothing new in {self._archive.num_without_news} candidates: no more are bred.")
                self.oracle.stop()
            trial = self._next_trial(worker)
            if trial.status == TrialStatus.IDLE:
                return Rest.WAIT
            if trial.status == TrialStatus.STOPPED:
                if self._running:
                    return Rest.WAIT
                self._has_evolved = True
                break
            if (task := self._begun(trial, worker)) is not None:
                return task
        if self._is_stopped:
            return Rest.OVER
        if (final := self._next_final()) is not None:
            return self._begin(worker, *final, full_length=True)
        if self._running:
            return Rest.WAIT
        if (winner := self._next_refit()) is not None:
            return self._begin_refit(worker, winner)
        return Rest.OVER

    @_exclusive
    def tell(self, worker: str, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> bool:
        """Takes down how far a worker is, and returns whether it is to go on."""
        running = self._running.get(worker)
        if running is None or self._is_stopped:
            return False
        running.heard_at = time.monotonic()
        self._listener.progress(running.task.number, stage, done, total, metrics)
        return True

    @_exclusive
    def wants(self, worker: str, outcome: Outcome) -> bool:
        """Tells whether the model of what a worker has trained may be needed."""
        running = self._running.get(worker)
        if running is None or outcome.reason is not None:
            return False
        return running.refits is not None or self._archive.wants(self._record(running, outcome))

    @_exclusive
    def finish(
        self,
        worker: str,
        outcome: Outcome,
        *,
        save: Callable[[Path], object] | None = None,
        probabilities: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Takes in what came of a training.

        Args:
            worker: Who did it.
            outcome: What came of it.
            save: Writes the model; called only if that is wanted.
            probabilities: What the model predicts for the validation pictures.
        """
        running = self._running.get(worker)
        if running is None or self._is_stopped:
            return
        if running.refits is not None:
            self._end_refit(running, outcome, save)
            return
        record = self._record(running, outcome)
        # A record that cannot be read again would end the search when it is taken up.
        self._archive.check(record)
        self._learn(running, outcome)
        is_wanted = outcome.reason is None and self._archive.wants(record)
        self._archive.add(record, save=save if is_wanted else None, probabilities=probabilities)
        unfinished.forget(self._archive.folder, record.trial_id)
        # Only now: whatever fails before leaves the trial to be run again.
        del self._running[worker]
        if running.trial is not None:
            self._end(running.trial, record)
        self._expect_closing()
        self._listener.trial_ended(record, next(iter(self._archive.completed), None))

    @_exclusive
    def is_busy(self, worker: str) -> bool:
        """Tells whether a worker has a task."""
        return worker in self._running

    @_exclusive
    def lose(self, worker: str, reason: str, *, is_its_fault: bool = True) -> None:
        """Takes down that a worker is gone. What it was at is begun again by whoever comes next.

        Args:
            worker: Who is gone.
            reason: Why.
            is_its_fault: Whether what it was at may have been the cause: that is begun again once only.
        """
        running = self._running.pop(worker, None)
        self._pin()
        if running is None:
            return
        trial_id = running.task.trial_id
        self._losses[trial_id] = self._losses.get(trial_id, 0) + is_its_fault
        self._listener.trial_lost(running.task.number, reason)
        if self._losses[trial_id] < _MAX_LOSSES or running.refits is not None:
            # Whoever serves the oracle may have noticed too.
            if running.trial is not None and worker in self.oracle.ongoing_trials:
                if not is_its_fault:
                    self.oracle._run_times[trial_id] -= 1
                running.trial.status, running.trial.message = TrialStatus.INVALID, reason
                self.oracle.end_trial(running.trial)
            return
        record = self._record(running, Outcome(seconds=0.0, reason=reason))
        self._archive.add(record)
        if running.trial is not None and running.trial.status != TrialStatus.FAILED:
            self._end(running.trial, record)
        self._listener.trial_ended(record, next(iter(self._archive.completed), None))

    @_exclusive
    def hear(self, worker: str) -> None:
        """Takes down that a worker gave a sign of life."""
        if (running := self._running.get(worker)) is not None:
            running.heard_at = time.monotonic()

    @_exclusive
    def silence(self, worker: str) -> tuple[float, float]:
        """Returns for how long nothing was heard of a worker, and how long its training should take, in seconds."""
        running = self._running.get(worker)
        return (0.0, 0.0) if running is None else (time.monotonic() - running.heard_at, running.work.seconds)

    @_exclusive
    def model_for(self, worker: str) -> Path | None:
        """Returns the model that a worker's task goes on from."""
        running = self._running.get(worker)
        return None if running is None else running.goes_on_from

    @_exclusive
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
        running = self._running.get(worker)
        if running is not None and running.refits is None and not self._is_stopped:
            task = running.task
            unfinished.keep(
                self._archive.folder,
                task.trial_id,
                task.genome,
                save=save,
                history=history,
                stages=stages,
                seconds=task.seconds_before + seconds,
            )

    def is_feasible(self, genome: Genome) -> bool:
        """Tells whether a candidate may be trained at all: it is small enough, and there is time for it."""
        is_small = is_small_enough(genome, self._settings, num_classes=self._dataset.num_classes)
        if not is_small or self._probes.is_behind(genome):
            return False
        # Of the very first nothing is known but a guess; if it was wrong, training is cut short.
        is_first = not any(record.fitness is not None for record in self._archive.records.values())
        return is_first or self._left is None or self._budget.allows(self._forecast.work(genome), self._left)

    def _evolution(self, genes: Genes) -> GeneticOracle:
        settings, state = self._settings, self._archive.folder.path / "search"
        oracle = GeneticOracle(
            objective=[keras_tuner.Objective(one.metric, one.direction) for one in self._archive.objectives],
            max_trials=settings.max_trials,
            seed=settings.seed,
            hyperparameters=genes.hyperparameters,
            tune_new_entries=False,
            allow_new_entries=False,
            max_retries_per_trial=_MAX_LOSSES - 1,
            # A space with a hopeless corner must not end the search: it learns to avoid it.
            max_consecutive_failed_trials=10**9,
            seeds=genes.seeds,
            feasible=self.is_feasible,
            cost=lambda genome: self._forecast.work(genome).seconds,
            settings=EvolutionSettings(
                per_second=settings.resolved_max_time is not None,
                population_size=settings.population,
                num_elites=min(2, settings.population - 1),
                rungs=settings.rungs if settings.num_rungs > 1 else (),
                kinds=KINDS,
            ),
        )
        oracle.verbose = 0
        with writing(state):
            oracle._set_project_dir(str(state.parent), state.name)
            if not (state / "oracle.json").exists():
                oracle.save()
                return oracle
            with damage(state):
                oracle.reload()
                known = {None}
                for trial_id, trial in oracle.trials.items():
                    if (source := trial.hyperparameters.values.get("tuner/trial_id")) not in known:
                        raise LookupError(f"trial {trial_id} continues trial {source}, which is not there before it")
                    known.add(trial_id)
        return oracle

    @property
    def _has_settled(self) -> bool:
        """Whether the evolution has brought nothing new for as long as it may."""
        patience = self._settings.patience
        return patience is not None and self._archive.num_without_news >= patience

    def _next_trial(self, worker: str) -> Trial:
        self._left = self._left_for_evolution()
        if not self._budget.suffices(self._left, self._archive.records):
            self.oracle.stop()
        return self.oracle.create_trial(worker)

    def _begun(self, trial: Trial, worker: str) -> Task | None:
        """Begins a trial, or ends it at once where all is known of it already."""
        values = trial.hyperparameters.values
        # A search that was killed may have written a candidate down without telling its oracle.
        record = self._archive.records.get(trial.trial_id)
        paused = self._last_record(values.get("tuner/trial_id"))
        if record is None and paused is not None and not paused.is_paused:
            # What needs no further training is as fit in every rung.
            record = paused
        if record is not None:
            self._end(trial, record)
            return None
        genome = {name: value for name, value in values.items() if not name.startswith("tuner/")}
        effort = Effort(
            self._settings.epochs,
            self._budget.for_a_candidate(self._left),
            pause_after=values.get("tuner/epochs"),
        )
        generation = self.oracle.generation_of(trial.trial_id)
        return self._begin(worker, trial.trial_id, genome, effort, generation, paused, trial=trial)

    def _last_record(self, trial_id: str | None) -> TrialRecord | None:
        """Returns the last training of a candidate up to a trial; trials without one have only passed it on."""
        while trial_id is not None and trial_id not in self._archive.records:
            trial_id = self.oracle.trials[trial_id].hyperparameters.values.get("tuner/trial_id")
        return None if trial_id is None else self._archive.records[trial_id]

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
    ) -> Task:
        folder = self._archive.folder
        kept = unfinished.find(folder, trial_id, genome)
        model = kept.model if kept else folder.path / checkpoint(continues) if continues else None
        # Without its model a candidate begins again.
        if model is not None and not model.is_file():
            model, continues = None, None
        number = self._numbers.setdefault(trial_id, 1 + max(self._numbers.values(), default=-1))
        task = Task(
            trial_id=trial_id,
            number=number,
            genome=genome,
            effort=effort,
            continues=continues.trial_id if continues else None,
            history=kept.history if kept else tuple(continues.history) if continues else (),
            stages=kept.stages if kept else tuple(continues.stages) if continues else (),
            seconds_before=kept.seconds if kept else 0.0,
            errors=dict(self._probes.errors),
        )
        self._running[worker] = _Running(
            task=task,
            worker=worker,
            generation=generation,
            full_length=full_length,
            trial=trial,
            work=self._forecast.work(genome),
            heard_at=time.monotonic(),
            goes_on_from=model,
        )
        self._listener.trial_started(number, describe(genome), self._left if trial else self._budget.left, worker)
        self._pin()
        return task

    def _pin(self) -> None:
        """Keeps the models that are just gone on from."""
        continued = (running.task.continues for running in self._running.values())
        self._archive.pinned = {trial_id for trial_id in continued if trial_id is not None}

    def _next_final(self) -> tuple[str, Genome, Effort, int, TrialRecord | None] | None:
        """Returns the next of the best candidates to be trained at full length; they compete with all others' models.

        Where time is limited the best comes first, for as many epochs as there is time for. What a head can learn from
        a frozen backbone it has mostly learned: its final training goes on to fine-tune the backbone.
        """
        begun = {running.task.trial_id for running in self._running.values()}
        for record in self._archive.finalists:
            trial_id = full_length_id(record)
            if trial_id in self._archive.records or trial_id in begun:
                continue
            left = self._budget.left_for_finalist
            if left is not None and left <= 0:
                return None
            if (tuned := self._tuned(record, left)) is not None:
                effort = Effort(self._settings.epochs, left, tune_epochs=self._tune_epochs)
                return trial_id, tuned, effort, record.generation, None
            num_epochs = self._budget.num_final_epochs(record, self._archive.records)
            so_far = self._settings.epochs - 1 if record.is_paused else num_last_epochs(record)
            begins_anew = left is None or num_epochs > so_far
            if not begins_anew and not record.is_paused:
                continue
            # With too little time to begin again, a candidate that paused still has some of its epochs before it.
            effort = Effort(num_epochs if begins_anew else self._settings.epochs, left, patience=2 * PATIENCE)
            return trial_id, record.genome, effort, record.generation, None if begins_anew else record
        return None

    def _next_refit(self) -> TrialRecord | None:
        """Returns the winner, if there is time to let it learn from the validation pictures too."""
        winner, left = next(iter(self._archive.saved), None), self._budget.left
        if winner is None or (left is not None and left <= 0) or self._losses.get(_refit_id(winner), 0) >= _MAX_LOSSES:
            return None
        return None if (self._archive.folder.path / refit_model(winner)).is_file() else winner

    def _begin_refit(self, worker: str, winner: TrialRecord) -> Task:
        nums = num_best_epochs(winner.history, winner.stages, self._archive.objective)
        effort = Effort(winner.planned_epochs, self._budget.left, tune_epochs=winner.tune_epochs, refit=nums)
        task = self._begin(worker, _refit_id(winner), winner.genome, effort, winner.generation, None)
        self._running[worker].refits = winner
        return task

    def _end_refit(self, running: _Running, outcome: Outcome, save: Callable[[Path], object] | None) -> None:
        winner = running.refits
        if winner is not None and save is not None and outcome.reason is None:
            with self._archive.folder.replacing(refit_model(winner)) as path:
                save(path)
        else:
            self._losses[running.task.trial_id] = _MAX_LOSSES
            self._listener.note(f"The winner learns from the training pictures only: {outcome.reason}.")
        del self._running[running.worker]

    def _left_for_evolution(self) -> float | None:
        finals, tunes = 0.0, False
        for record in self._archive.finalists:
            if (tuned := self._tuned(record, self._budget.tuning_seconds)) is not None:
                finals, tunes = finals + self._forecast.work(tuned, tune_epochs=self._tune_epochs).seconds, True
            else:
                finals += self._budget.full_length_seconds(record, self._archive.records)
        return self._budget.left_for_evolution(finals, tunes=tunes)

    def _tuned(self, record: TrialRecord, left: float | None) -> Genome | None:
        """Returns a finalist with as many blocks fine-tuned as there is time for; `None` where there is none."""
        for tuned in space.fine_tuned(record.genome, self._settings.resolved_space):
            work = self._forecast.work(tuned, tune_epochs=self._tune_epochs)
            if self._budget.may_tune(work, left):
                return tuned
        return None

    @property
    def _tune_epochs(self) -> int:
        """For how many epochs finalists are fine-tuned: all of them, so half as many do."""
        return math.ceil(self._settings.epochs / 2)

    def _record(self, running: _Running, outcome: Outcome) -> TrialRecord:
        task, metrics = running.task, dict(outcome.metrics)
        if "seconds" in metrics:
            metrics["seconds"] += task.seconds_before
            if task.continues is not None:
                metrics["seconds"] += seconds_spent(self._archive.records[task.continues], self._archive.records)
        return TrialRecord(
            number=task.number,
            trial_id=task.trial_id,
            generation=running.generation,
            genome=dict(task.genome),
            status="failed" if outcome.reason else "completed",
            fitness=None if outcome.reason else metrics[self._archive.objective.metric],
            metrics=metrics,
            history=list(outcome.history),
            stages=list(outcome.stages),
            num_epochs=len(outcome.history),
            seconds=task.seconds_before + outcome.seconds,
            num_parameters=outcome.num_parameters,
            reason=outcome.reason,
            finished_at=self._budget.seconds,
            full_length=running.full_length,
            continues=task.continues,
            is_paused=outcome.is_paused,
            planned_epochs=task.effort.num_epochs,
            tune_epochs=task.effort.tune_epochs,
        )

    def _learn(self, running: _Running, outcome: Outcome) -> None:
        """Takes down what a training tells of the machine and of frozen networks."""
        if any(error > 0 for error in outcome.errors.values()):
            self._probes.errors |= {key: error for key, error in outcome.errors.items() if error > 0}
            self._archive.folder.write_json(BODIES, self._probes.errors)
        self._forecast.learn_speeds(outcome.speeds)
        # What ended early or failed would have taken longer still.
        is_telling = (outcome.reason is None and not outcome.is_cut_short) or outcome.seconds > running.work.seconds
        if is_telling and running.goes_on_from is None and not running.full_length:
            self._forecast.learn(running.task.genome, running.work, outcome.seconds)

    def _end(self, trial: Trial, record: TrialRecord) -> None:
        """Tells the oracle what came of a trial."""
        if record.fitness is None:
            trial.status, trial.message = TrialStatus.FAILED, record.reason
        else:
            self.oracle.update_trial(trial.trial_id, record.metrics)
            trial.status = TrialStatus.COMPLETED
        self.oracle.end_trial(trial)

    def _expect_closing(self) -> None:
        if completed := self._archive.completed:
            self._budget.closing_seconds = self._forecast.closing_seconds(completed[0].genome)
