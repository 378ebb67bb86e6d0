"""What of a series an uploaded file of rows holds."""

from pathlib import Path

from kevo.tasks.series.look import SeriesLook, look
from tests.support import series, tables


def test_a_series_is_told_by_its_steps(tmp_path: Path) -> None:
    found = look(series.write_csv(tmp_path / "sales.csv"))
    assert found == SeriesLook(("quarter",), "3 months", "1990-01-01", "2019-10-01", 120, ("sales", "visitors"))


def test_rows_without_equal_steps_are_no_series(tmp_path: Path) -> None:
    assert look(tables.write_csv(tmp_path / "things.csv")) is None
    path = tmp_path / "some.csv"
    for rows in (
        # Several rows of one time, a step of any length, and nothing but times.
        ["2024-01-01,1", "2024-01-01,2", "2024-01-02,3"],
        ["2024-01-01,1", "2024-01-02,2", "2025-07-05,3"],
        ["2024-01-01,a", "2024-01-02,b", "2024-01-03,a"],
    ):
        path.write_text("\n".join(["day,value", *rows]) + "\n")
        assert look(path) is None
