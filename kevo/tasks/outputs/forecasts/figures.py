"""Forecasts beside what came, as a figure of a page."""

from __future__ import annotations

from kevo.tasks.outputs.forecasts.evaluation import ForecastEvaluation
from kevo.tasks.pages import Lines


def lines(test: ForecastEvaluation) -> Lines:
    """Returns what came and what was forecast, step by step.

    Args:
        test: Scores on the test split.
    """
    horizon = len(test.by_step)
    how = "each one step ahead" if horizon == 1 else f"{horizon} at a time, from windows that do not overlap"
    true, forecast = zip(*test.points, strict=True)
    return Lines(
        name="forecast",
        title="Forecast and true values",
        caption=f"The last {len(test.points)} values of the test split in order of time, and their forecasts: {how}.",
        x_label="Step",
        y_label="Value",
        lines=(("true", true), ("forecast", forecast)),
    )
