"""The curves of a training show what the search improves, the score of training, and the loss."""

from kevo.runs.training_curve import Point
from kevo.service.pages import charts, trainings
from tests.support.searches import record


def test_a_metric_stands_beside_itself_on_the_other_split() -> None:
    points = [
        Point("train", 0.5, {"loss": 2.0, "accuracy": 0.25}),
        Point("train", 1.0, {"loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.75, "val_cross_entropy": 3.0}),
        Point("train", 2.0, {"loss": 0.5, "accuracy": 0.625}),
    ]
    accuracy, loss = trainings.panels(points, "val_accuracy")
    assert (accuracy.metric, accuracy.low, accuracy.high, accuracy.epochs) == ("accuracy", 0.25, 0.75, 2.0)
    learned, validated = accuracy.lines
    assert not learned.is_validation and validated.is_validation and (learned.last, validated.last) == (0.625, 0.75)
    left, right = charts.LEFT, charts.WIDTH - charts.RIGHT
    bottom, top = charts.HEIGHT - charts.BOTTOM, charts.TOP
    x = [round(left + (right - left) * epochs / 2) for epochs in (0.5, 1.0, 2.0)]
    y = [round(bottom - (bottom - top) * share) for share in (0.0, 0.5, 0.75)]
    assert learned.line == " ".join(f"{a},{b}" for a, b in zip(x, y, strict=True)) and learned.end == (x[2], y[2])
    assert validated.line == f"{x[1]},{top}"
    assert loss.metric == "loss" and [line.is_validation for line in loss.lines] == [False]
    # Whatever else is improved has its own, and the score of training stays.
    names = [one.metric for one in trainings.panels(points, "val_cross_entropy")]
    assert names == ["cross_entropy", "accuracy", "loss"]


def test_a_number_is_followed_by_its_loss() -> None:
    points = [Point("train", epochs, {"loss": 1 / epochs}) for epochs in (5.0, 6.0)]
    (loss,) = trainings.panels(points, "val_r2")
    assert loss.metric == "loss" and loss.lines[0].line.startswith(f"{charts.LEFT},")
    assert trainings.panels([], "val_r2") == []
    # A single point, or values that are all the same, are no reason to divide by nothing.
    assert trainings.panels(points[:1])[0].low == 0.2


def test_a_training_that_has_ended_has_a_point_for_each_epoch() -> None:
    points = trainings.of_record(record("0", 0.5))
    assert [one.epochs for one in points] == [float(number + 1) for number in range(len(points))] and points
