"""The benchmark of endurance: what it draws, compares and promises, and a part of it run for real."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import endurance
import endurance_checks as checks
import endurance_faults as faults
import pytest
from endurance_jobs import Diary, Found, Job

from kevo.runs.folder import Run
from tests.support.searches import record

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="/proc is missing")
JOB = Job(part="faults", seed=0, trials=200, epochs=3, workers=2, kills=20)


def test_one_of_four_trials_meets_a_fault_and_kinds_are_even() -> None:
    plan = faults.draw(JOB)
    assert plan == faults.draw(JOB) != faults.draw(dataclasses.replace(JOB, seed=1))
    assert [number // 4 for number in plan] == list(range(50))
    kinds = [kind for kind, _ in plan.values()]
    assert {kinds.count(kind) for kind in faults.FAULTS} == {50 // len(faults.FAULTS), 50 // len(faults.FAULTS) + 1}
    assert all(0 <= at < JOB.epochs for _, at in plan.values())


def test_what_is_lost_or_done_twice_is_named(tmp_path: Path) -> None:
    run, diary = Run.create(tmp_path / "run", {}), Diary()
    kept, gone = record("0", 0.5), record("1", 0.6, number=1)
    run.append_trial(kept)
    for one in (kept, gone):
        diary.trial_started(one.number, "", None, "worker-0")
        diary.trial_ended(one, None)
    assert checks.lost(diary, run.path) == ["trial 1 completed and is not in the run folder as it was"]
    run.append_trial(gone)
    assert checks.lost(diary, run.path) == []
    run.append_trial(gone)
    diary.trial_started(0, "", None, "worker-1")
    assert checks.lost(diary, run.path) == [
        "trial 0 was trained again after it had completed",
        "trial 1 was written down 2 times",
    ]


def test_only_faults_that_must_fail_a_trial_explain_a_failure() -> None:
    diary = Diary()
    completed = record("0", 0.5)
    failed = dataclasses.replace(completed, status="failed", fitness=None, reason="why")
    for one in (completed, *(dataclasses.replace(failed, number=number) for number in (1, 2, 3))):
        diary.trial_started(one.number, "", None, "worker-0")
        diary.trial_ended(one, None)
    plan = {0: ("raise", 0.0), 1: ("kill", 0.0), 2: ("nan", 0.0)}
    assert faults.unexplained(diary, plan, 5) == [
        "4 trials ended, expected 5",
        "trial 0 (raise) completed: no reason",
        "trial 1 (kill) failed: why",
        "trial 3 (no fault) failed: why",
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
    monkeypatch.setattr(checks, "_MOMENT", 0.2)
    with checks.marked() as mark:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert checks._MARK not in os.environ
    assert checks.orphans(mark) == [f"process {process.pid} was left"]
    process.communicate()
    assert process.returncode < 0 and checks.orphans(mark) == []


def test_parts_that_cannot_run_say_so() -> None:
    found = [Found("full", 0, "12 trials", "2 cores", {"skipped": "only root may mount"})]
    report = endurance.tell(found)
    assert "Seed 0 was not run: only root may mount." in report
    assert "Checked" not in report


def test_a_promise_that_was_broken_is_shown_as_that() -> None:
    facts = {"kills": 20, "trials": 24, "same": 23, "trials_at_kills": [1, 23]}
    whole, broken = Found("kills", 0, "", "", facts), Found("kills", 1, "", "", facts, ["trial 3 is missing"])
    promise = "| the same trials complete, and the final model exists |"
    assert f"{promise} no exceptions | yes |" in endurance.tell([whole])
    report = endurance.tell([whole, broken])
    assert f"{promise} 1 exception | **no** |" in report and "- Seed 1: trial 3 is missing." in report
    assert "| killed at 20 instants | 20 | yes |" in report


def test_promises_are_measured_by_hand() -> None:
    ours = {
        "memory": [100.0 + 0.1 * number for number in range(40)],
        "seconds": [1.0] * 20 + [1.05] * 20,
        "checkpoints": [0.5, 1.2],
        "peak": 150.0,
        "worker_peak": 700.0,
        "worker_limit": 600.0,
        "worker_slope": 0.5,
        "num_workers": 2,
        "folder_mb": 2.0,
        "checkpoints_mb": 0.9,
        "model_mb": 0.1,
    }
    theirs = {"memory": [10.0 * number for number in range(40)], "seconds": [2.0] * 40, "peak": 500.0}
    found = Found("memory", 0, "200 trials, epochs: 3, workers: 2", "", {"kevo": ours, "Keras Tuner": theirs})
    report = endurance.tell([found])
    assert "| kevo | 1 | 0.100 | 0.100 | 150 | 700 | 1.00 | 1.05 |" in report
    assert "| Keras Tuner | 1 | 10.000 | 10.000 | 500 |  | 2.00 | 2.00 |" in report
    assert "| 0.100 MB (Keras Tuner: 10.0) | yes |" in report and "| 700 of 600 MB | **no** |" in report
    assert "| 1.05 times as long (Keras Tuner: 1.00) | yes |" in report
    assert "| 9.0, and 12.0 on the way | **no** |" in report
    brief = endurance.brief([found, dataclasses.replace(found, setting="4 trials")])
    assert brief.split("\n\n")[0] in report and brief.count("0.100 MB") == 1


def test_faults_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    report, results = tmp_path / "docs" / "endurance.md", tmp_path / "results.jsonl"
    readme = tmp_path / "README.md"
    readme.write_text("Before.\n<!-- endurance -->\nold\n<!-- end of endurance -->\nAfter.\n")
    monkeypatch.setattr(endurance, "REPORT", report)
    monkeypatch.setattr(endurance, "README", readme)
    quick = dataclasses.replace(JOB, seed=1, trials=4, epochs=1, workers=1, is_quick=True)
    ((kind, _),) = faults.draw(quick).values()
    assert kind == "crash"
    arguments = ["--quick", "--seeds", "1", "--parts", "faults", "--workers", "1", "--results", str(results), "--write"]
    assert endurance.main(arguments) == 0
    (one,) = endurance.read(results)
    assert (one.setting, one.problems) == (quick.setting, []) and quick.setting.endswith("a quick look")
    # The final training is one more.
    assert (one.facts["completed"], one.facts["failed"], one.facts["collateral"]) == (5, 0, 0)
    assert capsys.readouterr().out == report.read_text() + "\n"
    assert "| crash | 1 | 1 | 1 | 0 | its worker was ended by SIGSEGV |" in report.read_text()
    assert "Checked: every completed trial was kept" in report.read_text()
    assert "no process and no lock is left | no exceptions | yes |" in report.read_text()
    # A quick look means nothing.
    assert readme.read_text().startswith("Before.\n<!-- endurance -->\n| promised |")
    assert "exceptions" not in readme.read_text() and readme.read_text().endswith("<!-- end of endurance -->\nAfter.\n")
