"""Training on texts, over folds too."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import kevo
from kevo.tasks.texts import dataset as datasets
from kevo.tasks.texts import references
from kevo.tasks.texts.dataset import TextDataset
from kevo.tasks.texts.loading import load
from kevo.tasks.texts.predictor import TextPredictor
from kevo.tasks.texts.trainer import for_dataset
from kevo.training.effort import Effort
from tests.support.texts import GENOME, reviews, write_csv

SETTINGS = kevo.Settings(task="texts", folds=3, max_trials=1, epochs=3, num_finalists=1, space="small", workers=0)


@pytest.fixture(scope="module")
def dataset() -> TextDataset:
    texts, kinds, _ = reviews()
    return load((texts, kinds), num_folds=3)


def test_each_text_is_judged_once(dataset: TextDataset) -> None:
    texts, kinds, _ = reviews()
    divided = load((texts, kinds))
    assert dataset.num_folds == 3
    assert dataset.train is dataset.validation
    assert sorted(dataset.train.texts) == sorted([*divided.train.texts, *divided.validation.texts])
    assert dataset.test.texts == divided.test.texts
    assert dataset.folds is not None
    assert np.bincount(dataset.folds).tolist() == [68, 68, 68]
    assert dataset.summary().endswith("(204 train in 3 folds, 36 test*; * from train)")
    assert dataset.fingerprint() != divided.fingerprint()


def test_texts_that_are_alike_and_those_of_a_group_are_in_one_fold() -> None:
    texts = [f"{word} {number}" for number in range(20) for word in ("good", "bad")]
    alike = load(([*texts, *(f"{text}!" for text in texts)], ["a", "b"] * 40), num_folds=2)
    assert alike.folds is not None
    fold_of: dict[str, set[int]] = {}
    for text, fold in zip(alike.train.texts, alike.folds.tolist(), strict=True):
        fold_of.setdefault(text.rstrip("!"), set()).add(fold)
    assert all(len(found) == 1 for found in fold_of.values())


def test_workers_read_the_same_folds(dataset: TextDataset, tmp_path: Path) -> None:
    dataset.write(tmp_path / "work")
    np.testing.assert_array_equal(datasets.read(tmp_path / "work").folds, dataset.folds)


def test_a_candidate_is_judged_by_what_its_trainings_have_not_seen(dataset: TextDataset) -> None:
    trained = for_dataset(dataset, SETTINGS).train(GENOME, Effort(num_epochs=4))
    assert trained.outputs is not None
    assert trained.outputs.shape == (204, 2)
    assert trained.metrics["val_accuracy"] > 0.7
    # What has been learned by heart would be right nearly everywhere.
    learned = np.mean(trained.outputs.argmax(axis=1) == dataset.train.labels)
    assert learned == pytest.approx(trained.metrics["val_accuracy"])


def test_references_are_judged_over_folds(dataset: TextDataset) -> None:
    (found,) = references.fit(dataset, seed=0)
    assert found.validation.num_examples == 204
    whole = dataclasses.replace(dataset, folds=None)
    (seen,) = references.fit(whole, seed=0)
    assert found.validation.value("accuracy") < seen.validation.value("accuracy")


def test_a_search_over_folds_knows_its_own_texts(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "reviews.csv")
    found = kevo.search(path, SETTINGS, out=tmp_path / "run")
    assert found.num_folds == 3
    scored = TextPredictor.open(found.run_folder).evaluate(path)
    assert scored.to_json()["accuracy"] == pytest.approx(found.test.accuracy)
