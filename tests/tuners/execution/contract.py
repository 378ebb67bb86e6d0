"""What every executor keeps to. Each module of executors has a fixture `executor`, and imports these tests."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.tuners.execution.script import Script
from tuners.execution.executor import Cause, Executor
from tuners.execution.foreman import BrokenError, Foreman


def run(script: Script, executor: Executor, check: Callable[[], object] = lambda: None) -> Script:
    Foreman(script, executor, check=check).run()
    return script


def test_trials_run_one_after_the_other_and_only_wanted_files_are_fetched(
    executor: Executor, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "earlier").write_text("an earlier model")
    wanted, unwanted = {"result": {"wanted": True}}, {"result": {"wanted": False, "reason": "it failed"}}
    script = run(Script(wanted, unwanted, wanted, earlier=tmp_path / "earlier"), executor)
    assert list(script.results) == [0, 1, 2] and script.files == {0: {"model": "a model"}, 2: {"model": "a model"}}
    assert script.results[1]["reason"] == "it failed"
    assert {result["earlier"] for result in script.results.values()} == {"an earlier model"}
    # One process has run them all, and has ended in peace.
    (pid,) = {result["pid"] for result in script.results.values()}
    assert (folder / f"closed-{pid}").exists() and script.lost == []
    executor.close()


def test_progress_and_checkpoints_are_told(executor: Executor) -> None:
    acts = [["say", 0.25], ["sleep", 0.25], ["say", 0.5], ["keep", 3], ["sleep", 0.25], ["say", 1.0]]
    script = run(Script({"acts": acts}), executor)
    assert [(stage, done, total, metrics["loss"]) for stage, done, total, metrics in script.told[0]] == [
        ("train", done, 1, done) for done in (0.25, 0.5, 1.0)
    ]
    assert script.kept == [(0, "half a model", {"epochs": 3})] and list(script.results) == [0]


def test_a_withdrawn_trial_has_no_result_and_the_next_one_runs(executor: Executor) -> None:
    endless = {"acts": [["say", 0.1], ["sleep", 0.3]] * 100}
    script = run(Script(endless, {}, withdrawn=[0]), executor)
    assert list(script.results) == [1] and len(script.told[0]) <= 3 and script.lost == []


def test_files_that_a_trial_cannot_write_are_its_own_failure(executor: Executor) -> None:
    script = run(Script({"saves": "fails", "result": {"wanted": True}}), executor)
    assert script.results[0]["reason"] == "it cannot be saved" and script.files[0] == {}


@pytest.mark.parametrize(
    ("trial", "words"),
    [({"saves": "disk", "result": {"wanted": True}}, "no room for a model"), ({"acts": [["disk"]]}, "no room")],
)
def test_a_full_disk_ends_the_search(executor: Executor, trial: Mapping[str, Any], words: str) -> None:
    script = Script(trial)
    with pytest.raises(BrokenError, match=words) as caught:
        run(script, executor)
    assert caught.value.cause is Cause.DISK and script.is_stopped and script.results == {}


def test_memory_that_the_system_does_not_give_ends_the_search(executor: Executor) -> None:
    script = Script({"acts": [["memory"]]})
    with pytest.raises(BrokenError, match="no memory: 'a module'") as caught:
        run(script, executor)
    assert caught.value.cause is Cause.MEMORY and script.is_stopped and script.results == {}


def test_an_error_of_the_scheduler_is_no_failure_of_the_trial(executor: Executor) -> None:
    class Wrong(Script):
        def tell(self, worker: str, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> bool:
            raise LookupError("it is lost")

    script = Wrong({"acts": [["say", 0.5]]})
    with pytest.raises(LookupError, match="it is lost"):
        run(script, executor)
    assert script.is_stopped and script.results == {}


def test_a_check_ends_the_search_in_the_middle_of_a_trial(executor: Executor) -> None:
    script = Script({"acts": [["say", 0.1], ["sleep", 0.3]] * 100})

    def check() -> None:
        if script.told:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(script, executor, check)
    assert script.is_stopped and script.results == {} and len(script.told[0]) == 1
