"""A training of any length has a curve of at most two hundred points, and nothing that is told of it is lost."""

import dataclasses
import json
import math

import pytest

from kevo.runs.training_curve import MOST_POINTS, Point, TrainingCurve


def test_each_report_is_a_point() -> None:
    curve = TrainingCurve()
    curve.add("download", 0.5, {})
    curve.add("head", 0.5, {"loss": 2.0, "accuracy": 0.25})
    curve.add("head", 1.0, {"loss": 1.0, "accuracy": 0.5})
    # Its validation follows at the same moment.
    curve.add("head", 1.0, {"loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.75})
    # The epochs of stages follow each other.
    curve.add("tune", 0.5, {"loss": 0.5, "accuracy": math.nan})
    assert curve.points == [
        Point("head", 0.5, {"loss": 2.0, "accuracy": 0.25}),
        Point("head", 1.0, {"loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.75}),
        Point("tune", 1.5, {"loss": 0.5}),
    ]
    # A stage that begins anew stands behind what was before.
    curve.add("tune", 0.25, {"loss": 0.75})
    assert curve.points[-1] == Point("tune", 1.75, {"loss": 0.75})


@pytest.mark.parametrize("num", [200, 201, 1000, 12_345])
def test_a_long_training_has_few_points_which_stand_evenly(num: int) -> None:
    curve = TrainingCurve()
    for number in range(1, num + 1):
        curve.add("train", number / 8, {"loss": 1 / number})
        if number % 8 == 0:
            curve.add("train", number / 8, {"loss": 1 / number, "val_accuracy": number / num})
    assert MOST_POINTS / 2 <= len(curve.points) <= MOST_POINTS
    # It ends where the training is, and every validation is in one of them as long as there are as few.
    last = curve.points[-1]
    assert (last.epochs, last.metrics["loss"]) == (pytest.approx(num / 8, 1e-4), pytest.approx(1 / num, 1e-4))
    steps = [later.epochs - one.epochs for one, later in zip(curve.points, curve.points[1:], strict=False)]
    assert max(steps[:-1]) - min(steps[:-1]) < 0.01 and steps[-1] <= steps[0] + 0.01
    told = [one for one in curve.points if "val_accuracy" in one.metrics]
    assert len(told) >= min(num // 8, len(curve.points) - 1)
    assert told[-1].metrics["val_accuracy"] == pytest.approx(num // 8 * 8 / num, 1e-4)


def test_it_is_bounded_whatever_is_told() -> None:
    curve = TrainingCurve()
    for number in range(1000):
        curve.add("train", number / 3, {f"metric {name}": 1 / 3 for name in range(100)})
    text = json.dumps(list(map(dataclasses.asdict, curve.points)))
    assert len(text) < 100_000
    assert [Point.from_json(one) for one in json.loads(text)] == curve.points
