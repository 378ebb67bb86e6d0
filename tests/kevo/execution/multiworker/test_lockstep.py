"""A candidate that two processes train learns what it learns in one, and a process that is lost costs only time."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import kevo
from kevo.cli.doctor import findings
from kevo.errors import SettingsError
from kevo.execution.devices import Cluster, plan
from tests.support.samples import stripes
from tests.support.searches import SETTINGS, Diary

ROOT = Path(__file__).parents[4]
TWO = '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}'


def descendants(of: int) -> dict[int, str]:
    """The processes that a process has started, and those that these have, with their command lines."""
    parents, commands = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                pass
    found, known = {}, {of}
    while more := {process for process, parent in parents.items() if parent in known} - known:
        known |= more
        found |= {process: commands.get(process, "") for process in more}
    return found


@pytest.mark.parametrize(
    ("config", "cluster"),
    [
        (TWO, Cluster(("a:1", "b:2"), 1)),
        (
            '{"cluster": {"chief": ["c:3"], "worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
            Cluster(("c:3", "a:1"), 1),
        ),
        ("", None),
    ],
)
def test_tf_config_says_who_trains(monkeypatch: pytest.MonkeyPatch, config: str, cluster: Cluster | None) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    assert Cluster.from_environment() == cluster
    if cluster is not None:
        monkeypatch.setenv("TF_CONFIG", cluster.in_environment()["TF_CONFIG"])
        assert Cluster.from_environment() == cluster


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1", "b:2"], "ps": ["c:3"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": {"worker": [1, 2]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_what_tf_config_lacks_is_said(monkeypatch: pytest.MonkeyPatch, config: str) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(SettingsError, match="TF_CONFIG must name two processes or more"):
        Cluster.from_environment()


def test_who_searches_and_on_which_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    here = plan("multiworker", num_workers=None, num_gpus=4)
    assert (here.gpus, here.is_spread, here.num_shares, here.num_workers) == (((0, 1, 2, 3),), True, 2, 1)
    assert here.environment(0, num_cores=8)["TF_NUM_INTRAOP_THREADS"] == "4"
    with pytest.raises(SettingsError, match="cannot share 1 GPU evenly"):
        plan("multiworker", num_workers=None, num_gpus=1)
    monkeypatch.setenv("TF_CONFIG", TWO.replace('"index": 1', '"index": 0'))
    assert plan("multiworker", num_workers=None, num_gpus=1).num_shares == 1
    monkeypatch.setenv("TF_CONFIG", TWO)
    with pytest.raises(SettingsError, match="Only process 0 searches"):
        plan("multiworker", num_workers=None, num_gpus=0)
    assert dict(findings())["TF_CONFIG"].startswith("process 1 of 0 to 1: a:1, b:2")


def test_all_processes_train_one_candidate_at_a_time() -> None:
    for workers in (0, 2):
        with pytest.raises(SettingsError, match="one candidate at a time"):
            kevo.Settings(strategy="multiworker", workers=workers)
    with pytest.raises(SettingsError, match="cannot join"):
        kevo.search(stripes(60), kevo.Settings(strategy="multiworker"), listen="127.0.0.1:0")


@pytest.mark.long
def test_two_processes_learn_what_one_learns() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        addresses = tuple(f"127.0.0.1:{one.getsockname()[1]}" for one in (first, second))
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "kevo", "search", "digits", "--strategy", "multiworker"]
    with subprocess.Popen(
        command, env={**environment, **Cluster(addresses, 1).in_environment()}, stderr=subprocess.PIPE, text=True
    ) as follower:
        try:
            done = subprocess.run(
                [sys.executable, str(Path(__file__).with_name("lockstep_process.py"))],
                env={**environment, **Cluster(addresses, 0).in_environment()},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            _, notes = follower.communicate()
        finally:
            follower.kill()
    assert follower.returncode == 0 and notes.endswith("Trains along.\n"), notes
    plain, together, changed = json.loads(done.stdout)
    assert together["losses"] == pytest.approx(plain["losses"], abs=1e-3)
    assert abs(together["hits"] - plain["hits"]) <= 2
    # Random changes and batch norm are no longer the same with shares of a batch.
    assert changed["losses"][-1] < changed["losses"][0]


class Killer(Diary):
    """Kills the process that trains along, as soon as a candidate has trained a while."""

    killed = 0

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        for process, command in descendants(os.getpid()).items():
            if "kevo.execution.multiworker.launch" in command and not self.killed:
                self.killed = process
                os.kill(process, signal.SIGKILL)


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="/proc is missing: no way to find processes")
def test_a_process_that_is_lost_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    changes = {"strategy": "multiworker", "workers": 1, "max_trials": 1, "num_finalists": 1, "final_epochs": 3}
    diary = Killer()
    result = kevo.search(stripes(120), dataclasses.replace(SETTINGS, **changes), out=tmp_path / "run", listener=diary)
    assert diary.killed
    assert diary.lost == [(0, "the processes that train together have parted: one is gone, or stands still")]
    assert {record.status for record in diary.records} == {"completed"} and result.model_path.is_file()
    assert [command for command in descendants(os.getpid()).values() if ".execution." in command] == []
