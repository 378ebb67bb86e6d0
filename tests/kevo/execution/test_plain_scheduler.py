"""The scheduler in plain data: trials and results as JSON values, models as files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from kevo.engine.messages import TrialResult, TrialSpec
from kevo.errors import RunError
from kevo.execution.job import MODEL, OUTPUTS
from kevo.execution.plain_scheduler import PlainScheduler
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.protocols.scores import Outputs
from tests.kevo.engine.test_scheduler import DONE, METRICS, listener, scheduler
from tests.support.searches import SETTINGS


@pytest.fixture
def plain(tmp_path: Path, dataset: ImageDataset) -> PlainScheduler:
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, max_trials=1, num_finalists=1))
    return PlainScheduler(one, shape=(4, 3))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / MODEL).write_text("a model")
    np.save(folder / OUTPUTS, np.full((4, 3), 1 / 3, np.float16))
    return folder


def test_a_trial_goes_out_and_its_result_comes_back_with_its_files(plain: PlainScheduler, files: Path) -> None:
    trial = plain.next("a")
    assert trial is not None and plain.next("b") is None and not plain.is_over
    assert plain.tell("a", "train", 0.5, 1, {}) and plain.model_for("a") is None
    spec = TrialSpec.from_json(json.loads(json.dumps(trial)))
    result = json.loads(json.dumps(DONE.to_json()))
    assert plain.wants("a", result) and not plain.wants("a", DONE.failed("too slow").to_json())
    plain.finish("a", result, files)
    run = files.parent / "run"
    assert (run / f"checkpoints/{spec.trial_id}.keras").read_text() == "a model"
    assert np.load(run / f"predictions/{spec.trial_id}.npy") == pytest.approx(np.full((4, 3), 1 / 3), abs=1e-3)


def test_files_that_are_none_are_passed_over(plain: PlainScheduler, tmp_path: Path) -> None:
    trial = plain.next("a")
    assert trial is not None
    (tmp_path / "empty").mkdir()
    plain.finish("a", DONE.to_json(), tmp_path / "empty")
    (record,) = listener(plain._scheduler).records
    assert record.status == "completed" and not (tmp_path / "run" / "checkpoints").exists()


def test_a_checkpoint_is_gone_on_from(plain: PlainScheduler, files: Path) -> None:
    first = plain.next("a")
    plain.keep("a", files, {"history": [METRICS], "stages": ["train"], "seconds": 5.0})
    plain.lose("a", "killed")
    again = plain.next("b")
    assert first is not None and again is not None and again["trial_id"] == first["trial_id"]
    assert again["seconds_before"] == 5.0 and len(again["history"]) == 1
    model = plain.model_for("b")
    assert model is not None and model.read_text() == "a model"


def test_a_result_that_cannot_be_used_costs_one_try(plain: PlainScheduler) -> None:
    broken = {**DONE.to_json(), "metrics": {"val_accuracy": float("nan")}}
    for worker in ("a", "b"):
        assert plain.next(worker) is not None
        assert not plain.wants(worker, broken)
        plain.finish(worker, broken, None)
    told = listener(plain._scheduler)
    assert [number for number, _ in told.lost] == [0, 0]
    assert all(reason.startswith("its result cannot be used: ValueError: its metrics are") for _, reason in told.lost)
    assert [record.status for record in told.records] == ["failed"]


def test_what_would_be_the_best_is_checked_and_fails_where_it_does_not_hold(
    tmp_path: Path, dataset: ImageDataset, files: Path
) -> None:
    asked: list[tuple[str, Outputs | None]] = []

    def refute(result: TrialResult, model: Path, outputs: Outputs | None) -> str | None:
        asked.append((model.read_text(), outputs))
        return "its worker is wrong"

    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, max_trials=1, num_finalists=1))
    plain = PlainScheduler(one, shape=(4, 3), refute=refute)
    plain.next("a")
    plain.finish("a", DONE.to_json(), files)
    ((model, outputs),) = asked
    assert model == "a model" and outputs == pytest.approx(np.full((4, 3), 1 / 3), abs=1e-3)
    (record,) = listener(one).records
    assert (record.status, record.reason) == ("failed", "its worker is wrong")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_run_folder_that_cannot_be_written_is_no_fault_of_the_trial(plain: PlainScheduler, tmp_path: Path) -> None:
    plain.next("a")
    (tmp_path / "run" / "trials.jsonl").mkdir()
    with pytest.raises(RunError, match="Cannot write"):
        plain.finish("a", DONE.to_json(), None)
    assert listener(plain._scheduler).lost == []
