"""Trials in the search's own process while its workers start."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import kevo
from kevo.engine.scheduler import Scheduler
from kevo.execution import first_trial
from kevo.execution.first_trial import EarlyTrials
from kevo.execution.runner import TrialRunner
from kevo.runs.records import FIRST
from kevo.system.interrupts import Interrupt
from kevo.tasks.images.datasets import ImageDataset
from tests.kevo.engine.test_scheduler import scheduler
from tests.support.searches import SETTINGS

TIMED = dataclasses.replace(SETTINGS, max_time=1000.0)


def early(one: Scheduler, check: Callable[[], object] = lambda: None) -> EarlyTrials:
    return EarlyTrials(one, lambda: TrialRunner(one._task.trainer()), check=check, left=lambda: one._budget.left)


def trained(path: Path, dataset: ImageDataset, settings: kevo.Settings, *, num_calls: int = 2) -> list[str]:
    one = scheduler(path, dataset, settings)
    train = early(one)
    for _ in range(num_calls):
        train()
    return list(one._archive.records)


def test_there_is_a_model_before_any_worker_is_ready(tmp_path: Path, dataset: ImageDataset) -> None:
    assert trained(tmp_path, dataset, TIMED) == [FIRST]
    assert (tmp_path / "run/best.keras").is_file() and (tmp_path / "run/predictions/first.npy").is_file()
    assert np.load(tmp_path / "run/predictions/first.npy").shape == (len(dataset.validation), 3)


def test_without_a_time_limit_workers_do_all(tmp_path: Path, dataset: ImageDataset) -> None:
    assert trained(tmp_path, dataset, SETTINGS) == []


def test_where_workers_are_late_candidates_are_trained_too(
    tmp_path: Path, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_trial, "_LATE_SECONDS", 0.0)
    monkeypatch.setattr(first_trial, "_LATE_PART", 0.0)
    assert trained(tmp_path / "late", dataset, TIMED, num_calls=3) == [FIRST, "0", "1"]
    # Nobody watches the memory of this process.
    monkeypatch.setattr("kevo.system.memory.usable", lambda: 3 * 1024**3)
    assert trained(tmp_path / "small", dataset, TIMED, num_calls=3) == [FIRST]


def test_it_can_be_interrupted(tmp_path: Path, dataset: ImageDataset) -> None:
    def check() -> None:
        raise Interrupt

    one = scheduler(tmp_path, dataset, TIMED)
    with pytest.raises(Interrupt):
        early(one, check)()
    assert not one._archive.records
