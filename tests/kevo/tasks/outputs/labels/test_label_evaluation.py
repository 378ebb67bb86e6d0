"""How good several labels at once are."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from kevo.tasks.outputs.labels.evaluation import average_precisions, evaluate, measure, parse
from kevo.tasks.outputs.labels.objectives import OBJECTIVES

PROBABILITIES = np.array([[0.9, 0.2, 0.6], [0.8, 0.7, 0.1], [0.3, 0.6, 0.4], [0.2, 0.1, 0.4]], np.float32)
LABELS = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], np.float32)
NAMES = ["red", "round", "rare"]


def test_scores_by_hand() -> None:
    found = evaluate(PROBABILITIES, LABELS, names=NAMES)
    assert found.by_label == {"red": pytest.approx((1 + 2 / 3) / 2), "round": 1.0, "rare": 0.0}
    # Nobody has the rare label: nothing can be said of it.
    assert found.average_precision == pytest.approx((5 / 6 + 1) / 2)
    assert found.prevalence == 0.5
    assert found.support == {"red": 2, "round": 2, "rare": 0}
    assert (found.precision["red"], found.recall["red"]) == (0.5, 0.5)
    assert found.macro_f1 == pytest.approx((0.5 + 1 + 0) / 3)
    assert found.micro_f1 == pytest.approx(2 * 3 / (5 + 4))
    assert found.by_threshold[4] == (0.5, found.micro_f1, found.macro_f1)


@pytest.mark.parametrize("digits", [1, 5])
def test_average_precision_is_that_of_scikit_learn(digits: int) -> None:
    rng = np.random.default_rng(0)
    probabilities, labels = rng.random((60, 4)).round(digits), rng.integers(2, size=(60, 4))
    expected = metrics.average_precision_score(labels, probabilities, average=None)
    assert average_precisions(probabilities, labels) == pytest.approx(expected)


def test_a_guess_is_chance() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((200, 3)) < 0.3).astype(np.float32)
    assert evaluate(rng.random((200, 3)), labels, names=NAMES).is_chance
    found = evaluate(np.clip(labels + 0.4 * rng.random((200, 3)), 0, 1), labels, names=NAMES)
    assert not found.is_chance
    assert found.interval[0] <= found.average_precision <= found.interval[1]


def test_an_answer_without_a_model_is_known_by_its_average_precision() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((400, 2)) < 0.3).astype(float)
    scores = evaluate(labels, labels, names=["a", "b"])
    assert scores.uninformed("average_precision") == scores.prevalence and scores.uninformed("macro_f1") is None


def test_every_objective_reads_metrics_that_are_measured() -> None:
    measured = measure(PROBABILITIES, LABELS)
    assert {name for one in OBJECTIVES.values() for name in one.metrics} == measured.keys()
    assert measured["val_binary_cross_entropy"] == pytest.approx(
        metrics.log_loss(LABELS.ravel(), PROBABILITIES.ravel())
    )


def test_scores_as_json() -> None:
    found = evaluate(PROBABILITIES, LABELS, names=NAMES)
    assert parse(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    "change",
    [{"support": {}}, {"average_precision": 2}, {"num_examples": 1}, {"interval": [0.1]}, {"by_label": {}}],
)
def test_what_are_no_scores(change: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        parse({**evaluate(PROBABILITIES, LABELS, names=NAMES).to_json(), **change})
