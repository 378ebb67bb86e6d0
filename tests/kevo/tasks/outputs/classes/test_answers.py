"""One class of several as what a network learns to answer."""

import numpy as np
import pytest
import tensorflow as tf

from kevo.tasks.outputs.classes.answers import class_answers, measure

LABELS = np.array([0, 2, 1, 2])
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]], np.float32)


def test_targets_are_indices() -> None:
    found = class_answers(LABELS, validation_labels=LABELS[:2], num_classes=3)
    assert found.targets.tolist() == LABELS.tolist() and found.targets.itemsize == 4 and found.weights is None
    assert found.validation_targets.tolist() == [0, 2]


def test_rare_classes_count_more() -> None:
    found = class_answers(LABELS, validation_labels=LABELS, num_classes=3, class_weights={0: 2.0, 1: 1.5, 2: 0.5})
    assert found.weights is not None and found.weights.tolist() == [2.0, 0.5, 1.5, 0.5]


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_smoothed_cross_entropy(smoothing: float) -> None:
    found = class_answers(LABELS, validation_labels=LABELS, num_classes=3, label_smoothing=smoothing)
    expected = -(((1 - smoothing) * np.eye(3)[LABELS] + smoothing / 3) * np.log(PROBABILITIES)).sum(axis=1).mean()
    assert float(found.loss(found.targets, PROBABILITIES)) == pytest.approx(expected, rel=1e-5)


def test_the_score_of_a_step_is_the_accuracy() -> None:
    found = class_answers(LABELS, validation_labels=LABELS, num_classes=3)
    assert found.score is not None and found.score.name == "accuracy"
    right = found.score.of_each(tf.constant(found.targets), tf.constant(PROBABILITIES))
    assert np.asarray(right).tolist() == [True, True, False, True]


def test_what_is_measured_is_what_candidates_are_compared_by() -> None:
    found = measure(PROBABILITIES, LABELS)
    assert found["val_accuracy"] == 0.75
    assert found["val_macro_f1"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert found["val_cross_entropy"] == pytest.approx(-np.log([0.7, 0.8, 0.3, 0.6]).mean(), rel=1e-6)
