"""Boosted trees and linear models on the same splits."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from kevo.tasks.tables.loading import load
from kevo.tasks.tables.references import fit, linear, trees
from tests.support.tables import small_dataset


def test_numbers_alone_give_the_scores_of_scikit_learn() -> None:
    dataset = load(load_breast_cancer(return_X_y=True))
    with threadpool_limits(1):
        model = HistGradientBoostingClassifier(random_state=0).fit(dataset.train.numbers, dataset.train.labels)
    found = trees(dataset, seed=0)
    assert found.validation.accuracy == model.score(dataset.validation.numbers, dataset.validation.labels)
    assert found.test.accuracy == model.score(dataset.test.numbers, dataset.test.labels)
    assert found.seconds > 0


def test_categories_and_gaps_are_learned_from(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path, 600)
    found = fit(dataset, seed=0)
    majority = np.bincount(dataset.validation.labels).max() / len(dataset.validation)
    assert [one.name for one in found] == ["HistGradientBoosting", "Logistic regression"]
    assert min(one.validation.accuracy for one in found) > majority + 0.1
    assert trees(dataset, seed=0).validation == found[0].validation


def test_codes_and_texts_that_training_lacks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = np.array([[rng.normal(), ["a", "b", None][row % 3], row % 4] for row in range(80)], object)
    other = np.array([[0.0, "c", 9], [None, "a", None]], object)
    y = rng.integers(2, size=80)
    dataset = load({"train": (x, y), "validation": (other, [0, 1]), "test": (other, [0, 1])})
    assert [column.kind for column in dataset.columns] == ["number", "category", "code"]
    assert [one.test.num_examples for one in fit(dataset, seed=0)] == [2, 2]


def test_numbers_are_predicted_by_trees_and_by_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    dataset = load((x, 10 + 3 * x[:, 0] + rng.normal(size=300) / 10), asks="regression")
    found = linear(dataset, seed=0)
    assert found.name == "Ridge regression"
    assert found.test.r2 > 0.99 > trees(dataset, seed=0).test.r2 > 0.7
