"""Dice and intersection over union, by hand."""

import json

import numpy as np
import pytest

from kevo.errors import SettingsError
from kevo.tasks.outputs.masks import evaluation
from kevo.tasks.outputs.masks.evaluation import classes_of, evaluate, measure, parse
from kevo.tasks.outputs.masks.objectives import OBJECTIVES

TRUE = np.array([[[1, 1], [0, 0]], [[0, 0], [0, 0]], [[1, 0], [0, 0]]], np.uint8)[..., np.newaxis]
SEEN = np.array([[[0.9, 0.2], [0.8, 0.1]], [[0.1, 0.1], [0.2, 0.3]], [[0.9, 0.9], [0.1, 0.1]]])[..., np.newaxis]


def test_scores_by_hand() -> None:
    scores = evaluate(SEEN, TRUE, names=["disk"])
    assert scores.by_picture == pytest.approx([0.5, 1.0, 2 / 3])
    assert scores.dice == pytest.approx((0.5 + 1 + 2 / 3) / 3)
    assert scores.iou == pytest.approx((1 / 3 + 1 + 1 / 2) / 3)
    assert scores.pooled_dice == pytest.approx(4 / 7)
    assert scores.pixel_accuracy == pytest.approx(9 / 12)
    assert scores.foreground == pytest.approx(3 / 12) == scores.shares["disk"]
    # One of three pictures has nothing to be found.
    assert scores.background_dice == pytest.approx(1 / 3) == scores.uninformed("dice")
    assert scores.by_class["disk"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert scores.interval[0] < scores.dice < scores.interval[1]
    assert scores.is_chance == (scores.interval[0] <= 1 / 3)


def test_several_classes_count_the_same() -> None:
    true = np.array([[[1, 2], [2, 0]]], np.uint8)[..., np.newaxis]
    outputs = np.eye(3)[np.array([[[1, 2], [0, 0]]])]
    scores = evaluate(outputs, true, names=["a", "b"])
    assert scores.by_class == {"a": 1.0, "b": pytest.approx(2 / 3)}
    assert scores.dice == pytest.approx((1 + 2 / 3) / 2)
    assert classes_of(outputs).tolist() == [[[[1], [2]], [[0], [0]]]]
    assert measure(outputs, true)["val_dice"] == scores.dice


def test_the_loss_tells_equal_masks_apart() -> None:
    surer = np.where(TRUE > 0, 0.99, 0.01)
    less_sure = np.where(TRUE > 0, 0.6, 0.4)
    found = [measure(one, TRUE) for one in (surer, less_sure)]
    assert found[0]["val_dice"] == found[1]["val_dice"] == 1.0
    assert found[0]["val_mask_loss"] < found[1]["val_mask_loss"]
    # By hand, of the middle picture: -log(0.6), and one minus 1 / (4 * 0.4 + 1).
    assert evaluation.mask_loss(less_sure[1:2], TRUE[1:2]) == pytest.approx(-np.log(0.6) + 1 - 1 / 2.6)


def test_scores_are_read_again_and_checked() -> None:
    scores = evaluate(SEEN, TRUE, names=["disk"])
    values = json.loads(json.dumps(scores.to_json()))
    assert parse(values) == scores
    for name, value in (("dice", 1.5), ("by_picture", [0.5]), ("by_class", {}), ("iou", float("nan"))):
        with pytest.raises((ValueError, LookupError)):
            parse({**values, name: value})


def test_objectives() -> None:
    assert list(OBJECTIVES) == ["dice", "iou", "loss"]
    assert OBJECTIVES["dice"].margin(0.8, num_examples=16) == pytest.approx(0.0316, abs=1e-4)
    measure_of = OBJECTIVES["f1_macro"].measure
    assert measure_of is not None
    with pytest.raises(SettingsError, match="one of the objectives dice, iou and loss"):
        measure_of(SEEN, TRUE)
