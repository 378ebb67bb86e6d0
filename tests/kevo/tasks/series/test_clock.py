"""The times of a series."""

import json

import numpy as np
import pytest

from kevo.errors import DataError
from kevo.tasks.series.clock import Clock, of_dates, of_numbers
from kevo.tasks.tables.dates import read_dates, read_parts


def timed(texts: list[str]) -> tuple[str, list[int], str]:
    """Returns the step of dates, their positions, and the time after the last."""
    dates = read_dates(texts)
    assert dates is not None
    clock, positions = of_dates(dates, what="'day'")
    return clock.words, positions.tolist(), clock.text(int(positions.max()) + 1)


@pytest.mark.parametrize(
    ("texts", "words", "positions", "following"),
    [
        (["2024-01-31", "2024-02-29", "2024-03-31"], "1 month", [0, 1, 2], "2024-04-30"),
        (["2024-01-15", "2024-02-15", "2024-04-15"], "1 month", [0, 1, 3], "2024-05-15"),
        (["1949-01", "1949-02", "1949-03"], "1 month", [0, 1, 2], "1949-04"),
        (["Jan 1949", "Feb 1949", "Mar 1949"], "1 month", [0, 1, 2], "1949-04"),
        (["2000-03-31", "2000-06-30", "2000-09-30"], "3 months", [0, 1, 2], "2000-12-31"),
        (["2000-01-01", "2001-01-01", "2003-01-01"], "1 year", [0, 1, 3], "2004-01-01"),
        (["2012/01/02", "2012/01/01", "2012/01/04"], "1 day", [1, 0, 3], "2012-01-05"),
        (["20120228", "20120229", "20120301"], "1 day", [0, 1, 2], "2012-03-02"),
        (["13.02.2012", "14.02.2012", "15.02.2012"], "1 day", [0, 1, 2], "2012-02-16"),
        (["2024-01-01", "2024-01-08", "2024-01-15"], "1 week", [0, 1, 2], "2024-01-22"),
        (["2024-03-01 10:00", "2024-03-01 12:00", "2024-03-01 14:00"], "2 hours", [0, 1, 2], "2024-03-01 16:00"),
        (["2024-03-01T10:00:00Z", "2024-03-01T10:00:30Z"], "30 seconds", [0, 1], "2024-03-01 10:01"),
        # Thursday, Friday, Monday, Tuesday, and after a holiday Thursday.
        (
            ["2024-05-02", "2024-05-03", "2024-05-06", "2024-05-07", "2024-05-09"],
            "1 working day",
            [0, 1, 2, 3, 5],
            "2024-05-10",
        ),
    ],
)
def test_dates(texts: list[str], words: str, positions: list[int], following: str) -> None:
    assert timed(texts) == (words, positions, following)


def test_day_and_month_are_told_by_the_steps() -> None:
    assert timed([f"{month:02d}/01/2020" for month in range(1, 13)])[0] == "1 month"
    assert timed([f"{day:02d}/01/2020" for day in range(1, 20)])[0] == "1 day"
    for texts, order in (
        (["01/02/2020", "01/03/2020", "01/04/2020"], "the month first"),
        (["01/02/2020", "02/02/2020", "03/02/2020", "04/02/2020", "06/03/2020"], "the day first"),
        (["01/20/2020", "01/21/2020"], ""),
    ):
        dates = read_dates(texts)
        assert dates is not None and dates.order == order


@pytest.mark.parametrize(
    "texts", [["1949", "1950"], ["2.5", "3.5"], ["red", "green"], ["2024-01-01", ""], ["2024-01-01", "soon"], []]
)
def test_what_is_no_date(texts: list[str]) -> None:
    assert read_dates(texts) is None


def test_columns_say_a_time_together() -> None:
    found = read_parts({"Year": ["1949", "1949"], "month": ["January", "Feb"], "value": ["1", "2"]})
    assert found is not None and found[0] == ("Year", "month")
    assert of_dates(found[1], what="").clock.text(2) == "1949-03"
    hours = {name: np.array(one, float) for name, one in (("year", [2024] * 2), ("month", [2] * 2), ("day", [28, 29]))}
    found = read_parts(hours)
    assert found is not None and of_dates(found[1], what="").clock.text(2) == "2024-03-01"
    assert read_parts({"year": ["1949"], "value": ["1"]}) is None
    assert read_parts({"year": ["1949"], "month": ["13"]}) is None


def test_numbers() -> None:
    clock, positions = of_numbers(np.array([3.0, 1.0, 2.0, 5.0]), what="'t'")
    assert (clock.words, positions.tolist(), clock.text(5)) == ("1", [2, 0, 1, 4], "6")
    clock, positions = of_numbers(np.array([1749.0, 1749.0833, 1749.1667, 1749.25]), what="'t'")
    assert (clock.words, positions.tolist(), clock.text(4)) == ("1 month", [0, 1, 2, 3], "1749-05")


def test_unequal_steps_are_refused() -> None:
    dates = read_dates(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04 07:00"])
    assert dates is not None
    with pytest.raises(DataError, match="'day' have no equal steps: 1 of 4 rows are beside steps of 1 day"):
        of_dates(dates, what="'day'")
    with pytest.raises(DataError, match="All rows have the same time in 't'"):
        of_numbers(np.array([2.0, 2.0]), what="'t'")


def test_seasons_of_the_calendar() -> None:
    assert Clock("month", 0.0, 1.0).seasons == (12,)
    assert Clock("month", 0.0, 3.0).seasons == (4,)
    assert Clock("second", 0.0, 3600.0).seasons == (24, 168)
    assert Clock("second", 0.0, 86400.0).seasons == (7,)
    assert Clock("working day", 0.0, 1.0).seasons == (5,)
    assert Clock.rows().seasons == ()


def test_json() -> None:
    clock = Clock("month", -252.0, 1.0, are_months=True)
    assert Clock.from_json(json.loads(json.dumps(clock.to_json()))) == clock
    for wrong in ({"unit": "moon"}, {"step": 0.0}, {"start": float("nan")}):
        with pytest.raises(ValueError, match="its times"):
            Clock.from_json({**clock.to_json(), **wrong})
