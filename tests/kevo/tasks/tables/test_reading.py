"""CSV files, hostile ones included, and arrays."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kevo.errors import DataError
from kevo.tasks.tables.reading import Limits, Table, from_array, is_table, read_csv, read_table


def read(tmp_path: Path, content: str | bytes, **limits: Any) -> Table:
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_csv(path, limits=Limits(**limits))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    table = read(tmp_path, "a,b c,d\n1,x,\n2,y,z\n".replace(",", delimiter))
    assert table.columns == {"a": ["1", "2"], "b c": ["x", "y"], "d": ["", "z"]}
    assert table.num_rows == 2


def test_values_stay_as_they_are_written(tmp_path: Path) -> None:
    table = read(tmp_path, '\ufeffname, value\r\n"a, ""b""",  1 \r\n\r\n"two\nlines",2\r\n')
    assert table.columns == {"name": ['a, "b"', "two\nlines"], "value": ["1 ", "2"]}


def test_one_column(tmp_path: Path) -> None:
    assert read(tmp_path, "a\n1\n").columns == {"a": ["1"]}


def test_a_name_may_be_empty(tmp_path: Path) -> None:
    assert list(read(tmp_path, ",größe\n1,2\n").columns) == ["", "größe"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n", "header line only"),
        ("a,b\n1,2\n1,2,3\n", "Line 3 of .* has 3 values. Expected 2"),
        ('a,b\n"x\ny",2\n1\n', "Line 4 of .* has 1 values"),
        ("a,b,a\n1,2,3\n", "several columns of the name 'a'"),
        ('a,b\n1,"2\n3,4\n', "Line 3 of .* no line of a CSV file"),
        ('a,b\n1,"2"x\n', "Line 2 of .* no line of a CSV file"),
        (f"a,b\n1,{'x' * 200_000}\n", "Line 2 of .* field larger"),
        ("a,b\n1,x\0y\n", "NUL"),
        ("größe\n1\n".encode("latin-1"), "not UTF-8 text: it has the byte 0xf6"),
        ("größe\n1\n".encode("utf-16"), "not UTF-8 text"),
        (b"PK\x03\x04\0\0", "NUL"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_bytes": 10}, "too large: 16 bytes. Expected at most 10"),
        ({"max_columns": 1}, "has 2 columns. Expected at most 1"),
        ({"max_cells": 4}, "more than 4 values"),
    ],
)
def test_what_is_too_large_is_refused(tmp_path: Path, limits: dict[str, int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(tmp_path, "a,b\n1,2\n3,4\n5,6\n", **limits)


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="There is no file .*pipe.csv: what has that name is a folder, a pipe"):
        read_csv(tmp_path / "pipe.csv")


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="There is no file"):
        read_csv(tmp_path / name)


def test_arrays_of_numbers() -> None:
    table = from_array(np.array([[1, 2], [3, 4]]))
    assert {name: values.tolist() for name, values in table.columns.items()} == {
        "column_1": [1.0, 3.0],
        "column_2": [2.0, 4.0],
    }


def test_arrays_of_anything() -> None:
    table = from_array([[1, "x", None], [2.5, "\ud800", float("nan")]], names=["a", "b", "c"])
    assert table.columns == {"a": ["1", "2.5"], "b": ["x", "?"], "c": ["", ""]}


def test_data_frames_name_their_columns() -> None:
    class Frame:
        columns = ("age", 7)

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return np.array([[30, 1]])

    assert list(from_array(Frame()).columns) == ["age", "7"]


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (np.zeros(3), {}, r"shape \(3,\)"),
        (np.zeros((2, 2), complex), {}, "complex"),
        (np.zeros((2, 2)), {"names": ["a"]}, "1 column names for 2 columns"),
        (np.zeros((2, 2)), {"names": ["a", "a"]}, "several columns of the name 'a'"),
        (np.zeros((2, 3)), {"limits": Limits(max_columns=2)}, "has 3 columns"),
        (np.zeros((2, 3)), {"limits": Limits(max_cells=5)}, "more than 5 values"),
    ],
)
def test_arrays_that_are_no_table_are_refused(array: np.ndarray, options: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        from_array(array, **options)


@pytest.mark.parametrize(
    ("source", "expected"), [("a.csv", True), (Path("a.CSV"), True), ("a.jsonl", True), ("a.zip", False), (7, False)]
)
def test_paths_of_tables(source: object, expected: bool) -> None:
    assert is_table(source) is expected


def packed(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_the_only_table_of_an_archive_is_read(tmp_path: Path) -> None:
    rows = packed(tmp_path / "a.zip", **{"data/a.csv": "\ufeffsize;kind\n1;a\n2;b\n", "__MACOSX/._a.csv": "x"})
    assert is_table(rows)
    assert read_table(rows) == Table({"size": ["1", "2"], "kind": ["a", "b"]}, 2)
    lines = packed(tmp_path / "b.zip", **{"b.jsonl": '{"size": 1, "kind": "a"}\n'})
    assert read_table(lines) == Table({"size": ["1"], "kind": ["a"]}, 1)
    assert not is_table(packed(tmp_path / "c.zip", **{"a.csv": "a", "b.csv": "b"}))


def test_an_archive_is_unpacked_within_limits(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", **{"a.csv": "a,b\n" + "1,2\n" * 1000})
    with pytest.raises(DataError, match=r"a\.zip is too large: 4,004 bytes. Expected at most 1,000"):
        read_table(path, limits=Limits(max_bytes=1000))
    content = bytearray(path.read_bytes())
    content[40] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"Cannot unpack .*a\.zip"):
        read_table(path)
    with pytest.raises(DataError, match=r"b\.zip holds no single table"):
        read_table(packed(tmp_path / "b.zip", **{"a.csv": "a", "b.csv": "b"}))
