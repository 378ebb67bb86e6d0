"""The trials of a `GeneticTuner` on a Ray cluster: the oracle stays where the search began, trials run elsewhere.

Tuner, hypermodel and data are sent once to each worker, as a pickle, which the cluster's own members alone read. What a
trial writes into its folder comes back, so that the search's directory need not be shared.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalError

from tuners.execution import ray_cluster
from tuners.execution.executor import Json, KeepCheckpoint, ReportProgress
from tuners.execution.foreman import Foreman

_JOB = "tuners.cluster_trials:build"
_TUNER = "tuner.pickle"
_CHECKPOINTS = ("tuner/trial_id", "tuner/parent_id")
"""Values that name the trial whose weights another one begins with."""


def search(
    tuner: Any,
    fit_args: tuple[Any, ...],
    fit_kwargs: Mapping[str, Any],
    *,
    cluster: str,
    resources: Mapping[str, float],
) -> None:
    """Runs the trials of a tuner until its oracle has no more.

    Args:
        tuner: The tuner.
        fit_args: Go to its `run_trial`.
        fit_kwargs: Likewise.
        cluster: `auto`, or the HOST:PORT of the cluster's head.
        resources: What each trial gets: `cpus`, `gpus`.

    Raises:
        ClusterError: the cluster cannot be used, or not safely.
        BrokenError: no worker can go on.
        RuntimeError: a trial has met a fatal error.
    """
    with ray_cluster.connected(cluster):
        from ray import cloudpickle

        from tuners.execution.ray_pool import RayPool
        from tuners.execution.ray_worker import Resources

        folder = Path(tuner.project_dir, "work")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            sent = copy.copy(tuner)
            sent.oracle = _Recorder(tuner.oracle)
            (folder / _TUNER).write_bytes(cloudpickle.dumps((sent, fit_args, dict(fit_kwargs))))
            pool = RayPool(
                _JOB,
                {"tuner": str(folder / _TUNER)},
                folder=folder,
                resources=Resources(**resources),
                shared=[folder / _TUNER],
                environment={"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"},
                versions=f"{__name__}:versions",
            )
            Foreman(_Trials(tuner), pool).run()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def versions() -> dict[str, str]:
    """Returns the versions that all machines must share."""
    import platform
    from importlib.metadata import version

    return {"Python": platform.python_version(), **{name: version(name) for name in ("keras", "keras-tuner")}}


class _Trials:
    """The oracle of a tuner, for `tuners.execution.foreman`."""

    def __init__(self, tuner: Any) -> None:
        self._tuner = tuner
        self._oracle = tuner.oracle
        self._running: dict[str, Trial] = {}
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to do."""
        return self._is_over and not self._running

    def next(self, worker: str) -> Json | None:
        """Returns the trial that a worker is to run; `None` where there is none at present."""
        trial = self._oracle.create_trial(worker)
        if trial.status == TrialStatus.STOPPED:
            self._is_over = True
        if trial.status in (TrialStatus.STOPPED, TrialStatus.IDLE):
            return None
        self._running[worker] = trial
        self._tuner.on_trial_begin(trial)
        return {"trial": trial.get_state()}

    def model_for(self, worker: str) -> Path | None:
        """Returns the folder of the trial whose weights a worker's trial begins with."""
        trial = self._running.get(worker)
        source = None if trial is None else _source(trial)
        return None if source is None else Path(self._tuner.get_trial_dir(source))

    def hear(self, worker: str) -> None:
        """A sign of life, which is not watched: a trial may take as long as it likes between two of them."""

    def silence(self, worker: str) -> tuple[float, float]:
        """No silence is too long."""
        return 0.0, 0.0

    def tell(self, worker: str, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> bool:
        """Lets a trial go on."""
        return True

    def keep(self, worker: str, folder: Path, values: Json) -> None:
        """Trials keep no checkpoints."""

    def wants(self, worker: str, result: Json) -> bool:
        """All files that a trial has written are wanted."""
        return worker in self._running

    def finish(self, worker: str, result: Json, folder: Path | None) -> None:
        """Takes the result of a worker's trial."""
        if (mine := self._running.pop(worker, None)) is None:
            return
        if result["fatal"] is not None:
            raise FatalError(result["fatal"])
        if folder is not None:
            for path in folder.iterdir():
                shutil.move(path, Path(self._tuner.get_trial_dir(mine.trial_id), path.name))
        trial = Trial.from_state(result["trial"])
        for metrics, step in result["updates"]:
            self._oracle.update_trial(mine.trial_id, metrics, step=step)
        mine.hyperparameters, mine.status, mine.message = trial.hyperparameters, trial.status, trial.message
        self._tuner.on_trial_end(mine)

    def lose(self, worker: str, reason: str, *, is_its_fault: bool) -> None:
        """Gives the trial of a lost worker to another one, as the oracle's retries allow."""
        if (trial := self._running.pop(worker, None)) is not None:
            self._oracle.take_back(trial.trial_id, reason, counts=is_its_fault)

    def stop(self) -> None:
        """Ends the search."""
        self._is_over = True


class _Recorder:
    """Stands for the oracle in a worker, and notes what a trial reports.

    Args:
        oracle: The oracle that it stands for.
    """

    def __init__(self, oracle: Any) -> None:
        self.objective = oracle.objective
        self.verbose = 0
        self._space = oracle.get_space()
        self.trial: Any = None
        self.updates: list[tuple[dict[str, float], int]] = []

    def begin(self, trial: Any) -> None:
        """Begins a trial."""
        self.trial, self.updates = trial, []

    def get_space(self) -> Any:
        """Returns the space as it was when the search began."""
        return self._space.copy()

    def update_space(self, hyperparameters: Any) -> None:
        """The trial's own hyperparameters tell the oracle."""

    def get_trial(self, trial_id: str) -> Any:
        """Returns the trial that runs."""
        # Of what it has reported nothing has to be known here.
        return SimpleNamespace(metrics=SimpleNamespace(exists=lambda name: any(name in one for one, _ in self.updates)))

    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Any:
        """Notes what the trial reports."""
        self.updates.append(({name: float(value) for name, value in metrics.items()}, int(step or 0)))
        return self.trial


def build(*, tuner: str, folder: str) -> _Work:
    """Makes the work of one worker from the tuner that was sent; see `executor.Job`."""
    from ray import cloudpickle

    # It was written by the search's own process, and has come through the cluster.
    found, fit_args, fit_kwargs = cloudpickle.loads(Path(tuner).read_bytes())
    found.directory = folder
    return _Work(found, fit_args, fit_kwargs)


class _Work:
    """Runs the trials of a tuner, for `tuners.execution`."""

    def __init__(self, tuner: Any, fit_args: tuple[Any, ...], fit_kwargs: dict[str, Any]) -> None:
        self._tuner = tuner
        self._fit_args = fit_args
        self._fit_kwargs = fit_kwargs

    def perform(self, trial: Json, *, earlier: Path | None, progress: ReportProgress, keep: KeepCheckpoint) -> _Done:
        """Runs a trial; a failure of its own is its result."""
        mine, fatal = Trial.from_state(trial["trial"]), None
        source = _source(mine)
        if earlier is not None and source is not None:
            shutil.copytree(earlier, self._tuner.get_trial_dir(source), dirs_exist_ok=True)
        self._tuner.oracle.begin(mine)
        try:
            self._tuner._try_run_and_update_trial(mine, *self._fit_args, **self._fit_kwargs)
        except FatalError as error:
            fatal = f"{type(error).__name__}: {error}"
        result = {"trial": mine.get_state(), "updates": self._tuner.oracle.updates, "fatal": fatal}
        return _Done(result, Path(self._tuner.get_trial_dir(mine.trial_id)))

    def close(self) -> None:
        """Nothing is left to do: the worker's folder goes with it."""


class _Done:
    """A trial that has ended."""

    def __init__(self, result: Json, files: Path) -> None:
        self.result = result
        self._files = files

    def save(self, folder: Path) -> Json:
        """Hands over what the trial has written."""
        for path in self._files.iterdir():
            if path.is_file():
                shutil.move(path, folder / path.name)
        return self.result


def _source(trial: Any) -> str | None:
    values = trial.hyperparameters.values
    return next((values[name] for name in _CHECKPOINTS if values.get(name)), None)
