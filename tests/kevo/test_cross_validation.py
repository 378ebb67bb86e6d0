"""Searches over folds: every example is judged once, and the model has learned from all of them."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import kevo
from kevo.errors import DataError, SearchFailedError, SettingsError
from kevo.report.files import write
from kevo.result import SearchResult
from kevo.runs import layout
from kevo.runs.predictions import read_predictions
from kevo.runs.reader import read
from kevo.tasks.outputs import reference
from tests.support.samples import stripes
from tests.support.searches import SETTINGS, Diary
from tests.support.tables import write_csv

FOLDED = dataclasses.replace(SETTINGS, folds=2, max_trials=1, epochs=2, final_epochs=3, num_finalists=1)
DATA = stripes(90)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return kevo.search(DATA, FOLDED, out=tmp_path_factory.mktemp("folds") / "run")


def test_all_examples_but_those_of_the_test_split_are_judged(found: SearchResult) -> None:
    assert found.num_folds == 2 and found.is_refit
    assert (found.validation.num_examples, found.test.num_examples) == (78, 12)
    dataset = FOLDED.kind.load(DATA, FOLDED)
    assert dataset.num_folds == 2 and dataset.summary().endswith("(78 train in 2 folds, 12 test*; * from train)")
    winner = next(record for record in read(found.run_folder).records if record.trial_id == found.trial_id)
    outputs = read_predictions(
        found.run_folder / layout.predictions(winner.trial_id), shape=(78, 3), are_valid=lambda values: True
    )
    assert outputs is not None
    accuracy = (outputs.argmax(axis=1) == dataset.validation.labels).mean()
    assert found.validation.accuracy == pytest.approx(accuracy) == winner.metrics["val_accuracy"]
    # Of the model itself, which has learned from them, they are not.
    assert not np.allclose(found.best_model.predict(dataset.train.pictures, verbose=0), outputs, atol=0.01)


def test_the_test_split_is_that_of_a_search_without_folds(found: SearchResult) -> None:
    kind = FOLDED.kind
    folded, divided = (kind.load(DATA, settings) for settings in (FOLDED, dataclasses.replace(FOLDED, folds=None)))
    assert np.array_equal(folded.test.pictures, divided.test.pictures)
    assert folded.num_examples("train") == divided.num_examples("train") + divided.num_examples("validation")
    assert folded.fingerprint() != divided.fingerprint()


def test_result_report_and_card_say_that_scores_are_over_folds(found: SearchResult) -> None:
    low, high = found.validation.interval
    assert f"{low:.4f} to {high:.4f}, over 2 folds of 78 pictures" in found.summary()
    card = (found.run_folder / layout.MODEL_CARD).read_text(encoding="utf-8")
    assert "78 pictures, divided into 2 folds" in card and "over 2 folds" in card and "validation pictures" not in card
    report = write(found.run_folder, data=DATA).read_text(encoding="utf-8")
    assert "each of 78 pictures was judged by a training that had not learned from it" in report
    assert SearchResult.open(found.run_folder).num_folds == 2


@pytest.mark.long
def test_a_search_goes_on_over_the_same_folds(found: SearchResult, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(found.run_folder, run)
    further = kevo.resume(run, DATA, max_trials=1)
    assert further.trials_completed == 2 and further.validation.num_examples == 78
    with pytest.raises(kevo.KevoError, match="have changed since"):
        kevo.resume(run, stripes(90, seed=1), max_trials=1)


def test_a_model_without_its_answers_over_the_folds_is_passed_over(found: SearchResult, tmp_path: Path) -> None:
    run, diary = tmp_path / "run", Diary()
    shutil.copytree(found.run_folder, run)
    for path in (run / layout.PREDICTIONS).glob("*.npy"):
        path.unlink()
    with pytest.raises(SearchFailedError, match="what it answered over the folds is gone|can be used"):
        kevo.resume(run, DATA, listener=diary)
    assert any(note.endswith("what it answered over the folds is gone.") for note in diary.notes)


def test_classes_with_fewer_examples_than_folds_are_named(tmp_path: Path) -> None:
    pictures, labels = stripes(30)
    with pytest.raises(DataError, match=r"The class '0' has 8 different pictures .* 9 folds"):
        kevo.search((pictures, labels), dataclasses.replace(FOLDED, folds=9), out=tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"folds": 1}, "`folds` must be 2 at least"),
        ({"folds": 21}, "`folds` must be 20 at most"),
        ({"num_rungs": 2}, "Over folds every candidate is trained to its end"),
        ({"strategy": "multiworker", "workers": None}, "Over folds a candidate is trained by one process"),
    ],
)
def test_what_cannot_be_said_of_folds(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        dataclasses.replace(FOLDED, **changes)


def test_a_cluster_cannot_be_asked_for_folds() -> None:
    with pytest.raises(SettingsError, match="Received a cluster and folds"):
        kevo.search(DATA, dataclasses.replace(FOLDED, workers=None), cluster="auto")


def test_forecasts_count_all_trainings() -> None:
    folded, divided = (
        FOLDED.kind.open(FOLDED.kind.load(DATA, settings), settings)
        for settings in (FOLDED, dataclasses.replace(FOLDED, folds=None))
    )
    (genome,) = folded.seeds[:1]
    # Four trainings of half of 78 pictures, beside one of 60; a forecast knows of steps too.
    assert 1.5 < folded.work(genome).own / divided.work(genome).own < 4.5


@pytest.mark.long
@pytest.mark.timeout(900)
def test_rows_by_groups_and_an_ensemble(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "things.csv", 120)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(f"{line},{'patient' if not row else row % 30}" for row, line in enumerate(lines)) + "\n")
    settings = kevo.Settings(
        options={"target": "kind", "groups": "patient"}, folds=3, max_trials=2, epochs=6, space="small", workers=1
    )
    diary = Diary()
    result = kevo.search(path, settings, out=tmp_path / "run", listener=diary)
    dataset = settings.kind.load(path, settings)
    assert dataset.num_folds == 3 and result.validation.num_examples == len(dataset.train) > 90
    assert result.validation.accuracy > 0.6
    assert any(note.startswith("HistGradientBoosting has accuracy 0.") for note in diary.notes)
    assert not any("No model card" in note for note in diary.notes)
    # No reference has seen the rows that it is judged by: it would know nearly all.
    trees, _ = reference.read(result.run_folder, settings.kind.parse_scores)
    assert trees.validation.value("accuracy") < 0.95 and trees.validation.num_examples == len(dataset.train)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_killed_between_two_folds_it_goes_on(tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "stripes.npz"
    np.savez(data, x=DATA[0], y=DATA[1])
    script = f"""
import kevo
from tests.kevo.test_cross_validation import FOLDED
kevo.search({str(data)!r}, FOLDED, out={str(run)!r})
"""
    with subprocess.Popen([sys.executable, "-c", script], env={**os.environ}) as process:
        while process.poll() is None and not _is_in_a_fold(run, "fold 2/2"):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    resumed = kevo.resume(run)
    anew = kevo.search(data, FOLDED, out=tmp_path / "anew")
    assert resumed.validation == anew.validation and resumed.genome == anew.genome
    assert resumed.trials_completed == 1


def _is_in_a_fold(run: Path, name: str) -> bool:
    try:
        return name in (run / layout.STATUS).read_text(encoding="utf-8")
    except OSError:
        return False
