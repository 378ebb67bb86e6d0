"""A search as MLflow shows it: a run for the search, a run in it for each candidate, and the best model registered.

MLflow is an extra. What it would send to its makers, and say on the terminal, is switched off.
"""

from __future__ import annotations

import math
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kevo.errors import RunError, SettingsError
from kevo.progress import NullListener
from kevo.progress.trackers.background import Background
from kevo.progress.trackers.values import tracked_values
from kevo.runs import layout, trial_reader
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.system import model_files, versions
from kevo.system.markdown import code
from kevo.tasks.protocols.kind import AnyKind
from kevo.tasks.protocols.task import Task

_PARENT, _TRIAL, _NOTE = "mlflow.parentRunId", "kevo.trial_id", "mlflow.note.content"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    # A server that is gone holds the end of a search up for half a minute, and not for an hour.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
_MAX_METRICS, _MAX_PARAMS = 1000, 100
"""How many the server takes at once."""
_MAX_VALUE = 500
_ARTIFACTS = (layout.MODEL_CARD, layout.RESULT, layout.REPORT)
_NEEDED = ("tensorflow", "keras", "numpy")
"""What the best model needs where it is served, pinned to what wrote it."""


class MLflow(NullListener):
    """Logs a search to an MLflow server, from a thread of its own, so that no training waits for it.

    The search is a run; its candidates are runs nested in it, with their genes as parameters and their metrics by
    epoch. At the end the figures and the best model are logged, and the latter is registered. A search that is taken
    up again goes on in the same run.

    Args:
        uri: The server, such as `http://127.0.0.1:5000`, or a database, such as `sqlite:///mlflow.db`.
        experiment: The experiment that the search belongs to; made if it is not there.
        model: The name that the best model is registered as. Defaults to `kevo-` and the name of the data set.

    Raises:
        SettingsError: MLflow is not installed, or the server cannot be reached.

    Example:
        >>> result = kevo.search("digits", listener=MLflow("http://127.0.0.1:5000"))  # doctest: +SKIP
        >>> mlflow.pyfunc.load_model("models:/kevo-digits/1").predict(pictures)  # doctest: +SKIP
    """

    def __init__(self, uri: str, *, experiment: str = "kevo", model: str | None = None) -> None:
        self._experiment_name = experiment
        self._model_name = model
        self._client = _client(uri)
        self._background = Background("mlflow")
        self._experiment = self._parent = ""
        self._kind: AnyKind

    def on_search_begin(self, run: Run, task: Task) -> None:
        """Begins the search's run, or goes on with it, and logs the candidates that are not there yet."""
        self._kind = run.search_settings().kind
        self._model_name = self._model_name or f"kevo-{task.dataset.name}"
        records = trial_reader.read_trials(run)
        self._background.later(lambda: self._begin(run, task, records))

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        """Logs a candidate."""
        self._background.later(lambda: self._log_trial(record, best))

    def on_result(self, result: Outcome) -> None: ...

    def on_search_end(self, result: Outcome | None) -> None:
        """Logs the result of the search, and waits until all is logged."""
        self._background.later(lambda: self._end(result))
        self._background.finish()

    def _begin(self, run: Run, task: Task, records: Iterable[TrialRecord]) -> None:
        known = self._earlier(run)
        if known is None:
            found = self._client.get_experiment_by_name(self._experiment_name)
            self._experiment = found.experiment_id if found else self._client.create_experiment(self._experiment_name)
            known = self._client.create_run(self._experiment, run_name=run.path.name)
            run.write_json(layout.MLFLOW, {"run_id": known.info.run_id})
            settings = {**run.settings.get("search", {}), "data": task.dataset.name, "kevo": versions.KEVO}
            self._log_params(known.info.run_id, settings)
            self._client.set_tag(known.info.run_id, _NOTE, code(task.dataset.summary()))
        self._experiment, self._parent = known.info.experiment_id, known.info.run_id
        self._client.update_run(self._parent, status="RUNNING")
        logged = dict(self._children())
        for record in records:
            if logged.get(record.trial_id, "RUNNING") != "RUNNING":
                continue
            self._log_trial(record, None)

    def _earlier(self, run: Run) -> Any | None:
        """Returns the run in which an earlier session logged the search, if it is there."""
        from mlflow.exceptions import MlflowException

        if not (run.path / layout.MLFLOW).is_file():
            return None
        try:
            run_id = str(run.read_json(layout.MLFLOW)["run_id"])
            if not re.fullmatch(r"[0-9a-f]{32}", run_id):
                return None
            found = self._client.get_run(run_id)
        except (RunError, MlflowException, LookupError, TypeError):
            return None
        return found if found.info.lifecycle_stage == "active" else None

    def _children(self) -> Iterator[tuple[str, str]]:
        """Yields the trials that are logged already, with their state, and deletes half-logged ones."""
        for child in self._client.search_runs([self._experiment], f"tags.`{_PARENT}` = '{self._parent}'"):
            if child.info.status == "RUNNING":
                self._client.delete_run(child.info.run_id)
            yield child.data.tags.get(_TRIAL, ""), child.info.status

    def _log_trial(self, record: TrialRecord, best: TrialRecord | None) -> None:
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        name = f"{record.number + 1}{' full' if record.full_length else ''}"
        tags = {_PARENT: self._parent, _TRIAL: record.trial_id, _NOTE: code(self._kind.describe(record.genome))}
        tags |= {"kevo.reason": code(record.reason)} if record.reason else {}
        start = now - round(1000 * record.seconds)
        run_id = self._client.create_run(self._experiment, start_time=start, tags=tags, run_name=name).info.run_id
        self._log_params(run_id, record.genome)
        metrics = [
            Metric(name, value, now, epoch)
            for epoch, values in enumerate(record.history, start=1)
            for name, value in values.items()
            if math.isfinite(value)
        ]
        metrics += [Metric(name, value, now, 0) for name, value in tracked_values(record).items()]
        for batch in _batches(metrics, _MAX_METRICS):
            self._client.log_batch(run_id, metrics=batch)
        self._client.set_terminated(run_id, "FAILED" if record.fitness is None else "FINISHED", end_time=now)
        if best is not None:
            shown = [Metric(name, value, now, record.number + 1) for name, value in tracked_values(best).items()]
            self._client.log_batch(self._parent, metrics=shown)

    def _log_params(self, run_id: str, values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(str(name), str(value)[:_MAX_VALUE]) for name, value in values.items()]
        for batch in _batches(params, _MAX_PARAMS):
            self._client.log_batch(run_id, params=batch)

    def _end(self, result: Outcome | None) -> None:
        if result is None:
            self._client.set_terminated(self._parent, "FAILED")
            return
        scores = {
            f"{split}/{name}": getattr(result, split).value(name)
            for split in ("validation", "test")
            for name in _metrics(self._kind)
        }
        scores |= {"seconds": result.seconds, "params": result.num_parameters}
        for name, value in scores.items():
            self._client.log_metric(self._parent, name, float(value))
        plots = result.run_folder / layout.PLOTS
        if plots.is_dir():
            self._client.log_artifacts(self._parent, str(plots), layout.PLOTS)
        for name in _ARTIFACTS:
            if (result.run_folder / name).is_file():
                self._client.log_artifact(self._parent, str(result.run_folder / name))
        self._log_model(result)
        self._client.set_terminated(self._parent, "KILLED" if result.interrupted else "FINISHED")

    def _log_model(self, result: Outcome) -> None:
        """Logs the best model as `mlflow.pyfunc` loads and `mlflow models serve` serves it; no pickle is in it."""
        import mlflow.keras
        import numpy as np
        from mlflow.exceptions import MlflowException
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        model = model_files.load(result.model_path)
        inputs = [TensorSpec(np.dtype(one.dtype), one.shape, one.name or None) for one in self._kind.input_specs(model)]
        outputs = TensorSpec(np.dtype(np.float32), (-1, *model.output_shape[1:]))
        logged = self._client.create_logged_model(self._experiment, name="best", source_run_id=self._parent)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            mlflow.keras.save_model(
                model,
                str(path),
                signature=ModelSignature(Schema(inputs), Schema([outputs])),
                pip_requirements=[f"{name}=={metadata.version(name)}" for name in ("mlflow", *_NEEDED)],
            )
            self._client.log_model_artifacts(logged.model_id, str(path))
        self._client.finalize_logged_model(logged.model_id, "READY")
        if result.interrupted:
            # Its search may yet find a better one.
            return
        try:
            self._client.create_registered_model(self._model_name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        self._client.create_model_version(
            self._model_name,
            source=f"models:/{logged.model_id}",
            run_id=self._parent,
            description=code(result.words),
            # It is there already; waiting for it is announced on the terminal.
            await_creation_for=0,
            model_id=logged.model_id,
        )


def _metrics(kind: AnyKind) -> list[str]:
    """Returns the names of the scores that a task's objectives are about."""
    names = (name for one in kind.objectives.values() for name in one.metrics)
    return [name.removeprefix("val_") for name in dict.fromkeys(names)]


def _client(uri: str) -> Any:
    """Returns a client of a server that answers."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise SettingsError(f"MLflow is not installed here. Install it: {versions.how_to_install('mlflow')}") from None
    # Secrets may stand before the host.
    shown = uri.replace(f"{urlsplit(uri).netloc.rpartition('@')[0]}@", "")
    try:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    except (MlflowException, OSError, ValueError) as error:
        raise SettingsError(
            f"No MLflow answers at {shown} ({type(error).__name__}). Start one: mlflow server --port 5000. Or name "
            "another, such as http://127.0.0.1:5000 or sqlite:///mlflow.db."
        ) from error
    return client


def _batches(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    values = iter(values)
    while batch := list(islice(values, size)):
        yield batch
