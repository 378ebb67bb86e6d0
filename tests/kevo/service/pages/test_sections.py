"""Blocks of a task's pages, as plain values that a template draws."""

import math

from kevo.service.pages import charts, sections
from kevo.tasks.pages import Lines


def lines(*values: tuple[float, ...]) -> Lines:
    named = tuple((f"line {place}", one) for place, one in enumerate(values))
    return Lines("forecast", "Forecast", "What came.", "Step", "Value", named)


def test_lines_stand_over_the_same_steps() -> None:
    found = sections.block(lines((1.0, 2.0, 3.0), (2.0, math.nan, 5.0)))
    assert found is not None and (found["kind"], found["low"], found["high"]) == ("lines", "1", "5")
    left, right = charts.LEFT, charts.WIDTH - charts.RIGHT
    bottom, top = charts.HEIGHT - charts.BOTTOM, charts.TOP
    middle, quarter = round((left + right) / 2), round(bottom - (bottom - top) / 4)
    assert found["lines"][0] == ("line 0", f"{left},{bottom} {middle},{quarter} {right},{round((bottom + top) / 2)}")
    # What is no number is left out.
    assert found["lines"][1] == ("line 1", f"{left},{quarter} {right},{top}")
    assert sections.block(lines((math.nan,))) is None
    # A single value is no reason to divide by nothing, and a long line is drawn from its end.
    assert sections.block(lines((1.0,))) is not None
    long = sections.block(lines(tuple(float(step) for step in range(2000))))
    assert long is not None and long["num_steps"] == 500 and long["low"] == "1500"
