"""What follows the last training: the ensemble beside the best model, and what keeps it from being made."""

import dataclasses
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest

import kevo
from kevo.engine import archive
from kevo.engine.ensemble import EnsembleLibrary, NoEnsembleError
from kevo.engine.finalize import Finalizer
from kevo.execution.cluster import Cluster
from kevo.result import SearchResult
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.runs.predictions import read_predictions
from kevo.runs.records import TrialRecord
from kevo.session import Session
from kevo.tasks.images import networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.task import ImageTask
from kevo.tasks.outputs.classes import evaluation
from kevo.tasks.outputs.classes.evaluation import are_probabilities
from kevo.training.mean_network import mean_of
from tests.support.outputs import classes
from tests.support.samples import CONV_GENOME, pretrained_genome
from tests.support.searches import SETTINGS, Diary

# Each knows one class only, whatever the picture: together they are less wrong.
BIASES = ([2.0, 0.0, 0.0], [0.0, 1.9, 0.0], [0.0, 0.0, 1.8])


def softmax(biases: Sequence[float]) -> np.ndarray:
    return np.exp(biases) / np.exp(biases).sum()


def ended(path: Path, dataset: ImageDataset, *, seconds: float = 0.0, **changes: object) -> Session:
    """A search whose candidates are trained and written down, and that has only to finish."""
    run = Run.create(path / "run", {})
    settings = dataclasses.replace(SETTINGS, **{"objective": "loss", **changes})
    one = Session(run, ImageTask(dataset, settings, {}), settings, Diary(), started=time.monotonic() - seconds)
    labels = dataset.validation.labels
    for number, biases in enumerate(BIASES):
        network = networks.conv_network({**CONV_GENOME, "conv/image_size": 8 * (1 + number % 2)}, output=classes(3))
        kernel, _ = network.layers[-1].get_weights()
        network.layers[-1].set_weights([np.zeros_like(kernel), np.array(biases)])
        probabilities = np.tile(softmax(biases), (len(labels), 1))
        loss = evaluation.cross_entropy(probabilities, labels)
        metrics = {"val_cross_entropy": loss, "val_accuracy": 1 / 3}
        record = TrialRecord(
            number=number,
            trial_id=str(number),
            generation=0,
            genome=dict(CONV_GENOME),
            status="completed",
            fitness=loss,
            metrics=metrics,
            history=[metrics],
            stages=["train"],
            num_epochs=1,
            seconds=1.0,
            num_parameters=network.count_params(),
            finished_at=float(number),
        )
        for folder in ("checkpoints", "predictions"):
            (run.path / folder).mkdir(exist_ok=True)
        networks.deployable(network).save(run.path / f"checkpoints/{number}.keras")
        np.save(run.path / f"predictions/{number}.npy", probabilities.astype(np.float16))
        one._archive.records = {**one._archive.records, record.trial_id: record}
    return one


def notes(one: Session) -> list[str]:
    (diary,) = one._trackers._listeners
    assert isinstance(diary, Diary)
    # Each of these models knows one class only, and that is said.
    return [note for note in diary.notes if not note.startswith("Never predicted on the test split: ")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, dataset: ImageDataset) -> tuple[SearchResult, Session]:
    one = ended(tmp_path_factory.mktemp("ended"), dataset)
    return one._finish(interrupted=False), one


def test_an_ensemble_is_offered_beside_the_best(finished: tuple[SearchResult, Session]) -> None:
    result, one = finished
    together = result.ensemble
    assert together is not None
    assert sorted(member.trial_id for member in together.members) == ["0", "1", "2"]
    assert sum(member.weight for member in together.members) == pytest.approx(1.0)
    assert together.validation.cross_entropy < result.validation.cross_entropy
    assert together.num_parameters == sum(record.num_parameters or 0 for record in one._archive.records.values())
    written = SearchResult.from_json(json.loads((result.run_folder / "result.json").read_text()))
    assert written.moved(result.run_folder) == result and written.model_path == Path("best.keras")
    (line,) = notes(one)
    assert line.startswith("Ensemble: ensemble.keras, 3 models as one, ") and "best single" in line


def test_its_scores_are_those_of_the_file(finished: tuple[SearchResult, Session], dataset: ImageDataset) -> None:
    result, _ = finished
    together = result.ensemble
    assert together is not None and result.model_path.name == "best.keras"
    for split in ("validation", "test"):
        pictures, labels = getattr(dataset, split).pictures, getattr(dataset, split).labels
        probabilities = together.model.predict(pictures, verbose=0)
        scores = evaluation.evaluate(probabilities, labels, class_names=dataset.class_names)
        assert getattr(together, split).cross_entropy == pytest.approx(scores.cross_entropy)
        expected = sum(member.weight * softmax(BIASES[int(member.trial_id)]) for member in together.members)
        assert probabilities == pytest.approx(np.tile(expected, (len(labels), 1)), abs=1e-5)


def test_what_the_winner_made_of_the_test_pictures_is_kept(
    finished: tuple[SearchResult, Session], dataset: ImageDataset
) -> None:
    result, _ = finished
    kept = read_predictions(
        result.run_folder / layout.TEST_PREDICTIONS,
        shape=(len(dataset.test), dataset.num_classes),
        are_valid=are_probabilities,
    )
    assert kept == pytest.approx(result.best_model.predict(dataset.test.pictures, verbose=0), abs=1e-3)


def refit(one: Session, dataset: ImageDataset, *, on: str) -> keras.Model:
    """Writes the model of the winner as one that has learned from a split of the pictures."""
    winner = one._archive.winner
    assert winner is not None
    network = networks.conv_network({**CONV_GENOME, "conv/image_size": 16}, output=classes(3))
    model = networks.deployable(network)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    split = getattr(dataset, on)
    model.fit(split.pictures, split.labels, epochs=6, verbose=0)
    model.save(one._folder.path / layout.refit_model(winner.trial_id))
    return model


def test_the_winner_in_an_ensemble_is_the_one_that_is_handed_over(tmp_path: Path, dataset: ImageDataset) -> None:
    one = ended(tmp_path, dataset)
    model, winner = refit(one, dataset, on="validation"), one._archive.winner
    result = one._finish(interrupted=False)
    together = result.ensemble
    assert result.is_refit and together is not None and winner is not None
    weights = {member.trial_id: member.weight for member in together.members}
    share, pictures = weights.pop(winner.trial_id), dataset.test.pictures
    others = sum(weight * softmax(BIASES[int(trial_id)]) for trial_id, weight in weights.items())
    expected = share * model.predict(pictures, verbose=0) + others
    assert together.model.predict(pictures, verbose=0) == pytest.approx(expected, abs=1e-4)
    # What it is chosen by are the answers that its members gave before they had seen the validation split.
    labels = dataset.validation.labels
    before = np.tile(share * softmax(BIASES[int(winner.trial_id)]) + others, (len(labels), 1))
    assert together.validation.cross_entropy == pytest.approx(evaluation.cross_entropy(before, labels), abs=1e-3)
    seen = together.model.predict(dataset.validation.pictures, verbose=0)
    assert evaluation.cross_entropy(seen, labels) < together.validation.cross_entropy - 0.1


@pytest.mark.parametrize("knows", [True, False])
def test_a_refit_is_judged_by_what_it_answered_when_it_was_trained(
    tmp_path: Path, dataset: ImageDataset, knows: bool
) -> None:
    one = ended(tmp_path, dataset)
    refit(one, dataset, on="validation")
    winner, labels = one._archive.winner, dataset.validation.labels
    assert winner is not None
    answers = np.eye(3)[labels if knows else (labels + 1) % 3]
    np.save(one._folder.path / layout.refit_predictions(winner.trial_id), answers.astype(np.float16))
    assert one._finish(interrupted=False).is_refit is knows


@pytest.mark.parametrize(("num", "num_wrong", "counts"), [(1, 0, False), (2, 0, True), (2, 30, False)])
def test_a_refit_that_is_a_mean_may_be_less_sure_than_the_winner(
    tmp_path: Path, dataset: ImageDataset, num: int, num_wrong: int, counts: bool
) -> None:
    one = ended(tmp_path, dataset, objective="accuracy")
    models = [refit(one, dataset, on="validation") for _ in range(num)]
    winner, labels = one._archive.winner, dataset.validation.labels
    assert winner is not None
    if num > 1:
        mean_of(models).save(one._folder.path / layout.refit_model(winner.trial_id))
    np.save(one._folder.path / layout.predictions(winner.trial_id), np.eye(3)[labels].astype(np.float16))
    answers = np.where(np.arange(len(labels)) < num_wrong, (labels + 1) % 3, labels)
    unsure = 0.1 + 0.7 * np.eye(3)[answers]
    np.save(one._folder.path / layout.refit_predictions(winner.trial_id), unsure.astype(np.float16))
    assert one._finish(interrupted=False).is_refit is counts


def test_a_winner_without_refit_is_judged_by_what_it_answered_when_it_was_trained(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    one = ended(tmp_path, dataset)
    winner, labels = one._archive.winner, dataset.validation.labels
    assert winner is not None
    np.save(one._folder.path / layout.predictions(winner.trial_id), np.eye(3)[labels].astype(np.float16))
    result = one._finish(interrupted=False)
    assert (result.validation.accuracy, result.is_refit) == (1.0, False)
    assert result.test.accuracy < 1.0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"max_time": 100.0, "seconds": 100.0}, "the time is up"),
        ({"max_params": 1000}, "together its models would have [0-9,]+ parameters"),
    ],
)
def test_no_ensemble_where_the_limits_forbid_it(
    changes: dict[str, float], reason: str, tmp_path: Path, dataset: ImageDataset
) -> None:
    one = ended(tmp_path, dataset, **changes)
    (one._folder.path / "ensemble.keras").write_text("of an earlier session")
    result = one._finish(interrupted=False)
    assert result.ensemble is None and result.model_path.is_file()
    (line,) = notes(one)
    assert re.fullmatch(f"No ensemble: {reason}\\.", line)
    assert not (one._folder.path / "ensemble.keras").exists()


def test_little_time_makes_a_small_ensemble(tmp_path: Path, dataset: ImageDataset) -> None:
    one = ended(tmp_path, dataset)
    library = EnsembleLibrary(one._folder, one._task, one._settings)
    probabilities = np.load(one._folder.path / f"predictions/{one._archive.completed[0].trial_id}.npy").astype(
        np.float32
    )
    assert [len(library.weighed(one._archive.completed, probabilities, num)) for num in (2, 3)] == [2, 3]
    with pytest.raises(NoEnsembleError, match="the time is up"):
        library.weighed(one._archive.completed, probabilities, 1)
    # Heads on the same features cost nothing more.
    heads = [
        dataclasses.replace(record, genome=pretrained_genome("vgg16", "block4_pool"))
        for record in one._archive.completed
    ]
    assert len(library.weighed(heads, probabilities, 1)) == 3


def test_ctrl_c_while_an_ensemble_is_made_leaves_the_best(
    tmp_path: Path, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ended(tmp_path, dataset)
    monkeypatch.setattr(Finalizer, "_seconds_left", lambda end: os.kill(os.getpid(), signal.SIGINT))
    result = one._finish(interrupted=False)
    assert result.interrupted and result.ensemble is None and result.model_path.is_file()
    assert json.loads((result.run_folder / "result.json").read_text())["interrupted"]
    assert notes(one) == ["No ensemble: interrupted."]


@pytest.mark.parametrize(
    ("changes", "accuracy", "cross_entropy", "is_better"),
    [
        # With 400 pictures a lead of less than 0.015 is none.
        ({"objective": "accuracy"}, 0.89, 0.2, True),
        ({"objective": "accuracy"}, 0.91, 0.4, False),
        ({"objective": "accuracy"}, 0.88, 0.2, False),
        ({"objective": "accuracy"}, 0.92, 0.4, True),
        ({"objective": "accuracy"}, 0.9, 0.3, False),
        ({"objective": "accuracy", "minimize": ("params",)}, 0.89, 0.2, False),
        ({"objective": "accuracy", "minimize": ("params",)}, 0.91, 0.4, True),
        ({"objective": "loss"}, 0.5, 0.299, True),
        ({"objective": "loss"}, 1.0, 0.301, False),
    ],
)
def test_an_ensemble_is_better_by_the_rule_by_which_candidates_win(
    changes: dict[str, object], accuracy: float, cross_entropy: float, is_better: bool, finished: tuple
) -> None:
    _, one = finished
    settings = dataclasses.replace(SETTINGS, **changes)
    library = EnsembleLibrary(one._folder, one._task, settings)
    some = evaluation.evaluate(np.array([[1.0, 0.0]]), np.array([0]), class_names=["a", "b"])
    best = dataclasses.replace(some, num_examples=400, accuracy=0.9, cross_entropy=0.3)
    other = dataclasses.replace(best, accuracy=accuracy, cross_entropy=cross_entropy)
    assert library.beats(other, best) is is_better


@pytest.mark.parametrize("interrupted", [True, False])
def test_what_an_earlier_session_found_stands_without_time_for_more(
    interrupted: bool, finished: tuple[SearchResult, Session], tmp_path: Path, dataset: ImageDataset
) -> None:
    before, _ = finished
    one = ended(tmp_path, dataset, max_time=100.0, seconds=100.0)
    for name in ("result.json", "ensemble.keras"):
        shutil.copyfile(before.run_folder / name, one._folder.path / name)
    result = one._finish(interrupted=interrupted)
    assert result.ensemble is not None and before.ensemble is not None
    assert result.ensemble.members == before.ensemble.members
    assert result.ensemble.model_path == one._folder.path / "ensemble.keras" and result.ensemble.model_path.is_file()
    written = SearchResult.from_json(json.loads((result.run_folder / "result.json").read_text()))
    assert written.moved(result.run_folder) == result and written.model_path == Path("best.keras")


def test_no_ensemble_of_damaged_parts(tmp_path: Path, dataset: ImageDataset) -> None:
    one = ended(tmp_path, dataset)
    # The winner's predictions are made anew from its model.
    for path in (one._folder.path / "predictions").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert one._finish(interrupted=False).ensemble is None
    assert notes(one) == ["No ensemble: it would gain nothing."]


def test_a_model_from_a_cluster_that_is_not_what_was_claimed_is_named_and_passed_over(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    one = ended(tmp_path, dataset)
    best, claimed = one._archive.winner, "0"
    assert best is not None and best.trial_id != claimed
    true = one._archive.records[claimed]
    false = dataclasses.replace(true, fitness=0.01, metrics={**true.metrics, "val_cross_entropy": 0.01})
    one._archive.records = {**one._archive.records, claimed: false}
    # What its worker has sent is no proof: only what the model answers here.
    one._cluster = Cluster("auto")
    assert one._archive.winner is false
    result = one._finish(interrupted=False)
    assert result.trial_id == best.trial_id and result.validation.cross_entropy == pytest.approx(best.fitness, rel=0.02)
    (note,) = (note for note in notes(one) if "passed over" in note)
    assert re.search(
        rf"checkpoints/0\.keras is passed over: its worker claimed val_cross_entropy 0\.0100, but its model reaches "
        rf"{true.fitness:.2f}",
        note,
    )


def test_a_damaged_model_costs_the_ensemble_only(tmp_path: Path, dataset: ImageDataset) -> None:
    one = ended(tmp_path, dataset)
    worst = max(one._archive.records.values(), key=lambda record: record.metrics["val_cross_entropy"])
    (one._folder.path / f"checkpoints/{worst.trial_id}.keras").write_bytes(b"PK")
    result = one._finish(interrupted=False)
    assert result.ensemble is None and result.validation.num_examples == len(dataset.validation)
    (line,) = notes(one)
    assert line.startswith("No ensemble: BadZipFile: ")
    assert not list(one._folder.path.glob("*ensemble*")) and not list(one._folder.path.glob(".partial*"))


def test_only_the_best_few_models_are_kept(tmp_path: Path, dataset: ImageDataset) -> None:
    one = ended(tmp_path, dataset)
    template = one._archive.records["0"]
    records = {}
    for number in range(30):
        metrics = {"val_cross_entropy": 1.0 + number, "val_accuracy": 0.5}
        record = dataclasses.replace(template, trial_id=f"t{number}", fitness=1.0 + number, metrics=metrics)
        records[record.trial_id] = record
    one._archive.records = records
    one._archive.tidy()
    assert one._archive._kept == {f"t{number}" for number in range(archive._LIBRARY)}
    # What no other beats in everything is kept too.
    one = ended(tmp_path / "front", dataset, minimize=("params",))
    for record in records.values():
        record.metrics["params"] = 20.0 - 10 * (record.trial_id == "t20")
    one._archive.records = records
    one._archive.tidy()
    assert one._archive._kept == {"t20"} | {f"t{number}" for number in range(archive._LIBRARY)}
    assert kevo.Settings().num_finalists <= archive._LIBRARY
