"""ROC curves as a figure."""

import numpy as np
import pytest
from sklearn.metrics import auc

from kevo.report.plots import task_figure
from kevo.tasks.outputs.classes import ranks
from kevo.tasks.outputs.classes.roc_curves import roc_curves

RNG = np.random.default_rng(0)


def test_two_classes_have_one_curve() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    found = roc_curves(probabilities, np.array([0, 0, 1, 1]), ["well", "ill"], examples="pictures")
    assert found is not None and found.title == "ROC curve"
    ((name, points),) = found.curves
    # Three of four pairs of a well and an ill picture are in order.
    assert name == "ill, AUC 0.750"
    assert points == ((0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0))


def test_each_of_several_classes_has_one_against_all_others() -> None:
    labels = np.arange(90) % 3
    probabilities = RNG.dirichlet([1, 1, 1], 90) + 0.6 * np.eye(3)[labels] * np.array([2, 1, 0])
    names = ["a", "b", "$c$"]
    found = roc_curves(probabilities / probabilities.sum(axis=1, keepdims=True), labels, names, examples="rows")
    assert found is not None
    areas = ranks.roc_aucs(probabilities / probabilities.sum(axis=1, keepdims=True), labels)
    # The worst first.
    assert [name[0] for name, _ in found.curves] == ["$", "b", "a"]
    for (_, points), area in zip(found.curves, sorted(areas), strict=True):
        x, y = zip(*points, strict=True)
        assert auc(x, y) == pytest.approx(area, abs=0.01)
    (axes,) = task_figure(found).axes
    assert [text.get_text().split(",")[0] for text in axes.get_legend().get_texts()] == ["$c$", "b", "a"]
    assert len(axes.lines) == 4


def test_of_many_classes_the_worst_ten_are_drawn() -> None:
    labels = np.arange(60) % 12
    found = roc_curves(RNG.dirichlet(np.ones(12), 60), labels, [str(label) for label in range(12)], examples="rows")
    assert found is not None and len(found.curves) == 10 and found.caption.endswith("smallest areas.")


def test_examples_of_one_class_have_none() -> None:
    assert roc_curves(np.array([[0.5, 0.5]]), np.array([0]), ["a", "b"], examples="rows") is None
