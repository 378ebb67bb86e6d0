"""Searches as TensorBoard and MLflow show them, and trackers that fail."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import kevo
from kevo.cli import main
from kevo.errors import SettingsError
from kevo.progress import NullListener
from kevo.progress.trackers import Tracker, TrackerGroup
from kevo.progress.trackers.tensorboard import TensorBoard
from kevo.runs import trial_reader
from kevo.runs.folder import Run
from kevo.tasks.images.datasets import ImageDataset, load
from kevo.tasks.images.task import ImageTask
from kevo.tasks.protocols.task import Task
from tests.support.samples import CONV_GENOME, stripes
from tests.support.searches import SETTINGS, Diary, record

FAILED = dataclasses.replace(
    record("1", 0.5), number=1, status="failed", fitness=None, metrics={}, num_parameters=None, reason="`boom`"
)


class Broken(NullListener):
    """A tracker that fails with the first candidate."""

    def __init__(self) -> None:
        self.told = 0

    def on_search_begin(self, run: Run, task: Task) -> None:
        self.told += 1

    def trial_ended(self, record: object, best: object) -> None:
        self.told += 1
        raise OSError("the server is gone")

    def on_result(self, result: object) -> None:
        self.told += 1

    def on_search_end(self, result: object) -> None:
        self.told += 1


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    return load(stripes(120))


def run_of(folder: Path) -> Run:
    values = {"search": SETTINGS.to_json(), "identity": {"backbones": {}}}
    return Run.create(folder, values)


def read(folder: Path) -> Any:
    """The table of HParams and the scalars, as TensorBoard's own server reads them."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    events = EventMultiplexer().AddRunsFromDirectory(str(folder))
    events.Reload()
    provider = MultiplexerDataProvider(events, str(folder))
    context, request = backend_context.Context(TBContext(data_provider=provider)), RequestContext()
    found = context.hparams_metadata(request, "")
    experiment = context.experiment_from_metadata(request, "", True, found, [])
    wanted = api_pb2.ListSessionGroupsRequest(slice_size=100, aggregation_type=api_pb2.AGGREGATION_AVG)
    wanted.allowed_statuses.extend([api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE])
    for metric in experiment.metric_infos:
        wanted.col_params.add(metric=metric.name)
    groups = list_session_groups.Handler(request, context, "", wanted).run().session_groups
    return events, experiment, {group.name: group for group in groups}


def test_a_tracker_that_fails_is_named_once_and_told_nothing_more(dataset: ImageDataset, tmp_path: Path) -> None:
    diary, broken = Diary(), Broken()
    several = TrackerGroup([broken, diary])
    several.on_search_begin(run_of(tmp_path), ImageTask(dataset, SETTINGS, {}))
    several.trial_ended(record("0", 0.5), None)
    several.trial_ended(record("0", 0.6), None)
    several.on_search_end(None)
    assert broken.told == 2
    assert [one.fitness for one in diary.records] == [0.5, 0.6]
    assert diary.notes == ["Broken is told no more: OSError: the server is gone"]


def test_what_other_listeners_raise_goes_through() -> None:
    class Angry(NullListener):
        def note(self, text: str) -> None:
            raise RuntimeError(text)

    with pytest.raises(RuntimeError, match="enough"):
        TrackerGroup([Angry()]).note("enough")


def test_everything_that_a_listener_is_told_is_passed_on() -> None:
    told = []

    class Everything(NullListener):
        def __getattribute__(self, name: str) -> Any:
            return lambda *arguments: told.append((name, arguments))

    events = [name for name in vars(NullListener) if not name.startswith("_")]
    several = TrackerGroup([Everything()])
    for name in events:
        event = getattr(several, name)
        arguments = tuple(range(event.__code__.co_argcount - 1))
        event(*arguments)
        assert told.pop() == (name, arguments)
    assert isinstance(several, Tracker)


def test_tensorboard_shows_candidates_in_its_table(dataset: ImageDataset, tmp_path: Path) -> None:
    run = run_of(tmp_path)
    board = TensorBoard()
    board.on_search_begin(run, ImageTask(dataset, SETTINGS, {}))
    history = [{"val_accuracy": 0.5, "loss": float("nan")}, {"val_accuracy": 0.75, "loss": 1.0}]
    first = record("0", 0.75, history=history, stages=["train", "train"])
    open_files = len(os.listdir("/proc/self/fd"))
    board.trial_ended(first, first)
    board.trial_ended(FAILED, first)
    assert len(os.listdir("/proc/self/fd")) == open_files
    events, experiment, table = read(tmp_path / "tensorboard")
    assert {gene.name for gene in experiment.hparam_infos} >= {"optimizer", "batch_size", "conv/num_blocks"}
    names = [metric.name.tag for metric in experiment.metric_infos]
    assert names[0] == "best/val_accuracy" and "cost/params" in names
    assert table.keys() == {"trial-0001", "trial-0002"}
    genes = table["trial-0001"].hparams
    assert genes["optimizer"].string_value == "adam" and genes["batch_size"].number_value == 16
    assert not genes["mirror"].bool_value and genes["conv/batch_norm"].bool_value
    metrics = {value.name.tag: value.value for value in table["trial-0001"].metric_values}
    assert metrics["best/val_accuracy"] == pytest.approx(0.75) and metrics["cost/params"] == 100
    assert [one.sessions[0].status for one in table.values()] == [1, 2]
    curve = events.Tensors("trial-0001", "epoch/val_accuracy")
    assert [event.step for event in curve] == [1, 2]
    assert [event.step for event in events.Tensors("trial-0001", "epoch/loss")] == [2]


def test_tensorboard_writes_what_an_earlier_session_did_not(dataset: ImageDataset, tmp_path: Path) -> None:
    run = run_of(tmp_path)
    run.append_trial(record("0", 0.5))
    hostile = {**CONV_GENOME, "optimizer": ["<script>"]}
    run.append_trial(dataclasses.replace(record("1", 0.6), number=1, genome=hostile))
    # Whoever is killed while writing leaves an empty file.
    (tmp_path / "tensorboard" / "trial-0002").mkdir(parents=True)
    (tmp_path / "tensorboard" / "trial-0002" / "events.out.tfevents.1").touch()
    for _ in range(2):
        TensorBoard().on_search_begin(run, ImageTask(dataset, SETTINGS, {}))
    assert len(list((tmp_path / "tensorboard" / "trial-0001").iterdir())) == 1
    assert read(tmp_path / "tensorboard")[2]["trial-0002"].hparams["optimizer"].string_value == "['<script>']"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("mlflow", reason="mlflow is missing: pip install 'kevo-automl[mlflow]'")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "all")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 200
        while True:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.2)
        yield address
    finally:
        # The server has processes of its own.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.mark.long
def test_mlflow_holds_the_search_and_serves_its_model(server: str, tmp_path: Path) -> None:
    from kevo.progress.trackers.mlflow import MLflow

    class Hurry(Diary):
        """Ends the search after its first candidate, as Ctrl-C does."""

        def trial_ended(self, record: object, best: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    import mlflow

    pictures, settings = stripes(120), dataclasses.replace(SETTINGS, max_trials=2, epochs=2, num_finalists=1)
    first = kevo.search(pictures, settings, out=tmp_path / "run", listener=TrackerGroup([Hurry(), MLflow(server)]))
    assert first.interrupted
    diary = Diary()
    result = kevo.resume(tmp_path / "run", pictures, listener=TrackerGroup([diary, MLflow(server)]))
    assert not [note for note in diary.notes if "told no more" in note]
    client = mlflow.MlflowClient(server)
    experiment = client.get_experiment_by_name("kevo")
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1 and parents[0].info.status == "FINISHED"
    assert parents[0].data.metrics["test/accuracy"] == pytest.approx(result.test.accuracy)
    assert {file.path for file in client.list_artifacts(parents[0].info.run_id)} >= {"plots", "model_card.md"}
    children = {run.data.tags["kevo.trial_id"]: run for run in runs if run not in parents}
    records = {record.trial_id: record for record in trial_reader.read_trials(Run.open(tmp_path / "run"))}
    assert len(children) == len(runs) - 1 and children.keys() == records.keys()
    for trial_id, run in children.items():
        assert run.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
        assert run.data.params["optimizer"] == records[trial_id].genome["optimizer"]
        curve = client.get_metric_history(run.info.run_id, "val_accuracy")
        assert [point.value for point in curve] == [epoch["val_accuracy"] for epoch in records[trial_id].history]
        assert [point.step for point in curve] == list(range(1, len(curve) + 1))
    # One version, of the whole search.
    versions = client.search_model_versions("name='kevo-arrays'")
    assert [version.version for version in versions] == ["1"]
    mlflow.set_tracking_uri(server)
    model = mlflow.pyfunc.load_model("models:/kevo-arrays/1", dst_path=str(tmp_path))
    assert model.metadata.get_input_schema().inputs[0].type == np.uint8
    best = keras.models.load_model(result.model_path, safe_mode=True)
    np.testing.assert_array_equal(model.predict(pictures[0]), best.predict(pictures[0], verbose=0))
    files = {path.name for path in tmp_path.rglob("MLmodel").__next__().parent.rglob("*") if path.is_file()}
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".cloudpickle"))]
    needed = next(tmp_path.rglob("requirements.txt")).read_text().split()
    assert f"keras=={keras.__version__}" in needed


def test_a_server_that_is_not_there_is_a_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="mlflow is missing: pip install 'kevo-automl[mlflow]'")
    from kevo.progress.trackers.mlflow import MLflow

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(SettingsError, match="No MLflow answers at http://127") as error:
            MLflow(f"http://someone:secret@127.0.0.1:{taken.getsockname()[1]}")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(("extra", "option"), [("mlflow", "--mlflow=http://127.0.0.1:1"), ("codecarbon", "--energy")])
def test_a_missing_extra_is_named(extra: str, option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, extra, None)
    done = CliRunner().invoke(main, ["search", "digits", "--out", str(tmp_path / "run"), option])
    assert done.exit_code == 2
    assert f"pip install 'kevo-automl[{extra}]'" in done.stderr
    assert not (tmp_path / "run").exists()
