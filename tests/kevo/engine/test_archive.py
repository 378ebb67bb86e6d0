"""The candidates so far: whose models are kept."""

import dataclasses
import functools
import zipfile
from pathlib import Path

import numpy as np
import pytest

import kevo
from kevo.engine import archive as archive_module
from kevo.engine.archive import Archive
from kevo.runs.folder import Run
from kevo.runs.records import FIRST
from kevo.runs.records import TrialRecord as Record
from tests.support.samples import pretrained_genome
from tests.support.searches import RUNGS, SETTINGS, record


def archive(path: Path, settings: kevo.Settings, *records: Record, num_judged: int = 10_000) -> Archive:
    one = Archive(Run.create(path / "run", {}), settings, num_judged=num_judged)
    one.records = {record.trial_id: record for record in records}
    return one


def needed(one: Archive) -> set[str]:
    return one._needed(one._records, one._ranking, one._evolved)


def test_models_that_finalists_go_on_from_are_kept_for_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where none is kept for an ensemble.
    monkeypatch.setattr(archive_module, "_LIBRARY", 0)
    one = archive(tmp_path, dataclasses.replace(RUNGS, num_finalists=2), record("1", 0.8), record("2", 0.7))
    first = record("1-full", 0.9, full_length=True, is_paused=False)
    one.add(first)
    assert needed(one) == {"1-full", "1", "2"}
    one.add(record("2-full", 0.95, full_length=True, is_paused=False))
    assert needed(one) == {"1-full", "2-full"}


@pytest.mark.parametrize(
    ("num_judged", "settings", "winners"),
    [
        (100, {}, ["surer", "sure", "lucky", "worse"]),
        (10_000, {}, ["lucky", "sure", "surer", "worse"]),
        (100, {"minimize": ("params",)}, ["lucky", "sure", "surer", "worse"]),
        (100, {"objective": "loss"}, ["worse", "surer", "sure", "lucky"]),
    ],
)
def test_a_lead_within_its_standard_error_is_none(
    tmp_path: Path, num_judged: int, settings: dict[str, object], winners: list[str]
) -> None:
    one = archive(tmp_path, dataclasses.replace(SETTINGS, **settings), num_judged=num_judged)
    for name, accuracy, loss in [
        ("worse", 0.90, 0.1),
        ("surer", 0.945, 0.2),
        ("sure", 0.95, 0.3),
        ("lucky", 0.96, 0.4),
    ]:
        candidate = record(name, accuracy, is_paused=False)
        metrics = {**candidate.metrics, "val_cross_entropy": loss, "params": 1.0}
        one.add(dataclasses.replace(candidate, metrics=metrics), save=lambda path: path.write_text("a model"))
    assert [candidate.trial_id for candidate in one.saved] == winners
    assert one.finalists == one.saved[: one._settings.num_finalists]
    (tmp_path / f"run/checkpoints/{winners[0]}.keras").unlink()
    assert one.winner is not None and one.winner.trial_id == winners[0] != one.saved[0].trial_id


def test_models_are_removed_as_better_ones_come(tmp_path: Path) -> None:
    one = archive(tmp_path, dataclasses.replace(SETTINGS, num_finalists=1))
    for number in range(30):
        candidate = record(str(number), number / 30, is_paused=False)
        one.add(candidate, save=lambda path: path.write_text("a model"))
    kept = sorted(int(path.stem) for path in (tmp_path / "run/checkpoints").iterdir())
    assert kept == list(range(30 - archive_module._LIBRARY, 30))
    assert kevo.Settings().num_finalists <= archive_module._LIBRARY
    # A search that was killed may leave more of them.
    with zipfile.ZipFile(tmp_path / "run/checkpoints/0.keras", "w") as file:
        file.writestr("model", b"weights")
    again = Archive(one.folder, SETTINGS, num_judged=10_000)
    again.read()
    assert (tmp_path / "run/checkpoints/0.keras").exists()
    again.tidy()
    assert not (tmp_path / "run/checkpoints/0.keras").exists()


def test_what_is_better_or_joins_the_front_is_news(tmp_path: Path) -> None:
    whole = {"is_paused": False}
    failed = dataclasses.replace(
        record("f", 0.0, **whole), status="failed", fitness=None, metrics={}, reason="too slow"
    )
    tried = [record("1", 0.5, **whole), failed, record("2", 0.5, **whole), record("3", 0.6, **whole)]
    one = archive(tmp_path, SETTINGS)
    nums = []
    for candidate in [*tried, record("4", 0.4, **whole), record("3-full", 0.9, full_length=True, continues="3")]:
        one.add(candidate)
        nums.append(one.num_without_news)
    assert nums == [0, 1, 2, 0, 1, 1]
    # Of equal accuracy the surer one is better.
    surer = record("5", 0.6, **whole)
    one.add(dataclasses.replace(surer, metrics={**surer.metrics, "val_cross_entropy": 0.5}))
    assert one.num_without_news == 0


def test_what_no_other_beats_in_everything_is_news_of_a_front(tmp_path: Path) -> None:
    one = archive(tmp_path, dataclasses.replace(SETTINGS, minimize=("params",)))
    nums = []
    for number, (accuracy, params) in enumerate([(0.5, 100), (0.5, 100), (0.4, 50), (0.45, 70), (0.4, 60), (0.6, 40)]):
        candidate = record(str(number), accuracy, is_paused=False)
        metrics = {**candidate.metrics, "params": float(params)}
        one.add(dataclasses.replace(candidate, metrics=metrics))
        nums.append(one.num_without_news)
        # What the front itself says.
        known = list(one.records.values())
        assert (nums[-1] == 0) == (known[-1] in one.front(known))
    assert nums == [0, 1, 0, 0, 1, 0]


def test_the_front_is_trained_once_more_before_others(tmp_path: Path) -> None:
    one = archive(tmp_path, dataclasses.replace(SETTINGS, minimize=("params",), num_finalists=3))
    for name, accuracy, params in [("best", 0.6, 90), ("beaten", 0.5, 95), ("small", 0.4, 40), ("worst", 0.3, 99)]:
        candidate = record(name, accuracy, is_paused=False)
        metrics = {**candidate.metrics, "params": float(params)}
        one.add(dataclasses.replace(candidate, metrics=metrics))
    assert [finalist.trial_id for finalist in one.finalists] == ["best", "small", "beaten"]


def test_what_has_paused_is_compared_with_its_like_and_counts_once(tmp_path: Path) -> None:
    one = archive(tmp_path, RUNGS)
    pretrained = pretrained_genome("mobilenet_v2", "out_relu")
    nums = []
    for candidate in [
        record("1", 0.5),
        record("1b", 0.9, continues="1", is_paused=False),
        record("2", 0.6),
        record("3", 0.55),
        record("4", 0.1, genome=pretrained),
        record("5", 0.2),
        record("3b", 0.8, continues="3", is_paused=False),
        record("2b", 0.95, continues="2", is_paused=False),
    ]:
        one.add(candidate)
        nums.append(one.num_without_news)
    assert nums == [0, 0, 0, 1, 0, 1, 1, 0]


def test_the_model_that_would_win_now_stands_where_the_best_is(tmp_path: Path) -> None:
    one, best = archive(tmp_path, SETTINGS), tmp_path / "run/best.keras"
    one.add(record("0", 0.9, is_paused=False))
    assert not best.exists(), "its model is not here"
    for trial_id, accuracy, expected in [("1", 0.5, "1"), ("2", 0.4, "1"), ("3", 0.6, "3")]:
        one.add(record(trial_id, accuracy, is_paused=False), save=functools.partial(Path.write_text, data=trial_id))
        assert best.read_text() == expected
    # A session that was killed in between left an older one behind.
    best.write_text("0")
    again = Archive(one.folder, SETTINGS, num_judged=10_000)
    again.records = one.records
    again.publish()
    assert best.read_text() == "3"
    # What was handed over with its scores stays until the next session ends.
    (tmp_path / "run/result.json").write_text("{}")
    one.add(record("4", 0.95, is_paused=False), save=functools.partial(Path.write_text, data="4"))
    assert best.read_text() == "3"
    # So it does where these are damaged.
    one.folder.set_aside("result.json", "damaged")
    one.add(record("5", 0.97, is_paused=False), save=functools.partial(Path.write_text, data="5"))
    assert best.read_text() == "3"


def test_the_model_that_a_search_begins_with_wins_only_as_it_is(tmp_path: Path) -> None:
    one = archive(
        tmp_path, dataclasses.replace(SETTINGS, num_finalists=1), record(FIRST, 0.9, origin=FIRST), record("1", 0.5)
    )
    assert [candidate.trial_id for candidate in one.saved + one.finalists] == ["1"]
    assert one.winner is not None and one.winner.trial_id == FIRST and {FIRST, "1"} <= needed(one)


def test_what_is_damaged_is_set_aside_by_name(tmp_path: Path) -> None:
    one = archive(tmp_path, SETTINGS)
    one.folder.append_trial(record("1", 0.5))
    one.folder.append_trial(dataclasses.replace(record("2", 0.5), metrics={"val_accuracy": 0.5}))
    folder = one.folder.path / "checkpoints"
    folder.mkdir()
    for name in ("1.keras", "1-refit.keras", "3.keras"):
        with zipfile.ZipFile(folder / name, "w") as file:
            file.writestr("model", b"weights" * 100)
    content = (folder / "1-refit.keras").read_bytes()
    (folder / "1-refit.keras").write_bytes(content.replace(b"weights", b"WEIGHTS", 1))
    (folder / "3.keras").write_bytes(content[:100])
    problems = one.read()
    assert [trial_id for trial_id in one.records] == ["1"]
    assert [path.name for path in folder.iterdir()] == ["1.keras"]
    assert sorted(path.name for path in (one.folder.path / "damaged/checkpoints").iterdir()) == [
        "1-refit.keras",
        "3.keras",
    ]
    said = ("Line 2 of ", "1-refit.keras is damaged: model in it is not what was written", "3.keras is damaged: ")
    assert all(words in problem for words, problem in zip(said, problems, strict=True))
    assert "set aside as damaged/checkpoints/3.keras" in problems[2]


def test_a_record_that_lacks_a_gene_is_set_aside(tmp_path: Path) -> None:
    one = archive(tmp_path, SETTINGS)
    one.folder.append_trial(record("1", 0.5))
    one.folder.append_trial(record("2", 0.5, genome={"family": "conv"}))
    (problem,) = one.read()
    assert [trial_id for trial_id in one.records] == ["1"] and "Line 2 of " in problem and "is missing" in problem


def test_predictions_that_cannot_be_read_are_set_aside_by_name(tmp_path: Path) -> None:
    one = archive(tmp_path, SETTINGS)
    for name in ("1", "2"):
        one.folder.append_trial(record(name, 0.5))
        with one.folder.replacing(f"predictions/{name}.npy") as path:
            np.save(path, np.full((2, 2), 0.5, np.float16))

    def read_outputs(path: Path) -> np.ndarray | None:
        return None if path.stem == "2" else np.load(path)

    (problem,) = one.read(read_outputs=read_outputs)
    assert f"{one.folder.path / 'predictions/2.npy'} is damaged" in problem
    assert "set aside as damaged/predictions/2.npy" in problem
    assert [path.name for path in (one.folder.path / "predictions").iterdir()] == ["1.npy"]
