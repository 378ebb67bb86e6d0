"""Forecasts as what is asked: scores, objectives, predictions."""

import json
from typing import Any

import numpy as np
import pytest

from kevo.errors import DataError, ModelError
from kevo.tasks.outputs import parsing
from kevo.tasks.outputs.forecasts.evaluation import evaluate, measure, num_independent, parse
from kevo.tasks.outputs.forecasts.figures import lines
from kevo.tasks.outputs.forecasts.objectives import OBJECTIVES
from kevo.tasks.outputs.forecasts.output import Forecasts
from kevo.tasks.outputs.located import Located

OUTPUT = Forecasts("sales", 2, 4, 2.0)
TRUE = np.array([[1.0, 2.0], [2.0, 4.0], [4.0, 3.0]], np.float32)
FORECAST = np.array([[1.0, 3.0], [2.0, 4.0], [4.0, 0.0]], np.float32)


def test_scores_by_hand() -> None:
    found = evaluate(FORECAST, TRUE, scale=2.0)
    assert (found.num_examples, found.by_step) == (3, (0.0, 4 / 3))
    assert found.mae == pytest.approx(4 / 6) and found.mase == pytest.approx(1 / 3)
    assert found.rmse == pytest.approx((10 / 6) ** 0.5)
    assert found.r2 == pytest.approx(1 - 10 / 6 / TRUE.var())
    # Windows that overlap are not drawn: the last one, and that two steps before.
    assert found.points == ((1.0, 1.0), (2.0, 3.0), (4.0, 4.0), (3.0, 0.0))
    assert found.value("mse") == pytest.approx(10 / 6)
    assert found.uninformed("mae") == pytest.approx(abs(TRUE - np.median(TRUE)).mean())
    assert found.uninformed("mase") == pytest.approx(abs(TRUE - np.median(TRUE)).mean() / 2)
    assert found.uninformed("r2") == 0.0


def test_intervals_know_that_neighbors_are_alike() -> None:
    rng = np.random.default_rng(0)
    errors = np.zeros(400)
    for step in range(1, 400):
        errors[step] = 0.95 * errors[step - 1] + rng.normal()
    # Each window of twelve steps shares eleven with the next.
    windows = np.lib.stride_tricks.sliding_window_view(errors, 12)
    together = evaluate(windows, np.zeros_like(windows), scale=1.0)
    shuffled = evaluate(rng.permutation(windows), np.zeros_like(windows), scale=1.0)
    low, high = together.mae_interval
    assert low < together.mae < high
    assert high - low > 1.5 * (shuffled.mae_interval[1] - shuffled.mae_interval[0])
    assert together.mase_interval == together.mae_interval


def test_windows_that_overlap_count_once() -> None:
    # Three windows of two steps in a row: the first and the third share nothing.
    found = evaluate(FORECAST, TRUE, scale=2.0)
    assert (found.num_examples, found.num_judged) == (3, 2)
    # 32 windows of 12 months are three years, whose mean absolute errors are three numbers: mae sqrt((pi / 2 - 1) / 3).
    assert OBJECTIVES["mase"].margin(0.5, num_examples=num_independent(32, 12)) == pytest.approx(0.21810, abs=1e-5)
    assert num_independent(30, 1) == 30


def test_one_window_and_values_that_are_all_the_same() -> None:
    found = evaluate(np.array([[3.0]]), np.array([[3.0]]), scale=1.0)
    assert (found.mae, found.r2, found.is_chance) == (0.0, 0.0, True)
    assert found.uninformed("mae") is None


def test_every_objective_reads_metrics_that_are_measured() -> None:
    found = measure(FORECAST, TRUE, scale=2.0)
    assert {name for one in OBJECTIVES.values() for name in one.metrics} <= found.keys()
    assert found["val_mase"] == pytest.approx(1 / 3)
    assert next(iter(OBJECTIVES)) == "mase" and OBJECTIVES["mase"].direction == "min"
    scorer = OBJECTIVES["neg_mean_absolute_error"]
    assert scorer.measure is not None and scorer.measure(FORECAST, TRUE) == pytest.approx(-4 / 6)


def test_scores_survive_json() -> None:
    found = evaluate(FORECAST, TRUE, scale=2.0)
    values = json.loads(json.dumps(found.to_json()))
    assert parse(values) == found
    wrong: list[dict[str, Any]] = [{"mae": -1}, {"r2": 2}, {"num_examples": 0}, {"mase": "nan"}, {"by_step": []}]
    for one in wrong:
        with pytest.raises(ValueError, match="scores of forecasts|expected a number"):
            parse({**values, **one})


def test_the_scale_is_the_error_of_the_season_before() -> None:
    output = Forecasts.of("sales", np.array([1.0, 5.0, 2.0, 7.0]), horizon=1, season=2)
    assert (output.scale, output.names, output.summary()) == (1.5, ("sales +1",), "the next value of sales")
    assert Forecasts.of("sales", np.tile([1.0, 3.0], 5), horizon=1, season=2).scale == 2.0
    with pytest.raises(DataError, match="'sales' is always 3. Expected a series that changes"):
        Forecasts.of("sales", np.full(9, 3.0), horizon=1, season=2)


def test_predictions_have_times() -> None:
    found = OUTPUT.timed(np.array([1.5, 2.0]), ["1961-01", "1961-02"], Located(path="past.csv"))
    assert [one.line() for one in found] == ["1961-01  1.5  past.csv", "1961-02  2  past.csv"]
    assert found[0].to_json() == {"path": "past.csv", "time": "1961-01", "value": 1.5}
    assert [one.time for one in OUTPUT.predictions(FORECAST[:1], [Located(row=1)])] == ["+1", "+2"]


def test_outputs_are_checked() -> None:
    OUTPUT.check(FORECAST, "m")
    with pytest.raises(ModelError, match="The outputs of m are no forecasts"):
        OUTPUT.check(FORECAST * np.nan, "m")
    assert OUTPUT.main_score(FORECAST, TRUE) == pytest.approx(-1 / 3)
    assert OUTPUT.loss(FORECAST, TRUE) == pytest.approx(10 / 6)


def test_json() -> None:
    values = json.loads(json.dumps(OUTPUT.to_json()))
    assert parsing.output(values) == OUTPUT
    for wrong in ({"horizon": 0}, {"season": 1.5}, {"scale": 0}, {"name": 3}):
        with pytest.raises(ValueError, match="its forecast has no"):
            parsing.output({"forecast": {**values["forecast"], **wrong}})


def test_the_figure_shows_both() -> None:
    drawing = lines(evaluate(FORECAST, TRUE, scale=2.0))
    assert drawing.lines == (("true", (1.0, 2.0, 4.0, 3.0)), ("forecast", (1.0, 3.0, 4.0, 0.0)))
    assert "2 at a time" in drawing.caption
