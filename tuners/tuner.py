"""`GeneticTuner`: evolution where `keras_tuner.RandomSearch` would stand."""

import contextlib
import copy
import json
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FailedTrialError, FatalError
from keras_tuner.src.engine.hyperparameters.hyperparameter import HyperParameter

from tuners import cluster_trials, figures, history, report
from tuners.durable_files import write_json
from tuners.genome import Genome, SearchSpace
from tuners.locking import alone
from tuners.oracle import GeneticOracle
from tuners.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Seconds between two questions for a trial while the oracle waits for a generation to end.
_IDLE_SECONDS = 0.2
# What Keras Tuner calls a project without a name.
_PROJECT = "untitled_project"
# What the names of the environment variables for its chief and workers begin with.
_CHIEF_VARIABLES = "KERASTUNER_"
# Letters of an error that the one-line reason of a failed trial keeps.
_REASON_LENGTH = 300


class GeneticTuner(keras_tuner.Tuner):  # type: ignore[misc]  # Keras Tuner is not typed.
    """Searches hyperparameters by evolution. Takes the arguments of `keras_tuner.RandomSearch`, and `settings`.

    >>> import tempfile
    >>> class Parabola(GeneticTuner):
    ...     def run_trial(self, trial, **kwargs):
    ...         return (trial.hyperparameters.Float("x", -5, 5) - 2) ** 2
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tuner = Parabola(max_trials=60, seed=0, directory=folder)
    ...     tuner.search(verbose=0)
    ...     abs(tuner.get_best_hyperparameters()[0]["x"] - 2) < 0.2
    True

    Args:
        hypermodel: A `keras_tuner.HyperModel`, or a function from `hp` to a compiled model. Optional in a subclass with
            a `run_trial` of its own.
        objective: A name such as "val_accuracy", a `keras_tuner.Objective`, or a list of them. Optional where the trial
            returns a single number to minimize. Of several, the first one decides which trial is best, and
            `oracle.front()` returns the best exchanges between all.
        max_trials: Number of trials at most; None for no end. Fewer are run when the space is exhausted.
        seed: The same seed gives the same proposals for the same scores. By default a random one.
        hyperparameters: The space, or a part of it, declared in advance.
        tune_new_entries: Whether hyperparameters that `hyperparameters` lacks are searched; otherwise they keep their
            defaults.
        allow_new_entries: Whether the hypermodel may ask for such ones at all.
        max_retries_per_trial: How often a trial that crashed, or whose score is not finite, is run again.
        max_consecutive_failed_trials: After so many failed trials in a row the search ends with an error.
        settings: How to evolve. By default `Settings()`. With `rungs`, they decide how many epochs `fit` gets, and a
            promoted trial begins with the weights of the trial that it continues.
        seeds: Values to begin with; what they lack, they get as defaults. By default all defaults.
        feasible: Tells of a trial's values whether they may be trained at all.
        cost: Says how many seconds a trial with these values is going to take; counts with `Settings(per_second=True)`.
            By default that is learned from the trials so far.
        max_time: No trial begins so many seconds after the first one; `None` for no limit. One that runs then is not
            broken off, and a search that is taken up has this time anew.
        patience: The search ends when so many trials in a row have brought nothing new: no better score, or with
            several objectives none that belongs to the front. `None` to go on.
        cluster: Runs the trials on a Ray cluster: `auto` for the one of this machine or of `RAY_ADDRESS`, or its head's
            `HOST:PORT`. Trials run side by side, as many as fit, so that the same seed may give another search.
            `None` runs them in this process.
        resources: What each trial gets of the cluster: `cpus`, 1 by default, and `gpus`, which may be a fraction.
        **kwargs: Those of `keras_tuner.Tuner`: `directory`, `project_name`, `overwrite`, `distribution_strategy`,
            `executions_per_trial` and so on. The directory must be local: files in it are replaced in one step.
    """

    oracle: GeneticOracle

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int | None = 10,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        settings: Settings | None = None,
        seeds: Sequence[Genome] = ({},),
        feasible: Callable[[Genome], bool] | None = None,
        cost: Callable[[Genome], float] | None = None,
        max_time: float | None = None,
        patience: int | None = None,
        cluster: str | None = None,
        resources: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        _refuse_keras_tuners_chief()
        self.seed = seed
        self._cluster = cluster
        self._resources = dict(resources or {})
        self._given_tuner_id = kwargs.get("tuner_id")
        self._is_idle = False
        # Names whose ranges are others than those that the search began with; `None` for one that begins anew.
        self._changed: set[str] | None = None
        oracle = GeneticOracle(
            objective=objective,
            max_trials=max_trials,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
            settings=settings,
            seeds=seeds,
            feasible=feasible,
            cost=cost,
            max_time=max_time,
            patience=patience,
        )
        if kwargs.get("overwrite"):
            folder = Path(kwargs.get("directory") or ".", kwargs.get("project_name") or _PROJECT)
            with alone(folder):
                # Nothing is removed under a search that is at work.
                pass
        super().__init__(oracle, hypermodel, **kwargs)
        # A project is taken up again only if this was saved: a kill during the first trial must not lose it.
        self.save()
        self._seen = self._files()

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Searches until the trials are used up.

        Args:
            *fit_args: Go to `run_trial`; for a Keras model, to its `fit`.
            **fit_kwargs: Likewise.

        Raises:
            ClusterError: The cluster cannot be used, or not safely.
            RuntimeError: Another process searches in the same folder, or the trials that ran all failed; see
                `max_consecutive_failed_trials`.
        """
        with alone(Path(self.project_dir)):
            if self._files() != self._seen:
                # Another process has searched here since.
                self.oracle.reload()
            self.oracle.deadline.start_again()
            try:
                if self._cluster is not None:
                    self.oracle.verbose = fit_kwargs.get("verbose", self.oracle.verbose)
                    self.on_search_begin()
                    cluster_trials.search(self, fit_args, fit_kwargs, cluster=self._cluster, resources=self._resources)
                    self.on_search_end()
                else:
                    super().search(*fit_args, **fit_kwargs)
            finally:
                self._seen = self._files()
            if (ending := self.oracle.ending) is not None and fit_kwargs.get("verbose", 1):
                print(ending)

    def trials(self) -> Any:
        """Returns all trials as a table: what became of each, its scores and its genes; see `tuners.history.rows`.

        A `pandas.DataFrame` if pandas is installed, and otherwise a list of dicts.
        """
        return history.table(history.rows(self.oracle))

    def front(self) -> list[Trial]:
        """Returns the trials that no other beats in every objective; with one objective, the best one."""
        return self.oracle.front()

    def importance(self) -> dict[str, float]:
        """Returns how much each hyperparameter mattered, as shares; empty where that cannot be told.

        It takes 24 completed trials at least: see `tuners.importance`.
        """
        return history.shares(self.oracle)

    def plot_fitness(self) -> "Figure":
        """Draws the score of each trial, and the best so far."""
        return figures.fitness(self.oracle)

    def plot_front(self) -> "Figure":
        """Draws the first objective against each other one, and in each panel what is not beaten there.

        Raises:
            ValueError: There is one objective only.
        """
        return figures.front(self.oracle)

    def plot_importance(self) -> "Figure":
        """Draws which hyperparameters mattered."""
        return figures.importance(self.importance())

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Writes a page about the search, with figures and all trials, and returns its path.

        Args:
            path: The file. By default `report.html` in the project's folder.
        """
        written = Path(path or Path(self.project_dir, "report.html"))
        written.write_text(report.page(self.oracle, title=self.project_name), encoding="utf-8")
        return written

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in {self.project_dir}: {history.summary(self.oracle)}>"

    def _repr_html_(self) -> str:
        return report.fragment(self.oracle)

    def _files(self) -> dict[str, tuple[int, int]]:
        """Returns the trials on disk, and when they were written."""
        found = {}
        for path in Path(self.project_dir).glob("trial_*/trial.json"):
            status = path.stat()
            found[path.parent.name] = status.st_mtime_ns, status.st_ino
        return found

    def on_search_begin(self) -> None:
        super().on_search_begin()
        self._is_idle = False

    def pre_create_trial(self) -> None:
        """Waits a moment if the last question for a trial was in vain, which Keras Tuner does not."""
        super().pre_create_trial()
        if self._is_idle:
            time.sleep(_IDLE_SECONDS)
        self._is_idle = True

    def on_trial_begin(self, trial: Trial) -> None:
        self._is_idle = False
        super().on_trial_begin(trial)

    def _build_and_fit_model(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        values = trial.hyperparameters.values
        if "tuner/epochs" in values:
            kwargs["epochs"], kwargs["initial_epoch"] = values["tuner/epochs"], values["tuner/initial_epoch"]
        return super()._build_and_fit_model(trial, *args, **kwargs)

    def _build_hypermodel(self, hp: keras_tuner.HyperParameters) -> Any:
        model = super()._build_hypermodel(hp)
        source, parent = hp.values.get("tuner/trial_id"), hp.values.get("tuner/parent_id")
        if (source or parent) and not model.built:
            # A sequential model without an input, for one: it has no weights before it knows the shape of its data.
            path = Path(self._get_build_config_fname(source or parent))
            model.build_from_config(json.loads(path.read_text(encoding="utf-8")))
        if source is not None:
            model.load_weights(self._get_checkpoint_fname(source))
        elif parent is not None:
            with warnings.catch_warnings():
                # Keras warns of each layer that does not fit.
                warnings.simplefilter("ignore", UserWarning)
                model.load_weights(self._get_checkpoint_fname(parent), skip_mismatch=True)
        return model

    def save(self) -> None:
        self.oracle.save()
        path = self._get_tuner_fname()
        # It never changes.
        if not os.path.exists(path):
            write_json(path, self.get_state())

    def reload(self) -> None:
        """Takes up the search in the project folder, and warns of ranges that are others now: the old ones stay.

        What is declared in `run_trial` alone is compared when a trial asks for it.
        """
        declared = self.oracle.get_space()
        super().reload()
        self._changed = set()
        with contextlib.suppress(Exception):
            # A space may be declared in `run_trial` instead; what is wrong with a model, its trials tell.
            self._build_every_scope(declared.copy, lambda hp: declared.merge(hp, overwrite=False))
        self._compare(declared.space)

    def _compare(self, asked: Iterable[HyperParameter]) -> None:
        """Warns of ranges that are others than those that the search began with, of each name once."""
        if self._changed is None:
            return
        known = {_place(one): one.get_config() for one in self.oracle.get_space().space}
        found = dict.fromkeys(
            one.name
            for one in asked
            if known.get(_place(one), one.get_config()) != one.get_config() and one.name not in self._changed
        )
        if found:
            self._changed.update(found)
            warnings.warn(
                f"The search in {self.project_dir} goes on with the ranges that it began with. They are others now for "
                f"{', '.join(map(repr, found))}: start anew with `overwrite=True`, or in another `project_name`.",
                stacklevel=2,
            )

    def _watch(self, hp: keras_tuner.HyperParameters) -> None:
        """Compares what a trial asks for with what the search knows."""
        retrieve = hp._retrieve

        def compare_and_retrieve(asked: HyperParameter) -> Any:
            if hp._exists(asked.name, asked.conditions):
                self._compare([asked])
            return retrieve(asked)

        hp._retrieve = compare_and_retrieve

    def _get_tuner_fname(self) -> str:
        # Keras Tuner looks for this file before it knows the `tuner_id` that it was given.
        return os.path.join(self.project_dir, f"{self._given_tuner_id or self.tuner_id}.json")

    def _activate_all_conditions(self) -> None:
        """Builds the hypermodel until every conditional scope was active once, as Keras Tuner does.

        Its own way fills up the values at random, so that the same seed could meet another space, and loses the values
        of names that occur in several scopes.
        """
        self._build_every_scope(self.oracle.get_space, self.oracle.update_space)

    def _build_every_scope(
        self,
        space: Callable[[], keras_tuner.HyperParameters],
        update: Callable[[keras_tuner.HyperParameters], object],
    ) -> None:
        """Builds the hypermodel until every conditional scope was active once.

        Args:
            space: Returns a copy of the space as it is known so far.
            update: Adds what a build has met.
        """
        known: list[Any] = []
        waiting: list[Any] = [[]]
        while waiting:
            scope = waiting.pop(0)
            hp = space()
            asked = {**hp.values, **{condition.name: condition.values[0] for condition in scope}}
            hp.values = SearchSpace.from_hyperparameters(hp).default(asked)
            self.hypermodel.build(hp)
            update(hp)
            known.extend(copy.deepcopy([scope, *hp.active_scopes]))
            waiting = [other for other in waiting if other not in known]
            waiting.extend(other for other in copy.deepcopy(hp.inactive_scopes) if other not in [*known, *waiting])

    def _try_run_and_update_trial(self, trial: Trial, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Runs a trial and sets its status; a reason in one line begins the message of one that failed.

        `sys.exit` in a hypermodel fails its trial only. Interrupts and Keras Tuner's fatal errors end the search.
        What a hypermodel has forked ends here.
        """
        process = os.getpid()
        if self._changed is not None:
            self._watch(trial.hyperparameters)
        try:
            self._run_and_update_trial(trial, *fit_args, **fit_kwargs)
        except FatalError:
            raise
        except (Exception, SystemExit) as error:
            is_final = isinstance(error, FailedTrialError)
            trial.status = TrialStatus.FAILED if is_final else TrialStatus.INVALID
            trial.message = f"{_reason(error)}\n\n{traceback.format_exc()}"
            if not is_final:
                print(f"Trial {trial.trial_id} failed: {_reason(error)}", file=sys.stderr)
        else:
            trial.status = TrialStatus.COMPLETED
        finally:
            if os.getpid() != process:
                # A second process would go on with the same search, in the same files.
                os._exit(1)


def _refuse_keras_tuners_chief() -> None:
    """Raises an error where the environment asks for Keras Tuner's own chief and workers.

    Its chief waits for ever for a worker that died, and trusts whoever reaches its port.
    """
    if found := sorted(name for name in os.environ if name.startswith(_CHIEF_VARIABLES)):
        raise RuntimeError(
            f"Received {', '.join(found)} in the environment, which ask for Keras Tuner's own chief and workers. Unset "
            "them; to train on several machines, start a Ray cluster and give GeneticTuner(cluster='auto'), or its "
            "head's HOST:PORT."
        )


def _place(hyperparameter: HyperParameter) -> tuple[str, str]:
    """Returns a name, and the conditions under which it counts: a name may stand in several scopes."""
    return hyperparameter.name, json.dumps([one.get_config() for one in hyperparameter.conditions])


def _reason(error: BaseException) -> str:
    """Returns an error in one line."""
    lines = str(error).strip().splitlines()
    words = lines[0].strip()[:_REASON_LENGTH] if lines else ""
    if isinstance(error, FailedTrialError) and words:
        # The author of the hypermodel chose these words for the reader.
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
