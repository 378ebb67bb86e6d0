"""A search on a Ray cluster of two machines."""

import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from kevo import api
from kevo.errors import SettingsError
from kevo.execution import cluster as cluster_module
from kevo.execution.cluster import Cluster
from kevo.runs import status, stop_request
from kevo.runs.folder import Run
from tests.support.ray_nodes import two_nodes
from tests.support.samples import stripes
from tests.support.searches import SETTINGS, Diary

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with two_nodes() as made:
        yield made


def workers(kind: str = "RayWorker") -> list[int]:
    """The processes of actors on clusters of these tests: others may run beside them."""
    return [
        int(path.name)
        for path in Path("/proc").glob("[0-9]*")
        if _read(path / "cmdline").startswith(f"ray::{kind}".encode()) and os.getpid() in _ancestors(path)
    ]


def _ancestors(process: Path) -> Iterator[int]:
    while (stat := _read(process / "stat")) and (parent := int(stat.rpartition(b")")[2].split()[1])):
        yield parent
        process = Path("/proc", str(parent))


def _read(path: Path) -> bytes:
    """What a file of a process says; nothing where it has ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def kevo(*words: str, patch: str = "") -> subprocess.Popen[str]:
    """Starts the command, after a line of Python."""
    code = f"import sys; {patch}\nfrom kevo.cli import main\nsys.argv[0] = 'kevo'\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(process: subprocess.Popen[str], happens: Callable[[], bool], seconds: float = 150.0) -> None:
    """Waits until something happens while a process runs."""
    end = time.monotonic() + seconds
    while not happens():
        assert process.poll() is None and time.monotonic() < end, process.communicate(timeout=10)
        time.sleep(0.05)


def are_gone(seconds: float = 60.0) -> bool:
    """Whether all workers end; Ray ends them, in its own time."""
    until = time.monotonic() + seconds
    while (left := [*workers(), *workers("RayMember")]) and time.monotonic() < until:
        time.sleep(0.05)
    return not left


class Killer(Diary):
    """Kills processes on the cluster in the middle of the first candidate's training.

    Args:
        run: The folder of the search.
        kind: What is killed.
    """

    def __init__(self, run: Path, kind: str) -> None:
        super().__init__()
        self._run = run
        self._kind = kind
        self.killed: Sequence[int] = ()
        self.kept: list[dict[str, float]] = []
        """The epochs that were kept by then."""
        self.done: list[float] = []
        """How far the training is, from then on."""

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        if self.lost and number == 0:
            self.done.append(done)
        kept = [] if self.killed else list(self._run.glob("unfinished/*.json"))
        if kept:
            self.kept = json.loads(kept[0].read_text())["history"]
            self.killed = workers(self._kind)
            for pid in self.killed:
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings on the cluster are kept every half second."""
    monkeypatch.setattr(cluster_module, "_JOB", "tests.support.cluster_job:build")


LONG = {"max_trials": 2, "num_finalists": 1, "epochs": 30, "final_epochs": 30, "workers": 1}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_worker_is_killed_in_mid_training_and_the_training_goes_on(
    cluster: Any, keeping: None, tmp_path: Path
) -> None:
    diary = Killer(tmp_path / "run", "RayWorker")
    settings = dataclasses.replace(SETTINGS, **LONG)
    result = api.search(stripes(120), settings, out=tmp_path / "run", listener=diary, cluster=cluster.address)
    assert diary.lost == [(0, "its worker was killed or has crashed, perhaps for want of memory")]
    assert len(diary.killed) == 1 and {record.status for record in diary.records} == {"completed"}
    # Another worker has trained the rest only.
    first = diary.records[0]
    assert 0 < len(diary.kept) < len(first.history) == first.num_epochs and diary.done[0] > len(diary.kept)
    assert first.history[: len(diary.kept)] == diary.kept
    assert result.model_path.is_file() and are_gone()
    # Who trains makes no difference, but for how machines round.
    here = Diary()
    api.search(stripes(120), dataclasses.replace(settings, workers=0), out=tmp_path / "here", listener=here)
    same, other = diary.records[1], here.records[1]
    assert same.genome == other.genome and first.genome == here.records[0].genome
    assert same.history[0] == pytest.approx(other.history[0], rel=0.05, abs=0.05)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_machines_train_every_candidate_together_and_begin_again_when_one_process_is_lost(
    cluster: Any, keeping: None, tmp_path: Path
) -> None:
    diary = Killer(tmp_path / "run", "RayMember")
    changes = {"strategy": "multiworker", "workers": None, "max_trials": 1, "epochs": 20, "final_epochs": 20}
    settings = dataclasses.replace(SETTINGS, **{**LONG, **changes})
    result = api.search(stripes(120), settings, out=tmp_path / "run", listener=diary, cluster=cluster.address)
    devices = "a cluster of 2 machines, every candidate over 2 processes (each one's CPUs: 1)"
    assert [opening.devices for opening in diary.openings] == [devices]
    # TensorFlow may end the worker, too, before that has noticed.
    ((number, reason),) = diary.lost
    assert len(diary.killed) == 1 and number == 0
    assert reason.startswith(("the processes that train together have parted", "its worker was killed or has crashed"))
    assert {record.status for record in diary.records} == {"completed"} and result.model_path.is_file()
    assert are_gone()


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_loss_of_the_head_ends_a_search_with_words(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with two_nodes() as own:
        address = own.address
        limits = ["--max-trials", "1", "--space", "small", "--epochs", "10000"]
        sooner = "from tuners.execution import ray_pool; ray_pool._HEAD_SECONDS, ray_pool._WATCH_SECONDS = 10.0, 1.0"
        words = ["search", "digits", *limits, "--out", str(run), "--cluster", address]
        process = kevo(*words, patch=sooner)
        until(process, lambda: bool(workers()))
        own.head_node.kill_gcs_server()
        _, err = process.communicate(timeout=90)
    assert process.returncode == 1 and "Traceback" not in err
    assert err.splitlines()[-1] == (
        "Error: The head of the cluster has not answered for 10 seconds. Nothing that finished is lost. "
        f"Go on with: kevo resume {run} --cluster {address}"
    )


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_search_that_is_stopped_hands_the_best_over_and_says_how_to_go_on_there(cluster: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    there = ["--cluster", cluster.address, "--cpus-per-trial", "0.5"]
    # Under a time limit there is a model before any worker is ready.
    process = kevo("search", "digits", "--max-time", "10m", "--workers", "1", "--out", str(run), *there)
    until(process, lambda: (run / "trials.jsonl").exists())
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130 and "Traceback" not in err, err
    assert json.loads(out)["interrupted"] and (run / "best.keras").is_file()
    first, _, command = err.splitlines()[-1].partition(": ")
    assert (first, shlex.split(command)) == ("Go on with", ["kevo", "resume", str(run), *there])
    assert are_gone()

    process = kevo(*shlex.split(command)[1:])
    until(process, lambda: any(one.epoch for one in status.read(run).trainings))
    assert len(workers()) == 1 and stop_request.send(Run.open(run), wait=100)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130 and err.splitlines()[-1] == f"Go on with: {command}", err
    assert json.loads(out)["interrupted"] and are_gone()


@pytest.mark.long
def test_doctor_names_the_machines_of_a_cluster(cluster: Any) -> None:
    process = kevo("doctor", "--cluster", cluster.address)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    lines = out.splitlines()
    assert lines[0].startswith(f"cluster           {cluster.address}, Ray ")
    assert lines[1] == "token             from RAY_AUTH_TOKEN; RAY_AUTH_MODE is token"
    assert lines[3] == "a search has      a cluster of 2 machines, room for 2 workers (each one's CPUs: 1)"
    assert len(lines) == 6 and all("1 CPU, 0 GPUs, " in line and "the same versions" in line for line in lines[4:])


@pytest.mark.long
def test_a_genetic_tuner_of_a_script_runs_its_trials_on_a_cluster(cluster: Any, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    command = [sys.executable, str(script), cluster.address, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["status"] == ["COMPLETED"] * 6 and result["continued"] == ["0", "1", "2"]
    # Neither is this process, and the weights have come back.
    assert result["accuracy"] > 0.5 and "work" not in result["files"]
    assert all(pid != os.getpid() for pid in result["pids"]) and len(set(result["pids"])) == 2


_SCRIPT = """
import json, os, sys
import keras
from sklearn.datasets import load_wine
from tuners import GeneticTuner, Settings

x, y = load_wine(return_X_y=True)
x = (x - x.mean(axis=0)) / x.std(axis=0)
address, folder = sys.argv[1:]

def build_model(hp):
    with open(os.path.join(folder, f"pid-{os.getpid()}"), "w"):
        pass
    units = hp.Choice("units", [8, 16, 32, 64])
    model = keras.Sequential([keras.layers.Dense(units, "relu"), keras.layers.Dense(3, "softmax")])
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log", default=1e-2)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

if __name__ == "__main__":
    settings = Settings(population_size=3, rungs=(1, 3))
    tuner = GeneticTuner(
        build_model, objective="val_accuracy", max_trials=6, seed=0, settings=settings, directory=folder,
        project_name="wine", cluster=address,
    )
    for path in list(os.listdir(folder)):
        if path.startswith("pid-"):
            os.remove(os.path.join(folder, path))
    tuner.search(x, y, validation_data=(x, y), verbose=0)
    pids = [int(path[4:]) for path in os.listdir(folder) if path.startswith("pid-")]
    trials = list(tuner.oracle.trials.values())
    continued = [trial.hyperparameters.values.get("tuner/trial_id") for trial in trials]
    print(json.dumps({
        "status": [trial.status for trial in trials],
        "continued": sorted(filter(None, continued)),
        "accuracy": tuner.get_best_models()[0].evaluate(x, y, verbose=0)[1],
        "pids": pids,
        "files": os.listdir(os.path.join(folder, "wine")),
    }))
"""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cpus_per_trial": 0.0}, "Received 0.0 CPUs for each trial. Expected more than 0."),
        ({"gpus_per_trial": 1.5}, "Received 1.5 GPUs for each trial. Expected 0, a part of one, or a whole number."),
        ({"gpus_per_trial": -1.0}, "Received -1.0 GPUs"),
    ],
)
def test_a_share_that_no_trial_can_have_is_refused(given: dict[str, float], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Cluster("auto", **given)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cluster": "127.0.0.1:1"}, "No Ray cluster answers at 127.0.0.1:1"),
        ({"cluster": "auto", "workers": 0}, "Received a cluster and 0 workers"),
        ({"gpus_per_trial": 1.0}, "Received CPUs or GPUs for each trial, and no cluster"),
    ],
)
def test_a_search_that_cannot_run_on_a_cluster_is_refused_first(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        api.search("digits", out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_without_a_cluster_nothing_of_ray_is_imported() -> None:
    code = "import sys, kevo.api, kevo.cli, tuners; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
