"""The genetic algorithm as a Keras Tuner oracle: trials are individuals, and the state is JSON.

All that a resumed search needs of a trial lies in its own `trial.json`, written when the trial is created and when it
ends. `oracle.json` holds the seed and the space, and is written at the start and when the space has grown. Each file is
replaced in one step, a trial's first. So the cost of a trial does not depend on how many there were, and a search that
was killed at any moment is taken up from what its trials say of themselves.
"""

import bisect
import json
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.engine.objective import create_objective

from tuners import oracle_lock, pareto, trial_files
from tuners.deadline import Deadline
from tuners.durable_files import sync, write_json
from tuners.evolution import Evolution, Pause
from tuners.genome import Genome, SearchSpace
from tuners.individual import Individual
from tuners.oracle_lock import exclusive
from tuners.patience import Patience
from tuners.settings import Settings


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
        oracle_lock.make(self)
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

    @exclusive
    def individual_of(self, trial_id: str) -> Individual:
        """Returns the individual that a trial trains: its genome, generation, parents and fate."""
        return self._evolution.individuals[self._numbers[trial_id]]

    def generation_of(self, trial_id: str) -> int:
        """Returns the generation of a trial, counted from 0."""
        return self.individual_of(trial_id).generation

    @exclusive
    def parents_of(self, trial_id: str) -> tuple[str, ...]:
        """Returns the trials that a trial was bred from, or continues."""
        return tuple(map(self._trial_id, self.individual_of(trial_id).parents))

    @property
    def individuals(self) -> Sequence[Individual]:
        """All individuals, ordered by number."""
        return tuple(self._evolution.individuals)

    @exclusive
    def num_runs(self, trial_id: str) -> int:
        """Returns how often a trial has been run in vain so far; of a trial that has ended, its last run counts too."""
        return int(self._run_times[trial_id])

    @exclusive
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

    @exclusive
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

    @exclusive
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

    @exclusive
    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        return super().update_trial(trial_id, metrics, step)

    @exclusive
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

    @exclusive
    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Returns the best trials, the best first. Only those that completed: there may be fewer than asked for.

        With rungs, those of a higher rung come first: what they show was trained for longer.
        """
        return [trial for *_, trial in self._ranking[:num_trials]]

    @exclusive
    def front(self) -> list[Trial]:
        """Returns the completed trials that no other beats in every objective, the best by the first one first."""
        highest = [trial for rung, *_, trial in self._ranking if rung == self._ranking[0][0]]
        return [highest[index] for index in pareto.front([self._points(trial) for trial in highest])] if highest else []

    @exclusive
    def get_state(self) -> dict[str, Any]:
        individuals = {trial_id: self._recorded(trial_id) for trial_id in self._numbers}
        return {**super().get_state(), "individuals": individuals}

    @exclusive
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
                trial_files.individual(self.trials[trial_id], records[trial_id])
                for trial_id in sorted(self._numbers, key=lambda trial_id: self._numbers[trial_id])
            ]
        )
        completed = (trial_id for trial_id in self._numbers if self.trials[trial_id].status == TrialStatus.COMPLETED)
        self._ranking = sorted((self._rank(self.trials[trial_id]) for trial_id in completed), key=_place)
        self._patience = Patience(self._patience.limit)
        for trial_id in self.end_order:
            self._wait(self._numbers[trial_id])

    @exclusive
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

    @exclusive
    def reload(self) -> None:
        """Takes up the search in the project folder; trials that were not finished are run again first.

        Raises:
            RuntimeError: The folder holds another kind of search, or not all of this one, or a file in it is damaged.
        """
        folder = Path(self._project_dir)
        with trial_files.named(folder / "oracle.json") as path:
            written = json.loads(path.read_text(encoding="utf-8"))
            space, seed, start = written["hyperparameters"], written["seed"], written["search_start"]
        trials, records = trial_files.read(folder)
        self.trials = {trial.trial_id: trial for trial in trials}
        self.set_state(trial_files.assembled(trials, records, space=space, seed=seed, start=start))
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
                sync(other)
            self._volatile.clear()
        content = {
            **trial.get_state(),
            "individual": self._recorded(trial.trial_id),
            "end": None if is_created or trial.status == TrialStatus.INVALID else len(self.end_order) - 1,
            "note": None if is_created else self._notes.pop(trial.trial_id, None),
        }
        write_json(path, content, is_durable=not is_created)

    def _recorded(self, trial_id: str) -> dict[str, Any]:
        return trial_files.record(self.individual_of(trial_id), num_runs=self._run_times[trial_id])

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
