"""What all executors keep to, on a cluster of two machines; and what that cluster survives."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

# Before anything that is a test by its name: what is skipped here must hold none.
ray = pytest.importorskip("ray")
from tests.support.ray_nodes import two_nodes  # noqa: E402
from tests.tuners.execution.contract import (  # noqa: E402, F401
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
from tests.tuners.execution.script import Script  # noqa: E402
from tuners.execution import (  # noqa: E402
    foreman,
    ray_cluster,
    ray_pool,
)
from tuners.execution.executor import Cause, Executor  # noqa: E402
from tuners.execution.foreman import BrokenError  # noqa: E402
from tuners.execution.ray_pool import RayPool  # noqa: E402
from tuners.execution.ray_worker import RayMember, Resources  # noqa: E402

STUB = "tests.tuners.execution.stub_job"
ONE_CORE = Resources()
pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with two_nodes() as made, ray_cluster.connected(made.address):
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the pool has its files: it leaves none."""
    (tmp_path / "work").mkdir()
    yield tmp_path / "work"
    assert [path.name for path in (tmp_path / "work").iterdir() if path.is_dir()] == []


def pool(
    folder: Path,
    *,
    arguments: Mapping[str, Any] = {},
    resources: Resources = ONE_CORE,
    num_workers: int | None = 1,
    **options: Any,
) -> RayPool:
    given = {"notes": str(folder), **arguments}
    return RayPool(f"{STUB}:build", given, folder=folder, resources=resources, num_workers=num_workers, **options)


@pytest.fixture
def executor(cluster: Any, folder: Path) -> Executor:
    return pool(folder)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (["once", "SIGKILL"], "its worker was killed or has crashed, perhaps for want of memory"),
        (["raise", "nobody expects it"], "its worker ended with RuntimeError: nobody expects it"),
        (["unfit", "its partner is gone"], "its partner is gone"),
    ],
)
def test_a_worker_that_ends_costs_a_try_of_its_trial(cluster: Any, folder: Path, act: list[str], reason: str) -> None:
    script = run(Script({"acts": [act]}, {}), pool(folder))
    assert script.lost[0] == (0, reason) and script.workers[0] == ["worker-0", "worker-1"] and 1 in script.results


def test_a_hang_costs_one_try(cluster: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreman, "_PATIENCE_SECONDS", 2.0)
    script = run(Script({"acts": [["sleep", 600]]}, {}, num_tries=1), pool(folder))
    assert script.lost == [(0, "it hangs: nothing was heard of it for 2 seconds")] and list(script.results) == [1]


def test_memory_is_watched_during_a_trial_and_between_two(cluster: Any, folder: Path) -> None:
    large = {"acts": [["grow", 300_000_000]]}
    greedy = {"acts": [["grow", 900_000_000], ["sleep", 60]]}
    limited = pool(folder, memory_use=f"{STUB}:memory_use")
    script = run(Script(large, greedy, {}, num_tries=1), limited)
    # The first one is replaced in peace, the second one loses its trial.
    assert script.workers == {0: ["worker-0"], 1: ["worker-1"], 2: ["worker-2"]} and sorted(script.results) == [0, 2]
    assert script.lost == [(1, "out of memory: it took more than a worker's share of its machine")]


def test_every_place_has_a_worker_and_they_share_what_was_sent(
    cluster: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Meeting(Script):
        most = num_waiting = 0

        def tell(self, worker: str, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> bool:
            self.most = max(self.most, len(self.running))
            waiting = [one for one in many._workers.values() if one.placed_at is None]
            self.num_waiting = max(self.num_waiting, len(waiting))
            return super().tell(worker, stage, done, total, metrics)

    # However many are asked for, few wait for a place at a time.
    monkeypatch.setattr(ray_pool, "_MAX_WAITING", 3)
    (tmp_path / "data").mkdir()
    for name in ("first", "second"):
        (tmp_path / "data" / name).write_text(f"the {name} file")
    monkeypatch.chdir(tmp_path)
    # To every other process this path leads elsewhere.
    data = Path("/proc/self/cwd/data")
    trial = {"acts": [["say", 0.1], ["sleep", 0.4]] * 8}
    many = pool(folder, arguments={"data": str(data)}, num_workers=1000, shared=[data])
    script = run(Meeting(*[trial] * 2), many)
    assert isinstance(script, Meeting) and script.most == 2 and script.num_waiting == 3
    assert {result["pid"] for result in script.results.values()}.isdisjoint({os.getpid()})
    for result in script.results.values():
        assert result["data"] == {"first": "the first file", "second": "the second file"}
    (place,) = {result["place"] for result in script.results.values()}
    assert Path(place) != data and not Path(place).exists()


def test_a_trial_is_spread_over_machines(cluster: Any, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "first").write_text("the first file")
    spread = {"num_processes": 2, "member_job": f"{STUB}:train_along", "num_workers": None}
    script = Script({"acts": [["node"], ["lead", {"trial": 0}], ["sleep", 1]]})
    run(script, pool(folder, arguments={"data": str(tmp_path / "data")}, shared=[tmp_path / "data"], **spread))
    told, node = (json.loads((folder / name).read_text()) for name in ("member-1.json", "worker.json"))
    assert told["node"] != node and told["pid"] != script.results[0]["pid"]
    assert told["addresses"] == told["addresses_of_worker"] and len(set(told["addresses"])) == 2
    assert (told["index"], told["trial"], told["payload"]) == (1, 0, "some bytes")
    assert told["data"] == {"first": "the first file"}


def test_a_process_that_trains_along_joins_when_it_is_told_that_all_are_ready(tmp_path: Path) -> None:
    arguments = {"notes": str(tmp_path)}
    member = RayMember(job=f"{STUB}:join", arguments=arguments, shared=(), environment={}, versions=None)
    member.start(["here:1", "there:2"], 1)
    # Who joins may hold Python's lock until the others do: whoever waits for this answer has it by then.
    time.sleep(0.3)
    assert not (tmp_path / "joined").exists()
    member.join()
    until = time.monotonic() + 30
    while not (tmp_path / "joined").exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert (tmp_path / "joined").exists()


def test_a_process_that_trains_along_and_ends_costs_a_try(cluster: Any, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    spread = {"num_processes": 2, "member_job": f"{STUB}:train_along"}
    lead = ["lead", {"fails": "it is lost"}]
    script = Script({"acts": [lead, ["sleep", 2], lead, ["sleep", 1], lead]}, {}, num_tries=1)
    run(script, pool(folder, arguments={"data": str(tmp_path / "data")}, shared=[tmp_path / "data"], **spread))
    assert script.lost == [(0, "the processes have parted")] and script.workers[1] == ["worker-1"]


def test_a_trial_gets_several_gpus_or_a_part_of_one(cluster: Any, folder: Path) -> None:
    machine = cluster.add_node(num_cpus=1, num_gpus=2, object_store_memory=80_000_000)
    try:
        script = run(Script({}), pool(folder, resources=Resources(gpus=2)))
        assert script.results[0]["gpus"] == "0,1"
        trial = {"acts": [["meet", 2]]}
        script = run(Script(trial, trial), pool(folder, resources=Resources(cpus=0.5, gpus=0.5), num_workers=2))
        assert [result["gpus"] for result in script.results.values()] == ["0", "0"]
    finally:
        cluster.remove_node(machine)


def test_files_on_a_disk_that_all_share_are_not_sent(cluster: Any, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "first").write_text("the first file")
    data = tmp_path / "data"
    script = run(Script({}), pool(folder, arguments={"data": str(data)}, shared=[data]))
    assert script.results[0]["place"] == str(data)


def test_a_machine_with_other_versions_is_refused(cluster: Any, folder: Path) -> None:
    with pytest.raises(BrokenError, match="has stub 2 instead of 1. Install the same versions there") as caught:
        run(Script({}), pool(folder, versions=f"{STUB}:versions", environment={"STUB_VERSION": "2"}))
    assert caught.value.cause is Cause.START


def test_workers_that_cannot_be_started_end_the_search(cluster: Any, folder: Path) -> None:
    with pytest.raises(BrokenError) as caught:
        run(Script({}), pool(folder, arguments={"fails": "it cannot be made"}))
    words = "Workers cannot be started. The last one: its worker ended with RuntimeError: it cannot be made"
    assert str(caught.value) == words and caught.value.cause is Cause.START


def test_a_stale_answer_of_a_worker_that_is_replaced_is_not_told(cluster: Any, folder: Path) -> None:
    class Ending(Script):
        def tell(self, worker: str, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> bool:
            if worker == "worker-0":
                time.sleep(0.5)
                ray_executor.end(worker, "it was silent")
            return super().tell(worker, stage, done, total, metrics)

    ray_executor = pool(folder)
    script = run(Ending({"acts": [["say", 0.5]]}), ray_executor)
    assert script.lost == [(0, "it was silent")] and script.workers == {0: ["worker-0", "worker-1"]}
    assert list(script.results) == [0]


def test_a_machine_that_leaves_costs_no_try_and_one_that_joins_gets_a_worker(
    cluster: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_pool, "_WATCH_SECONDS", 0.5)
    (second,) = cluster.worker_nodes
    faults: list[bool] = []

    class Moving(Script):
        def tell(self, worker: str, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> bool:
            if len(self.running) == 2 and second in cluster.worker_nodes:
                cluster.remove_node(second)
            elif faults and not cluster.worker_nodes:
                cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
            # The machine that has joined has a worker of its own.
            return super().tell(worker, stage, done, total, metrics) and not (faults and len(self.running) == 2)

        def lose(self, worker: str, reason: str, *, is_its_fault: bool) -> None:
            faults.append(is_its_fault)
            super().lose(worker, reason, is_its_fault=is_its_fault)

    trial = {"acts": [["say", 0.1], ["sleep", 0.3]] * 400}
    script = run(Moving(trial, trial), pool(folder, num_workers=None))
    ((number, reason),) = script.lost
    assert reason in ("its machine is gone", "its worker cannot be reached") and faults == [False]
    assert len(script.workers[number or 0]) == 2


def test_what_ray_would_print_is_not_waited_for(cluster: Any) -> None:
    def listeners() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "ray_listen_error_messages"]

    until = time.monotonic() + 30
    while listeners() and time.monotonic() < until:
        time.sleep(0.05)
    # It would take a whole core.
    assert listeners() == []


def test_workers_end_with_a_parent_that_is_killed(cluster: Any, tmp_path: Path) -> None:
    script = f"""
        from pathlib import Path
        from tests.tuners.execution.test_ray_pool import Script, pool
        from tuners.execution import ray_cluster
        from tuners.execution.foreman import Foreman
        class Telling(Script):
            def keep(self, worker, folder, values):
                print("It trains.", flush=True)
        trial = {{"acts": [["meet", 1], ["keep", 1], ["sleep", 600]]}}
        with ray_cluster.connected({cluster.address!r}):
            Foreman(Telling(trial), pool(Path({str(tmp_path)!r}))).run()
    """
    code = "\n".join(line[8:] for line in script.splitlines())
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "It trains.\n"
        (met,) = tmp_path.glob("met-*")
        parent.kill()
    worker, until = Path("/proc", met.name.removeprefix("met-")), time.monotonic() + 60
    while worker.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not worker.exists()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "No Ray cluster answers at 127.0.0.1:1: Connection refused. Expected the address that"),
        ("ray://head:10001", "Received the cluster 'ray://head:10001'. Expected auto, or the head's HOST:PORT."),
        ("head", "Received the cluster 'head'"),
    ],
)
def test_an_address_without_a_cluster_is_refused(address: str, words: str) -> None:
    with pytest.raises(ray_cluster.ClusterError, match=words):
        ray_cluster.resolve(address)


def test_a_cluster_that_others_may_reach_needs_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    ray_cluster.ensure_trusted("127.0.0.1:6379")
    with pytest.raises(ray_cluster.ClusterError, match="ray get-auth-token --generate") as caught:
        ray_cluster.ensure_trusted("192.0.2.1:6379")
    assert "RAY_AUTH_MODE=token" in str(caught.value) and "RAY_AUTH_MODE" not in os.environ
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray_cluster.ensure_trusted("192.0.2.1:6379")
