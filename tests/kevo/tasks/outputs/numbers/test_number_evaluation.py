"""How good predicted numbers are."""

import json
from typing import Any

import numpy as np
import pytest

from kevo.tasks.outputs.numbers.evaluation import evaluate, measure, parse, r2
from kevo.tasks.outputs.numbers.objectives import OBJECTIVES, mae_error, r2_error

TRUE = np.array([1.0, 2.0, 3.0, 6.0])
PREDICTED = np.array([[1.0], [3.0], [3.0], [4.0]], np.float32)


def test_scores_by_hand() -> None:
    found = evaluate(PREDICTED, TRUE)
    assert (found.num_examples, found.mae, found.median_error) == (4, 0.75, 0.5)
    assert found.rmse == pytest.approx((5 / 4) ** 0.5)
    assert found.r2 == pytest.approx(1 - 5 / 14)
    assert found.mean_mae == pytest.approx((1.5 + 0.5 + 0.5 + 3.5) / 4)
    assert found.points == ((1.0, 1.0), (2.0, 3.0), (3.0, 3.0), (6.0, 4.0))
    assert found.value("mse") == pytest.approx(1.25)


def test_intervals_hold_the_score_and_narrow_with_examples() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for num in (50, 5000):
        true = rng.normal(size=num)
        found = evaluate((true + rng.normal(size=num) / 2).reshape(-1, 1), true)
        (low, high), (mae_low, mae_high) = found.r2_interval, found.mae_interval
        assert low < found.r2 < high and mae_low < found.mae < mae_high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3
    # For large samples it is what the formula says.
    assert widths[1] == pytest.approx(2 * 1.96 * r2_error(found.r2, 5000), rel=0.3)
    assert len(found.points) == 500


def test_the_mean_is_chance() -> None:
    true = np.random.default_rng(0).normal(size=100)
    assert evaluate(np.full((100, 1), true.mean()), true).is_chance
    assert not evaluate(true.reshape(-1, 1), true).is_chance


def test_numbers_that_are_all_the_same() -> None:
    assert r2(np.array([1.0, 2.0]), np.array([3.0, 3.0])) == 0.0


def test_every_objective_reads_metrics_that_are_measured() -> None:
    measured = measure(PREDICTED, TRUE)
    assert {name for one in OBJECTIVES.values() for name in one.metrics} <= measured.keys()
    assert measured["val_r2"] == pytest.approx(1 - 5 / 14)


def test_margins() -> None:
    # (pi / 2 - 1) is the variance of a normal error's size, in units of its squared mean.
    sizes = abs(np.random.default_rng(0).normal(size=(2000, 100))).mean(axis=1)
    assert mae_error(float(sizes.mean()), 100) == pytest.approx(float(sizes.std()), rel=0.1)
    assert r2_error(-3.0, 10) == 0.0
    assert OBJECTIVES["rmse"].margin(1.0, num_examples=10) == 0.0


def test_scores_as_json() -> None:
    found = evaluate(PREDICTED, TRUE)
    assert parse(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    "change",
    [{"r2": float("nan")}, {"r2": 2.0}, {"mae": -1.0}, {"num_examples": 0}, {"points": [[1]]}, {"within": None}],
)
def test_what_are_no_scores(change: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        parse({**evaluate(PREDICTED, TRUE).to_json(), **change})


def test_an_answer_without_a_model_is_known() -> None:
    rng = np.random.default_rng(0)
    true = rng.exponential(size=101)
    scores = evaluate((true + rng.normal(size=101))[:, None], true)
    mean, median = (evaluate(np.full((101, 1), middle), true) for middle in (true.mean(), np.median(true)))
    for metric, same in (("r2", mean), ("rmse", mean), ("mse", mean), ("mae", median)):
        assert scores.uninformed(metric) == pytest.approx(same.value(metric), abs=1e-9)
    assert scores.uninformed("params") is None
