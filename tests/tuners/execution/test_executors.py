"""Executors of this machine: what all keep to, and what the pool of worker processes survives."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pytest

from tests.tuners.execution import stub_job
from tests.tuners.execution.contract import (  # noqa: F401
    run,
    test_a_check_ends_the_search_in_the_middle_of_a_trial,
    test_a_full_disk_ends_the_search,
    test_a_withdrawn_trial_has_no_result_and_the_next_one_runs,
    test_an_error_of_the_scheduler_is_no_failure_of_the_trial,
    test_files_that_a_trial_cannot_write_are_its_own_failure,
    test_memory_that_the_system_does_not_give_ends_the_search,
    test_progress_and_checkpoints_are_told,
    test_trials_run_one_after_the_other_and_only_wanted_files_are_fetched,
)
from tests.tuners.execution.script import Script
from tuners.execution import foreman
from tuners.execution import local_pool as local_pool_module
from tuners.execution.executor import Cause, Event, Executor, Finished, WorkerLost, WorkerReady
from tuners.execution.foreman import BrokenError
from tuners.execution.in_process import InProcess
from tuners.execution.local_pool import LocalPool

JOB = "tests.tuners.execution.stub_job:build"
ROOT = Path(__file__).parents[3]


def in_process(folder: Path) -> InProcess:
    return InProcess(stub_job.build(folder=str(folder)), folder)


def local_pool(folder: Path, *, num_workers: int = 1, arguments: Mapping[str, Any] = {}, **options: Any) -> LocalPool:
    environments = [{"STUB_PLACE": str(place)} for place in range(num_workers)]
    return LocalPool(JOB, {"folder": str(folder), **arguments}, folder=folder, environments=environments, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where executors have their files: they leave none."""
    (tmp_path / "work").mkdir()
    yield tmp_path / "work"
    left = [path.name for path in (tmp_path / "work").iterdir() if path.is_dir()]
    assert left == []


@pytest.fixture(params=[in_process, local_pool], ids=lambda make: make.__name__)
def executor(request: pytest.FixtureRequest, folder: Path) -> Executor:
    made: Executor = request.param(folder)
    return made


# From here on: worker processes.


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (["once", "SIGKILL"], "its worker was ended by SIGKILL, perhaps for want of memory"),
        (["once", "SIGSEGV"], "its worker was ended by SIGSEGV"),
    ],
)
def test_a_crash_costs_one_try(folder: Path, act: list[str], reason: str) -> None:
    script = run(Script({"acts": [act]}, {}), local_pool(folder))
    assert script.lost == [(0, reason)] and sorted(script.results) == [0, 1]
    assert script.workers == {0: ["worker-0", "worker-1"], 1: ["worker-1"]}


def test_a_trial_that_ends_every_worker_fails_alone(folder: Path) -> None:
    acts = [["exit", 3]], [["raise", "nobody expects it"]], [["unfit", "its partner is gone"]]
    script = run(Script(*({"acts": act} for act in acts), {}), local_pool(folder))
    ended = ["its worker ended with exit code 3", "its worker ended with exit code 1", "its partner is gone"]
    assert script.lost == [(number, ended[number]) for number in (0, 0, 1, 1, 2, 2)] and list(script.results) == [3]


def test_a_hang_costs_one_try(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreman, "_PATIENCE_SECONDS", 1.0)
    # A process that is stopped cannot be asked to end.
    script = run(Script({"acts": [["once", "SIGSTOP"]]}, {}), local_pool(folder))
    assert script.lost == [(0, "it hangs: nothing was heard of it for 1 seconds")] and sorted(script.results) == [0, 1]


def held(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc is missing: memory cannot be measured")
def test_a_trial_that_takes_too_much_memory_costs_one_try(folder: Path) -> None:
    greedy = {"acts": [["grow", 300_000_000], ["sleep", 60]]}
    script = run(Script(greedy, {}, num_tries=1), local_pool(folder, max_bytes=300_000_000, memory_of=held))
    ((number, reason),) = script.lost
    assert number == 0 and reason.startswith("out of memory: it took 0.") and list(script.results) == [1]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc is missing: memory cannot be measured")
def test_a_worker_that_has_grown_is_replaced_between_two_trials(folder: Path) -> None:
    grown, small = {"acts": [["grow", 300_000_000]], "result": {"wanted": True}}, {}
    script = run(Script(small, grown, small), local_pool(folder, recycled_bytes=300_000_000, memory_of=held))
    assert script.workers == {0: ["worker-0"], 1: ["worker-0"], 2: ["worker-1"]} and script.lost == []
    assert script.files == {1: {"model": "a model"}}


def test_workers_run_at_the_same_time_each_with_its_own_environment(folder: Path) -> None:
    class Meeting(Script):
        most = 0

        def tell(self, worker: str, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> bool:
            self.most = max(self.most, len(self.running))
            return super().tell(worker, stage, done, total, metrics)

    trial = {"acts": [["say", 0.1], ["sleep", 0.3]] * 4}
    script = run(Meeting(*[trial] * 3), local_pool(folder, num_workers=2))
    assert isinstance(script, Meeting) and script.most == 2
    assert {result["place"] for result in script.results.values()} == {"0", "1"}
    # A Ctrl-C at the terminal does not reach them.
    assert all(result["session"] == result["pid"] for result in script.results.values())


def test_what_is_not_finite_is_not_told(folder: Path) -> None:
    script = run(Script({"acts": [["say", 0.5]]}), local_pool(folder))
    assert script.told == {0: [("train", 0.5, 1, {"loss": 0.5})]}


def test_workers_that_cannot_be_started_end_the_search(folder: Path) -> None:
    script = Script({})
    with pytest.raises(BrokenError) as caught:
        run(script, local_pool(folder, arguments={"fails": "it cannot be made"}))
    reason = "Workers cannot be started. The last one: its worker ended with exit code 1. "
    assert str(caught.value) == f"{reason}RuntimeError: it cannot be made"
    assert caught.value.cause is Cause.START and [number for number, _ in script.lost] == [None, None]


def test_workers_that_hang_before_they_are_ready_end_the_search(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_pool_module, "_START_SECONDS", 0.5)
    with pytest.raises(BrokenError, match="it hangs: it was not ready after 0 seconds") as caught:
        run(Script({}), local_pool(folder, arguments={"fails": "hang"}))
    assert caught.value.cause is Cause.START


def test_a_job_that_cannot_write_ends_the_search(folder: Path) -> None:
    with pytest.raises(BrokenError, match="no room in") as caught:
        run(Script({}), local_pool(folder, arguments={"fails": "disk"}))
    assert caught.value.cause is Cause.DISK


def test_a_job_that_does_not_suit_is_made_with_other_arguments(folder: Path) -> None:
    reasons: list[str] = []

    def unfit(reason: str) -> Mapping[str, Any]:
        reasons.append(reason)
        return {"folder": str(folder)}

    script = run(Script({}), local_pool(folder, arguments={"fails": "unfit"}, unfit=unfit))
    assert reasons == ["it has no partner"] and list(script.results) == [0]
    assert script.lost == [(None, "it has no partner")]


def test_a_stale_answer_of_a_worker_that_is_replaced_is_not_told(folder: Path) -> None:
    pool = local_pool(folder)
    told: list[tuple[str, Event]] = []

    def until(kind: type[Event]) -> None:
        num, end = len(told), time.monotonic() + 60
        while not any(isinstance(event, kind) for _, event in told[num:]):
            assert time.monotonic() < end, told
            pool.events(lambda *event: told.append(event), 0.1)

    pool.open()
    try:
        until(WorkerReady)
        pool.begin("worker-0", {}, None)
        # Its result is there, and nobody has read it.
        assert wait([pool._workers["worker-0"].channel.fileno()], 60)
        pool.end("worker-0", "it was silent")
        pool.events(lambda *event: told.append(event), 0.0)
        assert told == [("worker-0", WorkerReady()), ("worker-0", WorkerLost("it was silent"))]
        until(WorkerReady)
        pool.begin("worker-1", {}, None)
        until(Finished)
    finally:
        pool.close()
    assert {name for name, _ in told[2:]} == {"worker-1"}


def test_workers_of_a_pool_that_closes_end_at_their_next_word(folder: Path) -> None:
    pool = local_pool(folder)
    pool.open()
    told: list[Event] = []
    while not told:
        pool.events(lambda worker, event: told.append(event), 0.1)
    pool.begin("worker-0", {"acts": [["say", 0.1], ["sleep", 0.3]] * 1000}, None)
    pid = pool._workers["worker-0"].process.pid
    pool.close()
    assert (folder / f"closed-{pid}").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only there a stopped process ends with its parent")
@pytest.mark.parametrize("is_stopped", [False, True])
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path, is_stopped: bool) -> None:
    script = f"""
        from pathlib import Path
        from tests.tuners.execution.test_executors import Script, local_pool
        from tuners.execution.foreman import Foreman
        folder = Path({str(tmp_path)!r})
        trial = {{"acts": [["keep", 1], ["sleep", 600]]}}
        class Telling(Script):
            def keep(self, worker, folder, values):
                print(pool._workers[worker].process.pid, flush=True)
        pool = local_pool(folder)
        Foreman(Telling(trial), pool).run()
    """
    code = "\n".join(line[8:] for line in script.splitlines())
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if is_stopped:
            os.kill(pid, signal.SIGSTOP)
        parent.kill()
    until = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


def test_events_survive_their_way_through_json() -> None:
    from tuners.execution import executor

    events = [
        WorkerReady(),
        executor.Progress("train", 0.5, 3, {"loss": 0.25}),
        executor.Checkpoint(Path("there"), {"epochs": 3}),
        Finished({"reason": None}),
        executor.Saved(Path("there"), {"seconds": 1.0}),
        WorkerLost("why", is_its_fault=False),
        executor.Broken("why", Cause.DISK),
    ]
    assert {type(event) for event in events} == set(Event.__args__) and all(map(dataclasses.is_dataclass, events))
    for event in events:
        assert executor.from_message(json.loads(json.dumps(executor.to_message(event)))) == event
