"""Who trains where, and that a candidate on two devices learns what it learns on one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kevo.errors import SettingsError
from kevo.execution import devices
from kevo.execution.devices import plan

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("strategy", "num_workers", "num_gpus", "gpus", "is_mirrored"),
    [
        ("auto", None, 0, [()], False),
        ("auto", 3, 0, [(), (), ()], False),
        ("auto", None, 1, [(0,)], False),
        ("auto", 2, 1, [(0,), (0,)], False),
        ("auto", None, 4, [(0,), (1,), (2,), (3,)], False),
        ("auto", 2, 4, [(0, 2), (1, 3)], True),
        ("auto", 3, 4, [(0,), (1,), (2,)], False),
        ("none", None, 2, [(0,), (1,)], False),
        ("none", 1, 4, [(0,)], False),
        ("mirrored", None, 3, [(0, 1, 2)], True),
        ("mirrored", 2, 5, [(0, 2, 4), (1, 3)], True),
    ],
)
def test_devices_are_shared_out(
    strategy: str, num_workers: int | None, num_gpus: int, gpus: list[tuple[int, ...]], is_mirrored: bool
) -> None:
    found = plan(strategy, num_workers=num_workers, num_gpus=num_gpus)
    assert (list(found.gpus), found.is_mirrored, found.num_workers) == (gpus, is_mirrored, len(gpus))


@pytest.mark.parametrize(("num_workers", "num_gpus"), [(None, 0), (None, 1), (2, 3)])
def test_mirroring_needs_several_gpus(num_workers: int | None, num_gpus: int) -> None:
    with pytest.raises(SettingsError, match="at least two GPUs for each worker"):
        plan("mirrored", num_workers=num_workers, num_gpus=num_gpus)


def test_a_worker_sees_its_own_devices_and_its_share_of_the_cores() -> None:
    found = plan("auto", num_workers=None, num_gpus=4)
    environment = found.environment(2, num_cores=16)
    assert environment["CUDA_VISIBLE_DEVICES"] == "2" and environment["TF_NUM_INTRAOP_THREADS"] == "4"
    assert environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert "CUDA_VISIBLE_DEVICES" not in plan("auto", num_workers=8, num_gpus=0).environment(0, num_cores=4)
    assert str(plan("auto", num_workers=2, num_gpus=0)) == "2 workers on the CPU, no strategy"


def test_numbers_count_among_the_gpus_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5ebe9f43")
    found = plan("auto", num_workers=None, num_gpus=2)
    assert [found.environment(worker, num_cores=4)["CUDA_VISIBLE_DEVICES"] for worker in (0, 1)] == [
        "3",
        "GPU-5ebe9f43",
    ]


@pytest.mark.long
def test_two_devices_learn_what_one_learns(tmp_path: Path) -> None:
    # Logical devices must be there before TensorFlow begins.
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("distributed.py")), str(tmp_path / "model.keras")],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    *found, search = json.loads(done.stdout.splitlines()[-1])
    # So does a whole search that was interrupted and taken up.
    assert search == {"name": "search", "devices": "a strategy that was given, MirroredStrategy", "trials": 2}
    for name in ("conv", "tuned"):
        plain, mirrored = [one for one in found if one["name"] == name]
        assert abs(plain["accuracy"] - mirrored["accuracy"]) <= 0.05
        # Dropout and batch norm see other examples together; without them the losses are the same.
        assert mirrored["losses"] == pytest.approx(plain["losses"], rel=1e-3 if name == "conv" else 0.2)
        assert mirrored["loaded"] == mirrored["accuracy"]


@pytest.mark.parametrize(
    ("num_cores", "usable", "expected"),
    [(2, 8 * 10**9, 2), (64, 256 * 10**9, 4), (4, 3 * 10**9, 2), (8, 10**9, 1), (8, None, 4), (1, 8 * 10**9, 1)],
)
def test_small_networks_have_a_core_each(
    num_cores: int, usable: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "num_cores", lambda: num_cores)
    monkeypatch.setattr(devices.memory, "usable", lambda: usable)
    assert devices.side_by_side() == expected
