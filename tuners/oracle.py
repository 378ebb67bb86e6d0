"""The genetic algorithm as a Keras Tuner oracle: trials are individuals, and the state is JSON.

All that a resumed search needs of a trial lies in its own `trial.json`, written when the trial is created and when it
ends. `oracle.json` holds the seed and the space, and is written at the start and when the space has grown. Each file is
replaced in one step, a trial's first. So the cost of a trial does not depend on how many there were, and a search that
was killed at any moment is taken up from what its trials say of themselves.
"""

import bisect
import functools
import json
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.engine.objective import create_objective
from keras_tuner.src.engine.oracle import LOCKS, THREADS

from tuners import pareto
from tuners.evolution import Evolution, Individual, Pause
from tuners.genome import Genome, SearchSpace
from tuners.patience import Deadline, Patience
from tuners.settings import Settings

_P = ParamSpec("_P")
_R = TypeVar("_R")

# What of an individual its trial does not say.
_RECORDED = tuple(field.name for field in fields(Individual) if field.name not in ("genome", "status"))


def write_json(path: str, content: object, *, is_durable: bool = True) -> None:
    """Writes a JSON file that is there whole or not at all, whenever the process dies.

    Args:
        path: The file; it is replaced if it exists.
        content: Anything that JSON can hold.
        is_durable: Whether the file is whole after a power cut too. Waiting for the disk takes about ten times as long
            as all the rest.
    """
    # The same name each time, so that what a killed process leaves behind is overwritten.
    unfinished = f"{path}.tmp"
    with open(unfinished, "w", encoding="utf-8") as file:
        # `json.dump` would encode in Python, twenty times slower.
        file.write(json.dumps(content))
        if is_durable:
            file.flush()
            os.fsync(file.fileno())
    os.replace(unfinished, path)
    if is_durable:
        _sync_folder(os.path.dirname(path))


@contextmanager
def locked(oracle: object) -> Iterator[None]:
    """Holds Keras Tuner's own lock, and lets go of it on errors too, which `keras_tuner.synchronized` does not.

    What is so marked in the oracle may be called inside: the lock belongs to the thread, by its name.
    """
    thread = threading.current_thread().name
    if THREADS[oracle] == thread:
        yield
        return
    with LOCKS[oracle]:
        THREADS[oracle] = thread
        try:
            yield
        finally:
            THREADS[oracle] = None


def _exclusive(
    method: Callable[Concatenate["GeneticOracle", _P], _R],
) -> Callable[Concatenate["GeneticOracle", _P], _R]:
    """Lets one thread at a time into the methods of an oracle so marked."""

    @functools.wraps(method)
    def alone(self: "GeneticOracle", /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with locked(self):
            return method(self, *args, **kwargs)

    return alone


class GeneticOracle(keras_tuner.Oracle):  # type: ignore[misc]  # Keras Tuner is not typed.
    """Proposes trials by evolution; see `tuners.evolution`.

    Args:
        objective: A name, a `keras_tuner.Objective`, or a list of them. Of several, the first one scores trials and
            decides which is best; the search is for the front between all of them, see `front`.
        max_trials: Number of trials at most; None for no end. Fewer are run when the space is exhausted.
        seed: The same seed gives the same proposals for the same scores. By default a random one.
        hyperparameters: The space, or a part of it, declared in advance.
        allow_new_entries: Whether the hypermodel may ask for hyperparameters that `hyperparameters` lacks.
        tune_new_entries: Whether such ones are searched; otherwise they keep their defaults.
        max_retries_per_trial: How often a trial that crashed, or whose score is not finite, is run again.
        max_consecutive_failed_trials: After so many failed trials in a row the search ends with an error.
        settings: How to evolve. By default `Settings()`. With rungs, the values of a trial say how long to train in
            Keras Tuner's own words: from "tuner/initial_epoch" to "tuner/epochs", going on from the weights of the
            trial "tuner/trial_id" where there is one. With `inherit`, "tuner/parent_id" names a child's first parent.
        seeds: Values to begin with; what they lack, they get as defaults. By default all defaults.
        cheaper: Returns values like those of a seed that cost less, the most expensive first: where a seed is not
            feasible, the first that is takes its place.
        feasible: Tells of a trial's values whether they may be trained at all.
        cost: Says how many seconds a trial with these values is going to take; counts with `Settings(per_second=True)`.
            By default that is learned from the trials so far.
        max_time: No trial begins so many seconds after the first one was asked for; `None` for no limit. One that runs
            then is not broken off, and a search that is taken up has this time anew.
        patience: The search ends when so many trials in a row have brought nothing new: no better score, or with
            several objectives none that belongs to the front. `None` to go on.

    Raises:
        ValueError: There are weights in the settings, but not one for each objective; or a limit is not positive.
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        settings: Settings | None = None,
        seeds: Sequence[Genome] = ({},),
        cheaper: Callable[[Genome], Sequence[Genome]] = lambda values: (),
        feasible: Callable[[Genome], bool] | None = None,
        cost: Callable[[Genome], float] | None = None,
        max_time: float | None = None,
        patience: int | None = None,
    ) -> None:
        self.deadline, self._patience = Deadline(max_time), Patience(patience)
        self.objectives = [create_objective(one) for one in (objective if isinstance(objective, list) else [objective])]
        super().__init__(
            objective=self.objectives[0],
            max_trials=max_trials,
            hyperparameters=hyperparameters,
            allow_new_entries=allow_new_entries,
            tune_new_entries=tune_new_entries,
            seed=seed,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        if seed is not None:
            # Keras Tuner takes 0 for no seed. JSON takes no NumPy integers.
            self.seed = self._seed_state = int(seed)
        self.settings = settings or Settings()
        if len(self.settings.weights) not in (0, len(self.objectives)):
            raise ValueError(
                f"Got {len(self.settings.weights)} weights for {len(self.objectives)} objectives, expected one for "
                "each, or none at all."
            )
        self._seeds = tuple(seeds)
        self._cheaper = cheaper
        self._feasible = feasible
        self._cost = cost
        # Keras Tuner makes the lock on first use, where two threads at once may each make one.
        LOCKS[self] = threading.Lock()
        self._stopped = threading.Event()
        # Files that a power cut may empty.
        self._volatile: set[str] = set()
        self._saved: tuple[object, ...] | None = None
        # Completed trials, the best first: the reverse of their rung and fitness, their number, themselves.
        self._ranking: list[tuple[int, float, int, Trial]] = []
        self._numbers: dict[str, int] = {}
        self._notes: dict[str, object] = {}
        self._num_known_genes = len(self.hyperparameters.space)
        self._evolution = self._evolve([])

    @_exclusive
    def individual_of(self, trial_id: str) -> Individual:
        """Returns the individual that a trial trains: its genome, generation, parents and fate."""
        return self._evolution.individuals[self._numbers[trial_id]]

    def generation_of(self, trial_id: str) -> int:
        """Returns the generation of a trial, counted from 0."""
        return self.individual_of(trial_id).generation

    @_exclusive
    def parents_of(self, trial_id: str) -> tuple[str, ...]:
        """Returns the trials that a trial was bred from, or continues."""
        return tuple(map(self._trial_id, self.individual_of(trial_id).parents))

    @property
    def individuals(self) -> Sequence[Individual]:
        """All individuals, ordered by number."""
        return tuple(self._evolution.individuals)

    @_exclusive
    def num_runs(self, trial_id: str) -> int:
        """Returns how often a trial has been run in vain so far; of a trial that has ended, its last run counts too."""
        return int(self._run_times[trial_id])

    @_exclusive
    def take_back(self, trial_id: str, reason: str, *, counts: bool = True) -> None:
        """Takes back the trial of a lost worker: it is run again, before any new one.

        Args:
            trial_id: The trial, which is running.
            reason: Becomes its message.
            counts: Whether the run counts: after `max_retries_per_trial` of them more, the trial has failed.
        """
        trial = self.trials[trial_id]
        trial.status, trial.message = TrialStatus.INVALID, reason
        if not counts:
            self._run_times[trial_id] -= 1
        self.end_trial(trial)

    def annotate(self, trial_id: str, note: object) -> None:
        """Keeps JSON values with a trial: they are written into its file when it ends, as "note"."""
        self._notes[trial_id] = note

    def use_folder(self, folder: Path) -> None:
        """Sets the folder of the search's files, in place of a tuner's `directory` and `project_name`."""
        self._set_project_dir(str(folder.parent), folder.name)

    def stop(self) -> None:
        """Ends the search: no worker gets another trial, not even one to run again. Any thread may call it."""
        self._stopped.set()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    @property
    def ending(self) -> str | None:
        """Why no trial begins any more although some are left, in words; `None` where one may begin."""
        if self._patience.is_over:
            return f"The last {self._patience.num_in_vain} trials have brought nothing new."
        if self.deadline.is_over():
            return f"The {self.deadline.seconds:g} seconds of `max_time` are over."
        return None

    @_exclusive
    def create_trial(self, tuner_id: str) -> Trial:
        if self._stopped.is_set() or (tuner_id not in self.ongoing_trials and self.ending is not None):
            self.tuner_ids.discard(tuner_id)
            return Trial(self.get_space(), status=TrialStatus.STOPPED)
        is_rerun = bool(self._retry_queue) and tuner_id not in self.ongoing_trials
        if is_rerun:
            # What was measured before would stand in the way: Keras Tuner then ignores what the new run returns.
            trial = self.trials[self._retry_queue[-1]]
            trial.metrics = type(trial.metrics)()
            trial.score, trial.best_step, trial.message = None, 0, None
            self._evolution.restart(self._numbers[trial.trial_id])
        num_trials = len(self.trials)
        trial = super().create_trial(tuner_id)
        if len(self.trials) > num_trials:
            self._write_trial(trial)
        return trial

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        self._follow_space()
        num_left = None if self.max_trials is None else self.max_trials - len(self.trials)
        proposal = self._evolution.propose(num_left=num_left)
        if proposal is Pause.WAIT:
            return {"status": TrialStatus.IDLE}
        if isinstance(proposal, Pause):
            return {"status": TrialStatus.STOPPED}
        self._numbers[trial_id] = proposal.number
        return {"status": TrialStatus.RUNNING, "values": self._values(proposal)}

    def _values(self, individual: Individual) -> dict[str, Any]:
        """Returns the genome, the rung and the parent trial that a trial's values hold."""
        values = dict(individual.genome)
        if self.settings.rungs:
            values["tuner/epochs"], values["tuner/initial_epoch"] = self.settings.rungs[individual.rung], 0
        if individual.origin == "promotion":
            source = self._evolution.individuals[individual.parents[0]]
            values["tuner/initial_epoch"] = self.settings.rungs[source.rung]
            values["tuner/trial_id"] = self._trial_id(source.number)
        elif self.settings.inherit and individual.parents:
            values["tuner/parent_id"] = self._trial_id(individual.parents[0])
        return values

    def trial_id_of(self, number: int) -> str:
        """Returns the name that Keras Tuner gives to the trial of a new individual: its width is that of the limit."""
        return f"{number:0{len(str(self.max_trials))}d}"

    @_exclusive
    def recall(self, individuals: Mapping[str, Individual]) -> None:
        """Goes on with a search that has lost its files, in place of `reload`: its trials are run again first.

        Args:
            individuals: All of them by the names of their trials, pending, ordered by number without gaps.
        """
        self._numbers = {trial_id: one.number for trial_id, one in individuals.items()}
        self._evolution = self._evolve(list(individuals.values()))
        for trial_id, one in individuals.items():
            hyperparameters = self.get_space()
            hyperparameters.values = self._values(one)
            self.trials[trial_id] = Trial(hyperparameters, trial_id, TrialStatus.RUNNING)
            self._write_trial(self.trials[trial_id])
        self.start_order = list(self._numbers)
        # Keras Tuner takes the last one first.
        self._retry_queue = self.start_order[::-1]
        self.save()

    @_exclusive
    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        return super().update_trial(trial_id, metrics, step)

    @_exclusive
    def end_trial(self, trial: Trial) -> None:
        ended, trial_id = self.trials[trial.trial_id], trial.trial_id
        # Of another process comes a copy of the trial.
        ended.hyperparameters, ended.status, ended.message = trial.hyperparameters, trial.status, trial.message
        self.update_space(ended.hyperparameters)
        self._follow_space()
        if ended.status == TrialStatus.COMPLETED:
            self.score_trial(ended)
        self._run_times[trial_id] += 1
        num_retries = self.max_retries_per_trial
        if ended.status == TrialStatus.FAILED and not self.hyperparameters.space:
            ended.status = TrialStatus.INVALID
        if not self.hyperparameters.space:
            # Nothing can be bred before a trial has declared the space.
            num_retries = max(num_retries, self.max_consecutive_failed_trials - 1)
        if ended.status == TrialStatus.INVALID:
            if self._run_times[trial_id] <= num_retries:
                self._retry_queue.append(trial_id)
            else:
                ended.status = TrialStatus.FAILED
        if ended.status != TrialStatus.INVALID:
            self.end_order.append(trial_id)
        self._tell(ended)

        for tuner_id, ongoing in list(self.ongoing_trials.items()):
            if ongoing.trial_id == trial_id:
                del self.ongoing_trials[tuner_id]
        self._write_trial(ended)
        self.save()
        self._display.on_trial_end(ended)
        self._check_consecutive_failures()

    def score_trial(self, trial: Trial) -> None:
        """Scores a trial by its best value of the first objective. If any is not finite, the trial is invalid."""
        super().score_trial(trial)
        for objective in self.objectives:
            value = self._value(trial, objective)
            if value is None or not math.isfinite(value):
                trial.status = TrialStatus.INVALID
                trial.message = f"Not a finite score: {objective.name} is {value}."
                trial.score, trial.best_step = None, 0
                return
        trial.score = float(trial.score)

    @_exclusive
    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Returns the best trials, the best first. Only those that completed: there may be fewer than asked for.

        With rungs, those of a higher rung come first: what they show was trained for longer.
        """
        return [trial for *_, trial in self._ranking[:num_trials]]

    @_exclusive
    def front(self) -> list[Trial]:
        """Returns the completed trials that no other beats in every objective, the best by the first one first."""
        highest = [trial for rung, *_, trial in self._ranking if rung == self._ranking[0][0]]
        return [highest[index] for index in pareto.front([self._points(trial) for trial in highest])] if highest else []

    @_exclusive
    def get_state(self) -> dict[str, Any]:
        individuals = {trial_id: self._record(trial_id) for trial_id in self._numbers}
        return {**super().get_state(), "individuals": individuals}

    @_exclusive
    def set_state(self, state: dict[str, Any]) -> None:
        """Takes up a state; `trials` must hold those that it names."""
        super().set_state(state)
        records = state["individuals"]
        self._numbers = {trial_id: record["number"] for trial_id, record in records.items()}
        known = set(self._numbers.values())
        missing = set(range(max(len(self._numbers), 1 + max(known, default=-1)))) - known
        if missing or self._numbers.keys() - self.trials.keys():
            raise RuntimeError(
                f"Got {len(self.trials)} trials, but some are missing between them; restore their folders in "
                f"{self._project_dir}, or start anew with `overwrite=True`."
            )
        self._num_known_genes = len(self.hyperparameters.space)
        self._evolution = self._evolve(
            [
                self._individual(self.trials[trial_id], records[trial_id])
                for trial_id in sorted(self._numbers, key=lambda trial_id: self._numbers[trial_id])
            ]
        )
        completed = (trial_id for trial_id in self._numbers if self.trials[trial_id].status == TrialStatus.COMPLETED)
        self._ranking = sorted((self._rank(self.trials[trial_id]) for trial_id in completed), key=_place)
        self._patience = Patience(self._patience.limit)
        for trial_id in self.end_order:
            self._wait(self._numbers[trial_id])

    @_exclusive
    def save(self) -> None:
        """Writes the state that no trial holds, if it has changed. Trials are written on their own."""
        path, start = self._get_oracle_fname(), self._display.search_start
        now = (path, len(self.hyperparameters.space), start)
        if now == self._saved and os.path.exists(path):
            return
        content = {
            "hyperparameters": self.hyperparameters.get_config(),
            "seed": self.seed,
            "search_start": start and start.isoformat(),
        }
        write_json(path, content)
        self._saved = now

    @_exclusive
    def reload(self) -> None:
        """Takes up the search in the project folder; trials that were not finished are run again first.

        Raises:
            RuntimeError: The folder holds another kind of search, or not all of this one, or a file in it is damaged.
        """
        folder = Path(self._project_dir)
        with _named(folder / "oracle.json") as path:
            written = json.loads(path.read_text(encoding="utf-8"))
            space, seed, start = written["hyperparameters"], written["seed"], written["search_start"]
        trials, records = [], {}
        for file in folder.glob("trial_*/trial.json"):
            with _named(file):
                text = file.read_text(encoding="utf-8")
                # What a power cut leaves of a trial that was only created. It will be proposed again.
                if not text.strip("\0"):
                    continue
                content = json.loads(text)
                trial, record = Trial.from_state(content), content["individual"]
                self._individual(trial, record)
                if file.parent.name != f"trial_{trial.trial_id}":
                    raise ValueError(f"it is trial {trial.trial_id}'s, in the folder of another one")
            trials.append(trial)
            records[trial.trial_id] = {**record, "end": content["end"]}
        trials = _without_losses(trials, records)
        self.trials = {trial.trial_id: trial for trial in trials}
        self.set_state(_assembled(trials, records, space=space, seed=seed, start=start))
        # A trial may have met new hyperparameters and ended without `oracle.json` being told.
        for trial_id in [*self.end_order, *reversed(self._retry_queue)]:
            self.update_space(self.trials[trial_id].hyperparameters)
        self._follow_space()

    def _record_values(self, trial: Trial) -> None:
        """Leaves the values as they are.

        Keras Tuner keeps a list of tried values here, as `Evolution` does on its own. On the way it takes the value of
        a name away where a second hyperparameter of that name is inactive.
        """

    def _check_consecutive_failures(self) -> None:
        """Raises once the last trials all failed; after everything is saved, and not again for a streak of the past."""
        last = [self.trials[trial_id] for trial_id in self.end_order[-self.max_consecutive_failed_trials :]]
        num_runs = len(last)
        if last and not self.hyperparameters.space:
            # The same trial was run so often.
            num_runs = max(num_runs, self._run_times[last[-1].trial_id])
        if num_runs >= self.max_consecutive_failed_trials and all(one.status == TrialStatus.FAILED for one in last):
            raise RuntimeError(
                f"The last {num_runs} trials have failed, expected fewer than that in a row: see "
                f"`max_consecutive_failed_trials`. The last reason: {last[-1].message or 'none given'}"
            )

    def _save_trial(self, trial: Trial) -> None:
        """Writes nothing.

        Keras Tuner calls this at each report of a running trial. A search that is taken up runs such a trial anew,
        whatever it had reported.
        """

    def _write_trial(self, trial: Trial) -> None:
        path = os.path.join(self._get_trial_dir(trial.trial_id), "trial.json")
        is_created = trial.status == TrialStatus.RUNNING
        if is_created:
            # Losing it to a power cut loses nothing: the trial is proposed again. It is safe from a killed process.
            self._volatile.add(path)
        else:
            # A result counts only with all trials born before it.
            for other in sorted(self._volatile - {path}):
                _sync(other)
            self._volatile.clear()
        content = {
            **trial.get_state(),
            "individual": self._record(trial.trial_id),
            "end": None if is_created or trial.status == TrialStatus.INVALID else len(self.end_order) - 1,
            "note": None if is_created else self._notes.pop(trial.trial_id, None),
        }
        write_json(path, content, is_durable=not is_created)

    def _record(self, trial_id: str) -> dict[str, Any]:
        """The JSON values of an individual that its trial does not hold."""
        individual = self._evolution.individuals[self._numbers[trial_id]]
        return {**{name: getattr(individual, name) for name in _RECORDED}, "num_runs": self._run_times[trial_id]}

    def _individual(self, trial: Trial, record: Mapping[str, Any]) -> Individual:
        is_finished = trial.status == TrialStatus.COMPLETED
        # JSON has no tuples.
        recorded: dict[str, Any] = {
            name: tuple(record[name]) if isinstance(record[name], list) else record[name] for name in _RECORDED
        }
        return Individual(
            genome=trial.hyperparameters.values,
            status="finished" if is_finished else "failed" if trial.status == TrialStatus.FAILED else "pending",
            **recorded,
        )

    def _tell(self, trial: Trial) -> None:
        number, genome = self._numbers[trial.trial_id], trial.hyperparameters.values
        if trial.status == TrialStatus.COMPLETED:
            points = self._points(trial)
            weights = self.settings.weights
            if weights:
                fitness = sum(weight * point for weight, point in zip(weights, points, strict=True))
                self._evolution.finish(number, fitness=fitness, genome=genome)
            else:
                objectives = points if len(points) > 1 else ()
                self._evolution.finish(number, fitness=points[0], objectives=objectives, genome=genome)
            bisect.insort(self._ranking, self._rank(trial), key=_place)
        elif trial.status != TrialStatus.INVALID:
            self._evolution.fail(number, genome=genome)
        if trial.status != TrialStatus.INVALID:
            self._wait(number)

    def _wait(self, number: int) -> None:
        """Counts a trial that has ended for the patience."""
        one = self._evolution.individuals[number]
        fitness = None if one.fitness is None else (one.fitness,)
        self._patience.tell(one.objectives or fitness, rung=one.rung)

    def _rank(self, trial: Trial) -> tuple[int, float, int, Trial]:
        one = self._evolution.individuals[self._numbers[trial.trial_id]]
        return -one.rung, -(one.fitness or 0.0), one.number, trial

    def _trial_id(self, number: int) -> str:
        return next(trial_id for trial_id, other in self._numbers.items() if other == number)

    def values_of(self, trial: Trial) -> list[float]:
        """Returns the values of the objectives of a trial that completed."""
        return [float(self._value(trial, one)) for one in self.objectives]

    def _points(self, trial: Trial) -> tuple[float, ...]:
        """Returns the fitness of a completed trial for each objective; greater is better."""
        return tuple(float(self._value(trial, one)) * (1 if one.direction == "max" else -1) for one in self.objectives)

    def _value(self, trial: Trial, objective: keras_tuner.Objective) -> Any:
        """Returns an objective's value at the trial's best step, or its best one if there is none at that step."""
        if not trial.metrics.exists(objective.name):
            return None
        for observation in trial.metrics.get_history(objective.name):
            if observation.step == trial.best_step:
                return observation.mean()
        return trial.metrics.get_best_value(objective.name)

    def _evolve(self, individuals: Sequence[Individual]) -> Evolution:
        return Evolution(
            SearchSpace.from_hyperparameters(self.hyperparameters),
            self.settings,
            seed=self.seed,
            individuals=individuals,
            seeds=self._seeds,
            cheaper=self._cheaper,
            feasible=self._feasible,
            cost=self._cost,
        )

    def _follow_space(self) -> None:
        """Hypermodels may declare hyperparameters at any time."""
        if len(self.hyperparameters.space) != self._num_known_genes:
            self._num_known_genes = len(self.hyperparameters.space)
            self._evolution.grow(SearchSpace.from_hyperparameters(self.hyperparameters))


def _place(rank: tuple[int, float, int, Trial]) -> tuple[int, float, int]:
    """Sorts ranks; trials themselves have no order."""
    return rank[:3]


def _sync(path: str) -> None:
    """Waits until the disk holds a file that is written already, and its name."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    _sync_folder(os.path.dirname(path))


def _sync_folder(path: str) -> None:
    """Waits until the disk holds the names in a folder, and the folder's own name."""
    for folder in (path, os.path.dirname(os.path.abspath(path))):
        # Not every file system can do it, and then there is nothing to wait for.
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextmanager
def _named(path: Path) -> Iterator[Path]:
    """Says which file it is that cannot be used."""
    try:
        yield path
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise RuntimeError(
            f"{path} is damaged, or not one of GeneticOracle: {reason}. Restore it, choose another `project_name`, or "
            "start anew with `overwrite=True`."
        ) from error


def _without_losses(trials: Sequence[Trial], records: Mapping[str, Mapping[str, Any]]) -> list[Trial]:
    """Returns trials ordered by number. A power cut can have taken unfinished ones at the end."""
    ordered = sorted(trials, key=lambda trial: int(records[trial.trial_id]["number"]))
    numbers = [int(records[trial.trial_id]["number"]) for trial in ordered]
    first_gap = next((place for place, number in enumerate(numbers) if place != number), len(numbers))
    if any(records[trial.trial_id]["end"] is not None for trial in ordered[first_gap:]):
        # More is missing than that; `set_state` says so.
        return ordered
    return ordered[:first_gap]


def _assembled(
    trials: Sequence[Trial], records: Mapping[str, Mapping[str, Any]], *, space: object, seed: int, start: str | None
) -> dict[str, Any]:
    """Returns the state of a search in which nothing runs.

    Args:
        trials: All of them, ordered by number.
        records: What else their files say.
        space: The configuration of the hyperparameters.
        seed: The search's.
        start: When the search began, in ISO format.
    """
    ids = [trial.trial_id for trial in trials]
    ended = [trial_id for trial_id in ids if records[trial_id]["end"] is not None]
    return {
        "ongoing_trials": {},
        "hyperparameters": space,
        "start_order": ids,
        "end_order": sorted(ended, key=lambda trial_id: int(records[trial_id]["end"])),
        "run_times": {trial_id: records[trial_id]["num_runs"] for trial_id in ids},
        # Keras Tuner takes the last one first.
        "retry_queue": [trial_id for trial_id in reversed(ids) if records[trial_id]["end"] is None],
        "seed": seed,
        "seed_state": seed,
        "tried_so_far": [],
        "id_to_hash": {},
        "display": {"search_start": start, "trial_start": {}, "trial_number": {}},
        "individuals": {trial_id: records[trial_id] for trial_id in ids},
    }
