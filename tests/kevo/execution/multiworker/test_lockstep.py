"""A candidate that two processes train learns what it learns in one, and a process that is lost costs only time."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import Pipe
from pathlib import Path

import pytest

import kevo
from kevo.errors import SettingsError
from kevo.execution.devices import plan
from kevo.execution.multiworker.launch import leading
from kevo.execution.multiworker.line import LocalLine
from tests.support.samples import stripes
from tests.support.searches import SETTINGS, Diary
from tuners.execution.executor import UnfitError

ROOT = Path(__file__).parents[4]


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


def test_two_processes_share_the_devices_of_one_worker() -> None:
    here = plan("multiworker", num_workers=None, num_gpus=4)
    assert (here.gpus, here.is_spread, here.num_processes, here.num_workers) == (((0, 1, 2, 3),), True, 2, 1)
    assert here.environment(0, num_cores=8)["TF_NUM_INTRAOP_THREADS"] == "4"
    with pytest.raises(SettingsError, match="cannot share 1 GPU evenly"):
        plan("multiworker", num_workers=None, num_gpus=1)


def test_all_processes_train_one_candidate_at_a_time() -> None:
    for workers in (0, 2):
        with pytest.raises(SettingsError, match="one candidate at a time"):
            kevo.Settings(strategy="multiworker", workers=workers)


def test_what_is_said_is_heard_with_its_bytes_until_the_other_end_is_closed() -> None:
    one, other = map(LocalLine, Pipe())
    one.say({"epoch": 1}, b"12")
    one.say({"over": True})
    one.close()
    assert [other.hear(), other.hear()] == [({"epoch": 1}, b"12"), ({"over": True}, b"")]
    with pytest.raises(OSError):
        other.hear()
    with pytest.raises(OSError):
        other.say({})
    other.close()


@pytest.mark.long
def test_a_second_process_that_cannot_read_the_data_is_told(tmp_path: Path) -> None:
    settings = kevo.Settings(task="images").to_json()
    with (
        pytest.raises(UnfitError, match=r"cannot train along: its worker ended with exit code 1"),
        leading(data=str(tmp_path / "nowhere"), settings=settings, folder=str(tmp_path)),
    ):
        pass
    assert "nowhere" in (tmp_path / "follower.log").read_text()


@pytest.mark.long
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("lockstep_process.py")), str(tmp_path)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
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
def test_a_process_that_is_lost_costs_nothing_but_time(tmp_path: Path) -> None:
    changes = {"strategy": "multiworker", "workers": 1, "max_trials": 1, "num_finalists": 1, "final_epochs": 3}
    diary = Killer()
    result = kevo.search(stripes(120), dataclasses.replace(SETTINGS, **changes), out=tmp_path / "run", listener=diary)
    assert diary.killed
    assert diary.lost == [(0, "the processes that train together have parted: one is gone, or stands still")]
    assert {record.status for record in diary.records} == {"completed"} and result.model_path.is_file()
    assert [command for command in descendants(os.getpid()).values() if ".execution." in command] == []
