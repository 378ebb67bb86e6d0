"""The candidates so far: whose models are kept."""

import dataclasses
from pathlib import Path

import pytest
from searches import RUNGS, SETTINGS, record

import kevo
from kevo.engine import archive as archive_module
from kevo.engine.archive import Archive
from kevo.errors import RunError
from kevo.runs import Run
from kevo.runs import TrialRecord as Record


def archive(path: Path, settings: kevo.Settings, *records: Record) -> Archive:
    one = Archive(Run.create(path / "run", {}), settings)
    one.records = {record.trial_id: record for record in records}
    return one


def test_models_that_finalists_go_on_from_are_kept_for_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where none is kept for an ensemble.
    monkeypatch.setattr(archive_module, "_LIBRARY", 0)
    one = archive(tmp_path, dataclasses.replace(RUNGS, num_finalists=2), record("1", 0.8), record("2", 0.7))
    first = record("1-full", 0.9, full_length=True, is_paused=False)
    assert one._needed({**one.records, "1-full": first}) == {"1-full", "1", "2"}
    second = record("2-full", 0.95, full_length=True, is_paused=False)
    assert one._needed({**one.records, "1-full": first, "2-full": second}) == {"1-full", "2-full"}


def test_models_are_removed_as_better_ones_come(tmp_path: Path) -> None:
    one = archive(tmp_path, dataclasses.replace(SETTINGS, num_finalists=1))
    for number in range(30):
        candidate = record(str(number), number / 30, is_paused=False)
        one.add(candidate, save=lambda path: path.write_text("a model"))
    kept = sorted(int(path.stem) for path in (tmp_path / "run/checkpoints").iterdir())
    assert kept == list(range(30 - archive_module._LIBRARY, 30))
    assert kevo.Settings().num_finalists <= archive_module._LIBRARY


def test_damaged_records_are_named(tmp_path: Path) -> None:
    one = archive(tmp_path, SETTINGS)
    one.folder.append_trial(record("1", 0.5))
    one.folder.append_trial(dataclasses.replace(record("2", 0.5), metrics={"val_accuracy": 0.5}))
    with pytest.raises(RunError, match=r"trials.jsonl, trial 2, is damaged"):
        one.read()
