"""Searches side by side have GPUs of their own."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from kevo.cli import serve
from kevo.service import devices, launching
from kevo.system.memory import Limit
from tests.support.serve_process import Process, search_process, wait

GB = 10**9


def put_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """The driver's own program, as this machine may have none."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(autouse=True)
def sees_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_gpus_are_those_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_nvidia_smi(tmp_path, monkeypatch, 'echo "GPU-a"; echo " GPU-b "')
    assert devices.find_gpus() == ("GPU-a", "GPU-b")
    put_nvidia_smi(tmp_path, monkeypatch, 'echo "NVIDIA-SMI has failed"; exit 9')
    assert devices.find_gpus() == ()
    put_nvidia_smi(tmp_path, monkeypatch, 'echo "No devices were found"')
    assert devices.find_gpus() == ()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert devices.find_gpus() == ()


@pytest.mark.parametrize(
    ("named", "gpus"),
    [("", ()), ("-1", ()), ("3, GPU-x", ("3", "GPU-x")), ("0,-1,2", ("0",))],
)
def test_gpus_are_those_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, named: str, gpus: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert devices.find_gpus() == gpus


@pytest.mark.parametrize(
    ("gpus", "num_bytes", "num"),
    [
        ((), 64 * GB, 1),
        (("a",), 64 * GB, 1),
        (("a", "b", "c"), 64 * GB, 3),
        (("a", "b", "c"), 10 * GB, 2),
        (("a",), GB, 1),
    ],
)
def test_as_many_searches_as_gpus_as_far_as_memory_is_there(
    monkeypatch: pytest.MonkeyPatch, gpus: tuple[str, ...], num_bytes: int, num: int
) -> None:
    monkeypatch.setattr("kevo.system.memory.limit", lambda: Limit(num_bytes))
    assert devices.num_searches(gpus) == num


@pytest.mark.parametrize(
    ("slot", "num", "num_bytes", "workers"),
    [("a", 4, 64 * GB, None), ("a,b,c,d", 1, 64 * GB, None), ("a,b,c,d", 2, 64 * GB, None), ("a,b,c,d", 4, 64 * GB, 2),
     ("a,b", 2, 14 * GB, 1), ("a", 4, GB, 1)],
)  # fmt: skip
def test_workers_of_all_searches_fit_memory_and_cores(
    monkeypatch: pytest.MonkeyPatch, slot: str, num: int, num_bytes: int, workers: int | None
) -> None:
    monkeypatch.setattr("kevo.system.memory.limit", lambda: Limit(num_bytes))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    assert devices.num_workers(slot, num) == workers


@pytest.mark.parametrize(
    ("num_cores", "num_bytes", "most"), [(8, 64 * GB, 8), (8, 20 * GB, 4), (2, 64 * GB, 2), (2, GB, 1)]
)
def test_without_gpus_cores_and_memory_hold_so_many_searches(
    monkeypatch: pytest.MonkeyPatch, num_cores: int, num_bytes: int, most: int
) -> None:
    monkeypatch.setattr("kevo.system.memory.limit", lambda: Limit(num_bytes))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(num_cores)))
    assert devices.most_searches() == most and devices.too_many(most) is None
    words = devices.too_many(most + 1)
    assert words is not None and f"--parallel {most + 1}. Expected {most} at most" in words
    monkeypatch.setattr("kevo.system.memory.limit", lambda: None)
    assert devices.most_searches() == num_cores


def test_more_searches_than_the_machine_holds_are_cut_down_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kevo.system.memory.limit", lambda: Limit(64 * GB))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert serve._where(None, 2) == {"gpus": (), "parallel": 2} and capsys.readouterr().err == ""
    assert serve._where(None, 64) == {"gpus": (), "parallel": 2}
    assert "--parallel 64. Expected 2 at most" in capsys.readouterr().err
    # With GPUs they share them, and their workers are fitted.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a")
    assert serve._where(None, 64)["parallel"] == 64 and capsys.readouterr().err == ""


def process_of(folder: Path, search: str) -> tuple[dict[str, str], list[str]]:
    """The environment and the arguments of the process of a search."""
    process = search_process(folder / "root" / "jobs" / search / "lock")
    lines = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    arguments = Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line), arguments


def is_alive(folder: Path, search: str) -> bool:
    return launching.is_alive(folder / "root" / "jobs" / search / "lock")


@pytest.mark.long
def test_each_search_gets_its_own_gpu_also_after_another_server_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[..., Process]
) -> None:
    put_nvidia_smi(tmp_path, monkeypatch, 'echo "GPU-a"; echo "GPU-b"')
    server = start("--parallel", "2")
    first, second, third = (server.post("/searches", {"data": "digits"}).json()["id"] for _ in range(3))
    wait(lambda: is_alive(tmp_path, first) and is_alive(tmp_path, second))
    found = [process_of(tmp_path, search) for search in (first, second)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one, _ in found] == ["GPU-a", "GPU-b"]
    assert all("search" in arguments for _, arguments in found) and not is_alive(tmp_path, third)
    assert "GPUs that they share: 2." in server.client.get("/machine").text
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    server = start("--parallel", "2")
    assert server.post(f"/searches/{first}/stop", {"now": True}).status_code == 202
    wait(lambda: is_alive(tmp_path, third))
    assert process_of(tmp_path, third)[0]["CUDA_VISIBLE_DEVICES"] == "GPU-a" and is_alive(tmp_path, second)


@pytest.mark.long
def test_without_gpus_a_search_sees_what_the_server_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[..., Process]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    server = start()
    search = server.post("/searches", {"data": "digits"}).json()["id"]
    wait(lambda: is_alive(tmp_path, search))
    environment, arguments = process_of(tmp_path, search)
    assert environment["CUDA_VISIBLE_DEVICES"] == "-1" and "--workers" not in arguments
    assert server.get("/machine")["parallel"] == 1
