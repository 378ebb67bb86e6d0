"""The loop between a scheduler and an executor, with an executor that follows a script."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.tuners.execution.script import Script
from tuners.execution import foreman
from tuners.execution.executor import (
    Broken,
    Cause,
    Checkpoint,
    Event,
    Finished,
    Progress,
    Receive,
    Saved,
    WorkerLost,
    WorkerReady,
)
from tuners.execution.foreman import BrokenError, Foreman

READY = "a", WorkerReady()
DONE = "a", Finished({})


class Scripted:
    """An executor that tells what it is given, one part at each call, and notes what it is asked for."""

    def __init__(self, *parts: list[tuple[str, Event]]) -> None:
        self._parts = list(parts)
        self.asked: list[tuple[Any, ...]] = []

    def open(self) -> None:
        self.asked.append(("open",))

    def begin(self, worker: str, trial: Mapping[str, Any], earlier: Path | None) -> None:
        self.asked.append(("begin", worker, trial["name"]))

    def events(self, receive: Receive, seconds: float) -> None:
        assert self._parts, f"The search goes on for ever after {self.asked}."
        for worker, event in self._parts.pop(0):
            receive(worker, event)

    def fetch(self, worker: str) -> None:
        self.asked.append(("fetch", worker))

    def withdraw(self, worker: str) -> None:
        self.asked.append(("withdraw", worker))

    def end(self, worker: str, reason: str) -> None:
        self.asked.append(("end", worker))

    def close(self) -> None:
        self.asked.append(("close",))


def trials(num: int) -> list[dict[str, Any]]:
    return [{"name": number} for number in range(num)]


def driven(script: Script, *parts: list[tuple[str, Event]]) -> list[tuple[Any, ...]]:
    executor = Scripted(*parts)
    Foreman(script, executor).run()
    return executor.asked[1:-1]


def test_every_worker_that_is_ready_gets_a_trial() -> None:
    script = Script(*trials(3))
    asked = driven(script, [READY, ("b", WorkerReady())], [DONE, READY], [("b", Finished({})), DONE])
    assert asked == [("begin", "a", 0), ("begin", "b", 1), ("begin", "a", 2)]
    assert script.workers == {0: ["a"], 1: ["b"], 2: ["a"]} and sorted(script.results) == [0, 1, 2]


def test_something_is_done_meanwhile_until_a_worker_is_ready() -> None:
    executor, done = Scripted([], [("a", WorkerLost("it cannot start"))], [("b", WorkerReady())], [("b", DONE[1])]), []
    Foreman(Script(*trials(1)), executor, meanwhile=lambda: done.append(len(executor.asked))).run()
    # Before each look at the workers, and no more when one of them works.
    assert done == [1, 1, 1] and ("begin", "b", 0) in executor.asked


def test_a_worker_for_whom_there_is_no_trial_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreman, "_ASK_SECONDS", 0.0)

    class Hesitant(Script):
        num_asked = 0

        def next(self, worker: str) -> Mapping[str, Any] | None:
            self.num_asked += 1
            return super().next(worker) if self.num_asked == 3 else None

    assert driven(Hesitant(*trials(1)), [READY], [], [], [DONE]) == [("begin", "a", 0)]


def test_a_trial_whose_worker_is_lost_goes_to_another_one() -> None:
    script = Script(*trials(1))
    # Who waits hears at once of what another one has left.
    parts = [READY, ("b", WorkerReady())], [("a", WorkerLost("killed"))], [("b", Finished({}))]
    assert driven(script, *parts) == [("begin", "a", 0), ("begin", "b", 0)]
    assert script.lost == [(0, "killed")]


def test_a_worker_that_is_lost_while_it_waits_gets_nothing() -> None:
    script = Script(*trials(1))
    asked = driven(script, [READY, ("a", WorkerLost("killed"))], [("b", WorkerReady())], [("b", Finished({}))])
    assert asked == [("begin", "b", 0)]


def test_a_worker_that_is_silent_for_too_long_is_ended() -> None:
    silences = (119.0, 0.0), (299.0, 100.0), (121.0, 40.0), (301.0, 100.0)

    class Watched(Script):
        def silence(self, worker: str) -> tuple[float, float]:
            return silences[self.running[worker]]

    lost = [("a", WorkerLost("it hangs"))]
    script = Watched(*trials(4), num_tries=1)
    asked = driven(script, [READY], [DONE, READY], [DONE, READY], lost, [READY], lost)
    assert [call for call in asked if call[0] == "end"] == [("end", "a")] * 2
    assert sorted(script.results) == [0, 1] and script.lost == [(2, "it hangs"), (3, "it hangs")]


def test_files_are_fetched_only_where_they_are_wanted_and_what_is_left_of_them_goes(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("checkpoint", "files")]
    for folder in folders:
        folder.mkdir()
        (folder / "model").write_text(folder.name)
    script = Script(*trials(1))
    kept = "a", Checkpoint(folders[0], {"epochs": 1})
    asked = driven(script, [READY], [kept, ("a", Finished({"wanted": True})), ("a", Saved(folders[1], {"x": 1}))])
    assert asked == [("begin", "a", 0), ("fetch", "a")]
    assert script.kept == [(0, "checkpoint", {"epochs": 1})] and script.files == {0: {"model": "files"}}
    assert script.results == {0: {"x": 1}} and list(tmp_path.iterdir()) == []


def test_a_trial_that_is_to_stop_is_withdrawn() -> None:
    said = "a", Progress("train", 0.5, 1, {"loss": 0.1})
    assert driven(Script(*trials(1), withdrawn=[0]), [READY], [said, DONE]) == [("begin", "a", 0), ("withdraw", "a")]


def test_what_no_worker_can_mend_ends_the_search() -> None:
    script, executor = Script(*trials(1)), Scripted([("a", Broken("no room", Cause.DISK))])
    with pytest.raises(BrokenError, match="no room") as caught:
        Foreman(script, executor).run()
    assert caught.value.cause is Cause.DISK and script.is_stopped and executor.asked == [("open",), ("close",)]


def test_a_search_that_is_over_asks_nobody() -> None:
    executor = Scripted([])
    Foreman(Script(), executor).run()
    assert executor.asked == [("open",), ("close",)]


def test_the_executor_is_closed_whatever_happens() -> None:
    class Broke(Scripted):
        def open(self) -> None:
            raise OSError("no more processes")

    executor = Broke()
    with pytest.raises(OSError, match="no more processes"):
        Foreman(Script(), executor).run()
    assert executor.asked == [("close",)]
