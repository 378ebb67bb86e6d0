"""The genetic algorithm as a Keras Tuner oracle: trials are individuals, and the state is JSON.

All that a resumed search needs of a trial lies in its own `trial.json`, written before `oracle.json`; both are replaced
in one step. Whatever moment a search is killed at, what its trials say of themselves wins over an older `oracle.json`.
"""

import functools
import json
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.engine.oracle import LOCKS, THREADS

from tuners.evolution import Evolution, Individual, Pause, Settings
from tuners.genome import SearchSpace

_P = ParamSpec("_P")
_R = TypeVar("_R")

_ENDED = (TrialStatus.COMPLETED, TrialStatus.FAILED)


def write_json(path: str, content: object) -> None:
    """Writes a JSON file that is there whole or not at all, whenever the process dies.

    Args:
        path: The file; it is replaced if it exists.
        content: Anything that JSON can hold.
    """
    # The same name each time, so that what a killed process leaves behind is overwritten.
    unfinished = f"{path}.tmp"
    with open(unfinished, "w", encoding="utf-8") as file:
        # `json.dump` would encode in Python, twenty times slower.
        file.write(json.dumps(content))
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


@contextmanager
def _lock(oracle: object) -> Iterator[None]:
    """Holds Keras Tuner's own lock, and lets go of it on errors too, which `keras_tuner.synchronized` does not."""
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
        with _lock(self):
            return method(self, *args, **kwargs)

    return alone


class GeneticOracle(keras_tuner.Oracle):  # type: ignore[misc]  # Keras Tuner is not typed.
    """Proposes trials by evolution; see `tuners.evolution`.

    Args:
        objective: As for `keras_tuner.RandomSearch`: a name, a `keras_tuner.Objective`, or a list of them.
        max_trials: Number of trials at most; None for no end. Fewer are run when the space is exhausted.
        seed: The same seed gives the same proposals for the same scores. By default a random one.
        hyperparameters: The space, or a part of it, declared in advance.
        allow_new_entries: Whether the hypermodel may ask for hyperparameters that `hyperparameters` lacks.
        tune_new_entries: Whether such ones are searched; otherwise they keep their defaults.
        max_retries_per_trial: How often a trial that crashed, or whose score is not finite, is run again.
        max_consecutive_failed_trials: After so many failed trials in a row the search ends with an error.
        settings: How to evolve. By default `Settings()`.
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
    ) -> None:
        super().__init__(
            objective=objective,
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
        self._stopped = threading.Event()
        self._numbers: dict[str, int] = {}
        self._num_known_genes = len(self.hyperparameters.space)
        self._evolution = Evolution(
            SearchSpace.from_hyperparameters(self.hyperparameters), self.settings, seed=self.seed
        )

    @_exclusive
    def individual_of(self, trial_id: str) -> Individual:
        """Returns the individual that a trial trains: its genome, generation, parents and fate."""
        return self._evolution.individuals[self._numbers[trial_id]]

    def generation_of(self, trial_id: str) -> int:
        """Returns the generation of a trial, counted from 0."""
        return self.individual_of(trial_id).generation

    def stop(self) -> None:
        """Ends the search: from now on nobody gets a trial, not even one to run again. Any thread may call it."""
        self._stopped.set()

    @_exclusive
    def create_trial(self, tuner_id: str) -> Trial:
        if self._stopped.is_set():
            self.tuner_ids.discard(tuner_id)
            return Trial(self.get_space(), status=TrialStatus.STOPPED)
        is_rerun = bool(self._retry_queue) and tuner_id not in self.ongoing_trials
        if is_rerun:
            # What was measured before would stand in the way: Keras Tuner then ignores what the new run returns.
            trial = self.trials[self._retry_queue[-1]]
            trial.metrics = type(trial.metrics)()
            trial.score, trial.best_step, trial.message = None, 0, None
            self._evolution.restart(self._numbers[trial.trial_id])
        trial = super().create_trial(tuner_id)
        if is_rerun:
            self._save_trial(trial)
        return trial

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        self._follow_space()
        proposal = self._evolution.propose()
        if proposal is Pause.WAIT:
            return {"status": TrialStatus.IDLE}
        if isinstance(proposal, Pause):
            return {"status": TrialStatus.STOPPED}
        self._numbers[trial_id] = proposal.number
        return {"status": TrialStatus.RUNNING, "values": dict(proposal.genome)}

    @_exclusive
    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        return super().update_trial(trial_id, metrics, step)

    @_exclusive
    def end_trial(self, trial: Trial) -> None:
        ended, trial_id = self.trials[trial.trial_id], trial.trial_id
        # Over gRPC the worker's trial is a copy.
        ended.hyperparameters, ended.status, ended.message = trial.hyperparameters, trial.status, trial.message
        self.update_space(ended.hyperparameters)
        self._follow_space()
        if ended.status == TrialStatus.COMPLETED:
            self.score_trial(ended)
        self._run_times[trial_id] += 1
        if ended.status == TrialStatus.INVALID:
            if self._run_times[trial_id] <= self.max_retries_per_trial:
                self._retry_queue.append(trial_id)
            else:
                ended.status = TrialStatus.FAILED
        if ended.status != TrialStatus.INVALID:
            self.end_order.append(trial_id)
        self._tell(ended)

        for tuner_id, ongoing in list(self.ongoing_trials.items()):
            if ongoing.trial_id == trial_id:
                del self.ongoing_trials[tuner_id]
        self._save_trial(ended)
        self.save()
        self._display.on_trial_end(ended)
        self._check_consecutive_failures()

    def score_trial(self, trial: Trial) -> None:
        """Scores a trial by its best value of the objective. Without a finite one the trial is invalid."""
        super().score_trial(trial)
        if trial.score is None or not math.isfinite(trial.score):
            trial.status = TrialStatus.INVALID
            trial.message = f"Not a finite score: {self.objective.name} is {trial.score}."
            trial.score, trial.best_step = None, 0
        else:
            trial.score = float(trial.score)

    @_exclusive
    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Returns the best trials, the best first. Only those that completed: there may be fewer than asked for."""
        completed = [trial for trial in self.trials.values() if trial.status == TrialStatus.COMPLETED]
        sign = self._sign()
        return sorted(completed, key=lambda trial: -sign * trial.score)[:num_trials]

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
        missing = set(range(1 + max(self._numbers.values(), default=-1))) - set(self._numbers.values())
        if missing or self._numbers.keys() - self.trials.keys():
            raise RuntimeError(
                f"Got {len(self.trials)} trials, but some are missing between them; restore their folders in "
                f"{self._project_dir}, or start anew with `overwrite=True`."
            )
        self._num_known_genes = len(self.hyperparameters.space)
        self._evolution = Evolution(
            SearchSpace.from_hyperparameters(self.hyperparameters),
            self.settings,
            seed=self.seed,
            individuals=[
                self._individual(self.trials[trial_id], records[trial_id])
                for trial_id in sorted(self._numbers, key=lambda trial_id: self._numbers[trial_id])
            ],
        )

    @_exclusive
    def save(self) -> None:
        write_json(self._get_oracle_fname(), self.get_state())

    @_exclusive
    def reload(self) -> None:
        """Takes up the search in the project folder; trials that were not finished are run again first.

        Raises:
            RuntimeError: The folder holds another kind of search, or not all of this one.
        """
        folder = Path(self._project_dir)
        try:
            state = json.loads((folder / "oracle.json").read_text(encoding="utf-8"))
            files = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("trial_*/trial.json")]
            files.sort(key=lambda file: file["individual"]["number"])
            self.trials = {file["trial_id"]: Trial.from_state(file) for file in files}
            self.set_state(_reconciled(state, files))
        except KeyError as error:
            raise RuntimeError(
                f"The project in {folder} is not one of GeneticOracle: it has no {error}. Choose another "
                "`project_name`, or start anew with `overwrite=True`."
            ) from error
        # A trial may have met new hyperparameters and ended without `oracle.json` being told.
        for trial_id in self.end_order:
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
        if len(last) == self.max_consecutive_failed_trials and all(one.status == TrialStatus.FAILED for one in last):
            raise RuntimeError(
                f"The last {len(last)} trials have failed, expected fewer than that in a row: see "
                f"`max_consecutive_failed_trials`. The last reason: {last[-1].message or 'none given'}"
            )

    def _save_trial(self, trial: Trial) -> None:
        path = os.path.join(self._get_trial_dir(trial.trial_id), "trial.json")
        write_json(path, {**trial.get_state(), "individual": self._record(trial.trial_id)})

    def _record(self, trial_id: str) -> dict[str, Any]:
        """What JSON keeps of an individual beside its trial."""
        individual = self._evolution.individuals[self._numbers[trial_id]]
        return {
            "number": individual.number,
            "generation": individual.generation,
            "origin": individual.origin,
            "parents": list(individual.parents),
            "seconds": individual.seconds,
            "num_runs": self._run_times[trial_id],
        }

    def _individual(self, trial: Trial, record: Mapping[str, Any]) -> Individual:
        is_finished = trial.status == TrialStatus.COMPLETED
        return Individual(
            number=record["number"],
            genome=trial.hyperparameters.values,
            generation=record["generation"],
            origin=record["origin"],
            parents=tuple(record["parents"]),
            status="finished" if is_finished else "failed" if trial.status == TrialStatus.FAILED else "pending",
            fitness=self._sign() * trial.score if is_finished else None,
            seconds=record["seconds"],
        )

    def _tell(self, trial: Trial) -> None:
        number, genome = self._numbers[trial.trial_id], trial.hyperparameters.values
        if trial.status == TrialStatus.COMPLETED:
            self._evolution.finish(number, fitness=self._sign() * trial.score, genome=genome)
        elif trial.status == TrialStatus.FAILED:
            self._evolution.fail(number, genome=genome)

    def _sign(self) -> int:
        return 1 if self.objective.direction == "max" else -1

    def _follow_space(self) -> None:
        """Hypermodels may declare hyperparameters at any time."""
        if len(self.hyperparameters.space) != self._num_known_genes:
            self._num_known_genes = len(self.hyperparameters.space)
            self._evolution.grow(SearchSpace.from_hyperparameters(self.hyperparameters))


def _reconciled(state: Mapping[str, Any], files: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns what `oracle.json` would say had it been written after every `trial.json`, with nothing running.

    Args:
        state: The content of `oracle.json`, which may be older than the files of the trials.
        files: The content of each `trial.json`, ordered by number.
    """
    ids = [file["trial_id"] for file in files]
    ended = {file["trial_id"] for file in files if file["status"] in _ENDED}
    end_order = [trial_id for trial_id in state["end_order"] if trial_id in ended]
    return {
        **state,
        "start_order": ids,
        "end_order": end_order + [trial_id for trial_id in ids if trial_id in ended and trial_id not in end_order],
        "ongoing_trials": {},
        # Keras Tuner takes the last one first.
        "retry_queue": [trial_id for trial_id in reversed(ids) if trial_id not in ended],
        "run_times": {file["trial_id"]: file["individual"]["num_runs"] for file in files},
        "individuals": {file["trial_id"]: file["individual"] for file in files},
    }
