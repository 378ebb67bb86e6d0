"""Scores of a classifier."""

import numpy as np
import pytest
from sklearn import metrics

from kevo.evaluation import evaluate


def test_worked_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    scores = evaluate(probabilities, np.array([0, 1, 1, 1]), class_names=["cat", "dog"])
    assert scores.accuracy == 0.75
    assert scores.confusion == [[1, 0], [1, 2]]
    assert scores.precision == {"cat": 0.5, "dog": 1.0}
    assert scores.recall == {"cat": 1.0, "dog": pytest.approx(2 / 3)}
    assert scores.support == {"cat": 1, "dog": 3}
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)
    assert scores.cross_entropy == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.7]).mean())


def test_a_class_that_is_never_predicted_nor_present_counts_as_zero() -> None:
    scores = evaluate(np.array([[0.5, 0.3, 0.2]]), np.array([0]), class_names=["a", "b", "c"])
    assert scores.precision == {"a": 1.0, "b": 0.0, "c": 0.0}
    assert scores.macro_f1 == pytest.approx(1 / 3)


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(5), size=300)
    labels = rng.integers(0, 5, size=300)
    scores = evaluate(probabilities, labels, class_names=list("abcde"))
    assert scores.macro_f1 == pytest.approx(metrics.f1_score(labels, probabilities.argmax(1), average="macro"))
    assert scores.cross_entropy == pytest.approx(metrics.log_loss(labels, probabilities), rel=1e-6)


def test_certainty_in_the_wrong_class_stays_finite() -> None:
    assert np.isfinite(evaluate(np.array([[1.0, 0.0]]), np.array([1]), class_names=["a", "b"]).cross_entropy)
