import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.endurance import checks
from benchmarks.endurance.event_log import EventLog
from kevo.runs.folder import Run
from tests.support.searches import record

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="/proc is missing")


def test_what_is_lost_or_done_twice_is_named(tmp_path: Path) -> None:
    run, log = Run.create(tmp_path / "run", {}), EventLog()
    kept, gone = record("0", 0.5), record("1", 0.6, number=1)
    run.append_trial(kept)
    for one in (kept, gone):
        log.trial_started(one.number, "", None, "worker-0")
        log.trial_ended(one, None)
    assert checks.lost(log, run.path) == ["trial 1 completed and is not in the run folder as it was"]
    run.append_trial(gone)
    assert checks.lost(log, run.path) == []
    run.append_trial(gone)
    log.trial_started(0, "", None, "worker-1")
    assert checks.lost(log, run.path) == [
        "trial 0 was trained again after it had completed",
        "trial 1 was written down 2 times",
    ]


def test_searches_are_compared_by_genomes_and_histories() -> None:
    def trained(trial_id: str, filters: int, loss: float) -> object:
        one = record(trial_id, 0.5, number=int(trial_id))
        return dataclasses.replace(one, genome={"filters": filters}, history=[{"loss": loss}])

    first = [trained("0", 8, 1.0), trained("1", 16, 1.0), trained("2", 32, 1.0)]
    assert checks.differences(first, reversed(first)) == []  # type: ignore[arg-type]
    second = [trained("0", 8, 2.0), trained("1", 16, 1.0), trained("2", 64, 1.0)]
    changed = [
        "trial 2 is not in the undisturbed search",
        "trial 2 of the undisturbed search is missing",
    ]
    history = "trial 0 has another history than in the undisturbed search"
    assert checks.differences(first, second) == [history, *changed]  # type: ignore[arg-type]
    assert checks.differences(first, second, broken={"0"}) == changed  # type: ignore[arg-type]


def test_processes_that_are_left_are_named_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_GRACE_SECONDS", 0.2)
    with checks.marked() as mark:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert checks._MARK not in os.environ
    assert checks.orphans(mark) == [f"process {process.pid} was left"]
    process.communicate()
    assert process.returncode < 0 and checks.orphans(mark) == []
