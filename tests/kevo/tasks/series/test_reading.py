"""Series are read from files and arrays."""

from pathlib import Path

import numpy as np
import pytest

from kevo.errors import DataError
from kevo.tasks.series.reading import read
from tests.support.series import write_csv


def write(path: Path, *lines: str) -> Path:
    """Writes a file of these lines."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_file(tmp_path: Path) -> None:
    found = read(write_csv(tmp_path / "shop.csv"), target="sales")
    assert (found.name, found.times, found.columns, found.unused) == (
        "shop",
        ("quarter",),
        ("sales", "visitors"),
        ("weather",),
    )
    assert found.values.shape == (120, 2) and found.is_known.all()
    assert found.notes == (
        "Times are in 'quarter': steps of 3 months, from 1990-01-01 to 2019-10-01.",
        "'sales' is forecast from its own past and from that of 'visitors'.",
        "Left out 'weather': no numbers that differ, or a count of the rows.",
    )


def test_rows_out_of_order_gaps_and_missing_values(tmp_path: Path) -> None:
    rows = ["day,count,wind", "2024-01-01,,5", "2024-01-04,4,", "2024-01-02,2,6", "2024-01-02,2,6", "2024-01-05,na,7"]
    found = read(write(tmp_path / "days.csv", *rows), target="count")
    # The first day has no count; the third has no row.
    assert found.values.tolist() == [[2, 6], [2, 6], [4, 6], [4, 7]]
    assert found.is_known.tolist() == [True, False, True, False]
    assert found.clock.text(0) == "2024-01-02"
    assert found.notes[1:5] == (
        "The rows are not in order of time: they were sorted.",
        "Rows that stand there twice were left out once: 1.",
        "1 step of 5 have no row.",
        "The first 1 step without a value of 'count' were left out.",
    )
    assert found.notes[5].startswith(
        "Values are missing: 'count' at 2, 'wind' at 2. There the last known value goes on"
    )


def test_the_only_column_of_numbers_is_forecast(tmp_path: Path) -> None:
    months = write(tmp_path / "a.csv", "year,month,passengers", "1949,January,112", "1949,February,118", "1949,April,9")
    found = read(months)
    assert (found.times, found.columns, found.clock.text(3)) == (("year", "month"), ("passengers",), "1949-04")
    with pytest.raises(
        DataError, match="Which column of two is to be forecast. Expected --target with one of: 'a', 'b'"
    ):
        read(write(tmp_path / "two.csv", "a,b", "1,2", "3,5", "2,2"))


def test_a_file_without_times(tmp_path: Path) -> None:
    found = read(write(tmp_path / "a.csv", "number,value", "1,5", "2,7", "3,6"), target="value")
    assert (found.times, found.columns, found.unused, found.clock.words) == ((), ("value",), ("number",), "1 row")
    assert found.notes[0] == "No column holds times: each row is a step, in the order of the file."
    found = read(write(tmp_path / "t.csv", "t,value", "0.5,5", "1,7", "2,6"), target="value")
    assert (found.times, found.clock.words, found.is_known.tolist()) == (("t",), "0.5", [True, True, False, True])


def test_arrays() -> None:
    assert read(np.array([1.0, 2.0, 4.0])).columns == ("value",)
    assert read(np.array([1.0, np.nan, 4.0])).is_known.tolist() == [True, False, True]
    found = read(np.array([[1.0, 5.0], [2.0, 9.0], [4.0, 2.0]]), target="value")
    assert found.columns == ("value", "column_2") and found.values.tolist() == [[1, 5], [2, 9], [4, 2]]


def test_data_frames() -> None:
    pandas = pytest.importorskip("pandas")
    index = pandas.date_range("2024-01-01", periods=4, freq="D")
    found = read(pandas.Series([1.0, 2.0, 4.0, 3.0], index=index, name="level"))
    assert (found.columns, found.clock.text(4)) == (("level",), "2024-01-05")
    found = read(pandas.DataFrame({"level": [1.0, 2.0, 4.0], "day": index[:3]}), target="level")
    assert (found.times, found.clock.text(3)) == (("day",), "2024-01-04")


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        (
            ["day,v", "2024-01-01,1", "2024-01-01,2", "2024-01-02,3"],
            {},
            "1 row of x have a time that another row has too",
        ),
        (["day,v", "2024-01-01,1", "2024-01-02,2", "2024-01-20,3"], {}, "3 rows for 20 steps of 1 day"),
        (["day,v", "2024-01-01,1", "2024-01-02,2"], {"target": "w"}, "x has no column 'w'. Expected one of: 'v'"),
        (["day,v", "2024-01-01,1", "2024-01-02,2"], {"target": "day"}, "'day' of x does not hold numbers"),
        (["day,v", "2024-01-01,1", "2024-01-02,1"], {"target": "v"}, "'v' of x does not hold numbers that differ"),
        (["day,v", "2024-01-01,1", "2024-01-02,2"], {"times": ["when"]}, "no column 'when' of times"),
        (["day,v", "2024-01-01,1", "soon,2"], {"times": ["day"]}, "'day' cannot be read in row 1: '2024-01-01'"),
        (["day,v", "2024-01-01,1", "2024-01-02,2"], {"times": ["day", "v"]}, "are no times together"),
        (["day,v,w", "2024-01-01,1,", "2024-01-02,2,x"], {"columns": ["v", "w"]}, "x has no number in 'w'"),
        (["day,v", "2024-01-01,1", "2024-01-02,2"], {"columns": ["v", "w"]}, "x lacks 'w'. Expected the columns"),
    ],
)
def test_what_is_refused(tmp_path: Path, lines: list[str], options: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(write(tmp_path / "x.csv", *lines), **options)  # type: ignore[arg-type]


def test_other_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Cannot read a series from .*\. Expected the path of a .csv file"):
        read(tmp_path)
