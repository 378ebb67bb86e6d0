"""Searches in which candidates pause and go on, and searches for more than one objective."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pytest

import kevo
from kevo.result import SearchResult
from kevo.runs import trial_reader
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from tests.support.samples import stripes
from tests.support.searches import RUNGS, SETTINGS, Diary, killed


def test_each_rung_trains_three_times_as_long_as_the_one_below() -> None:
    assert kevo.Settings(epochs=20, num_rungs=3).rungs == (3, 7, 20)
    assert kevo.Settings(epochs=1, num_rungs=3).rungs == (1,)
    assert kevo.Settings(epochs=20).rungs == (20,)


def test_the_best_of_a_rung_go_on_from_where_they_paused(climbed: tuple[SearchResult, Diary]) -> None:
    result, diary = climbed
    *records, final = diary.records
    by_id: dict[str | None, TrialRecord] = {record.trial_id: record for record in records}
    begun = [record for record in records if record.continues is None]
    continued = [record for record in records if record.continues is not None]
    assert {record.num_epochs for record in begun} == {1} and all(record.is_paused for record in begun)
    assert 2 <= len(continued) <= len(begun)
    for record in continued:
        source = by_id[record.continues]
        assert record.genome == source.genome and not any("tuner" in gene for gene in record.genome)
        assert record.history[:1] == source.history and len(record.history) == 3
        assert record.metrics["val_accuracy"] == max(epoch["val_accuracy"] for epoch in record.history)
    first = by_id[continued[0].continues]
    assert first.fitness == max(record.fitness or 0 for record in records[: records.index(continued[0])])
    assert final.full_length and final.genome in [record.genome for record in continued]
    # Once the finalists have begun, nobody is trained further: what went on is kept by its last training.
    # The winner's model that knows all pictures lies beside the one that was measured.
    files = {path.stem for path in (result.run_folder / "checkpoints").iterdir()}
    kept = {name for name in files if not name.endswith("-refit")}
    assert len(files - kept) == 1
    assert kept == {record.trial_id for record in diary.records} - {record.continues for record in diary.records}
    assert trial_reader.read_trials(Run.open(result.run_folder)) == diary.records


@pytest.mark.long
def test_a_search_killed_while_a_candidate_goes_on_takes_up_the_same_search(
    climbed: tuple[SearchResult, Diary], tmp_path: Path
) -> None:
    first = next(number for number, record in enumerate(climbed[1].records, start=1) if record.continues)
    run = tmp_path / "run"
    killed(run, "RUNGS", number=first, after=2)
    before = trial_reader.read_trials(Run.open(run))
    assert len(before) == first - 1
    diary = Diary()
    result = kevo.resume(run, stripes(240), listener=diary)
    story = [(record.genome, record.history) for record in [*before, *diary.records]]
    assert trial_reader.read_trials(Run.open(run))[: len(before)] == before
    assert story == [(record.genome, record.history) for record in climbed[1].records]
    assert result.genome == climbed[0].genome


def test_a_frozen_backbone_trains_in_full_at_once_and_is_never_paused(tmp_path: Path) -> None:
    frozen = dataclasses.replace(
        kevo.PRESETS["small"],
        families=("pretrained",),
        pretrained_image_sizes=(32,),
        batch_sizes=(16,),
        augment=(False,),
    )
    settings = dataclasses.replace(RUNGS, space=frozen, weights={"vgg16": "none"}, max_trials=1)
    diary = Diary()
    kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary)
    assert diary.records
    for record in diary.records:
        assert record.full_length or record.stages == ["head"] * 3
        assert record.continues is None and not record.is_paused


@pytest.mark.long
def test_a_finalist_on_a_frozen_backbone_is_fine_tuned_at_last(tmp_path: Path) -> None:
    small = dataclasses.replace(
        kevo.PRESETS["small"],
        families=("pretrained",),
        pretrained_image_sizes=(32,),
        batch_sizes=(16,),
        tunings=("frozen", "fine_tune"),
        fine_tune_blocks=(1,),
        fine_tune_learning_rate=(1e-4, 1e-2),
    )
    # It comes in one width only, so that there is but one network to look at before the search.
    settings = dataclasses.replace(SETTINGS, space=small, weights={"vgg16": "none"}, max_trials=1)
    diary = Diary()
    kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary)
    frozen, final = diary.records
    assert frozen.genome["pretrained/tuning"] == "frozen" and not frozen.full_length and final.full_length
    tuned = {
        "pretrained/tuning": "fine_tune",
        "fine_tune/num_blocks": 1,
        "fine_tune/learning_rate": pytest.approx(1e-3),
    }
    assert final.genome == {**frozen.genome, **tuned}
    assert set(final.stages) == {"head", "fine-tune"}
    # All epochs of fine-tuning, however little they bring, and the mean of the first and the last weights.
    assert final.stages.count("fine-tune") == 3
    # The head begins as it did before.
    assert final.history[0] == frozen.history[0]


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Diary]:
    settings = dataclasses.replace(SETTINGS, minimize=("params", "flops"), max_trials=3, num_finalists=1)
    diary = Diary()
    out = tmp_path_factory.mktemp("traded") / "run"
    return kevo.search(stripes(240), settings, out=out, listener=diary), diary


def test_the_front_is_what_no_other_beats(traded: tuple[SearchResult, Diary]) -> None:
    result, diary = traded

    def worth(metrics: Mapping[str, float]) -> tuple[float, ...]:
        return (metrics["val_accuracy"], -metrics["params"], -metrics["flops"])

    worths = {worth(record.metrics) for record in diary.records}
    beaten = {one for one in worths if any(np.greater_equal(other, one).all() and other != one for other in worths)}
    assert sorted(worth(member.metrics) for member in result.front) == sorted(worths - beaten)
    assert result.front[0].metrics["val_accuracy"] == max(record.metrics["val_accuracy"] for record in diary.records)
    assert result.hypervolume is not None and 0 < result.hypervolume < 1
    assert all(record.metrics["params"] == record.num_parameters for record in diary.records)


def test_every_model_of_the_front_can_be_taken_away(traded: tuple[SearchResult, Diary]) -> None:
    result, _ = traded
    for member in result.front:
        assert keras.models.load_model(member.model_path).count_params() == member.metrics["params"]


def test_the_front_is_written_and_told(traded: tuple[SearchResult, Diary]) -> None:
    result, diary = traded
    written = SearchResult.from_json(json.loads((result.run_folder / "result.json").read_text()))
    assert written.moved(result.run_folder) == result and written.model_path == Path("best.keras")
    assert (result.run_folder / "plots" / "front.png").is_file()
    headline, *lines = diary.notes[-len(result.front) - 1 :]
    assert headline.startswith(f"Front: {len(result.front)} model")
    assert all(
        line.startswith(f"  checkpoints/{member.trial_id}.keras  accuracy")
        for line, member in zip(lines, result.front, strict=True)
    )


def test_a_finished_search_has_the_same_front_again(traded: tuple[SearchResult, Diary]) -> None:
    result, _ = traded
    again = kevo.resume(result.run_folder, stripes(240))
    assert (again.front, again.hypervolume) == (result.front, result.hypervolume)
