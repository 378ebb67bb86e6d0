"""Reads the texts of tables, from arrays and from CSV files that may be hostile."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kevo.errors import DataError, os_reason
from kevo.system import archives
from kevo.tasks.tables.columns import Raw
from kevo.tasks.text_files import TABLE_SUFFIXES, is_zip, is_zipped_table, table_in

_JSON_SUFFIXES = (".jsonl", ".ndjson")
_DELIMITERS = ",;\t|"
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a source may ask of the machine, so that a hostile file cannot take it down.

    Args:
        max_bytes: Bytes of one CSV file.
        max_columns: Columns of a table: the saved model has one input for each.
        max_cells: Rows times columns.
    """

    max_bytes: int = 512 * 1024**2
    max_columns: int = 1000
    max_cells: int = 20_000_000


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one length, by their names and in their order."""

    columns: Mapping[str, Raw]
    num_rows: int


def listed(names: Sequence[str]) -> str:
    """Names the first of some columns, and says how many more there are.

    Example:
        >>> listed(["age", "a b"])
        "'age', 'a b'"
    """
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more


def read_table(path: Path, *, limits: Limits | None = None, most_rows: int | None = None) -> Table:
    """Reads a file of rows, by its suffix: JSON lines, and all others as `read_csv`. It may be alone in a zip archive.

    A line of JSON is an object; its values become texts as a CSV file has them, and what is no plain value is refused.

    Args:
        path: The file.
        limits: As for `read_csv`.
        most_rows: As for `read_csv`.

    Raises:
        DataError: the file cannot be read, is too large, or is no table.
    """
    limits = limits or Limits()
    with _opened(path, limits) as (suffix, file):
        return (_json_table if suffix in _JSON_SUFFIXES else _table)(file, path, limits, most_rows)


def read_csv(path: Path, *, limits: Limits | None = None, most_rows: int | None = None) -> Table:
    """Reads a CSV file in UTF-8 with a header line, separated by commas, semicolons, tabs or bars.

    Values stay as they are written, but for spaces after a separator. Empty lines are skipped.

    Args:
        path: The file.
        limits: What to refuse. Defaults to `Limits()`.
        most_rows: So many rows are read at most; `None` for all.

    Raises:
        DataError: the file cannot be read, is too large, or is no table.
    """
    limits = limits or Limits()
    with _opened(path, limits) as (_, file):
        return _table(file, path, limits, most_rows)


@contextlib.contextmanager
def _opened(path: Path, limits: Limits) -> Iterator[tuple[str, io.TextIOBase]]:
    """Opens a file of rows, or the one in an archive, and yields its suffix and its content."""
    if not path.is_file():
        what = ": what has that name is a folder, a pipe or a device" if path.exists() else ""
        raise DataError(f"There is no file {path}{what}. Expected a CSV file.")
    _check_bytes(path.stat().st_size, path, limits)
    try:
        if is_zip(path):
            with _unpacked(path, limits) as found:
                yield found
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield path.suffix.casefold(), file
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text: it has the byte 0x{error.object[error.start]:02x} where none may be. Save it "
            f"as UTF-8, such as by `iconv -f latin1 -t utf-8`."
        ) from error
    except OSError as error:
        raise DataError(f"Cannot read {path}: {os_reason(error)}.") from error


@contextlib.contextmanager
def _unpacked(path: Path, limits: Limits) -> Iterator[tuple[str, io.TextIOBase]]:
    """Unpacks the only file of rows in an archive into a file without a name."""
    with tempfile.TemporaryFile() as content:
        try:
            with zipfile.ZipFile(path) as archive:
                member = table_in(archive)
                if member is None:
                    raise DataError(f"{path} holds no single table. Expected one file: {', '.join(TABLE_SUFFIXES)}.")
                _check_bytes(member.file_size, path, limits)
                for piece in archives.pieces(archive, member):
                    content.write(piece)
        except DataError:
            # It is a ValueError too.
            raise
        except archives.DAMAGED as error:
            raise DataError(f"Cannot unpack {path}: {error}. Make or download the archive again.") from error
        content.seek(0)
        with io.TextIOWrapper(content, encoding="utf-8-sig", newline="") as file:
            yield Path(member.filename).suffix.casefold(), file


def _check_bytes(size: int, path: Path, limits: Limits) -> None:
    if size > limits.max_bytes:
        raise DataError(
            f"{path} is too large: {size:,} bytes. Expected at most {limits.max_bytes:,}. Search on a sample of its "
            "rows."
        )


def _json_table(file: io.TextIOBase, path: Path, limits: Limits, most_rows: int | None) -> Table:
    rows: list[dict[str, str]] = []
    names: dict[str, None] = {}
    for number, line in enumerate(_lines(file, path), start=1):
        if line.isspace():
            continue
        row = _json_row(line, number, path)
        names |= dict.fromkeys(row)
        rows.append(row)
        _check_header(list(names), str(path), limits)
        if len(rows) * len(names) > limits.max_cells:
            raise DataError(_too_many(str(path), limits))
        if len(rows) == most_rows:
            break
    if not rows or not names:
        raise DataError(f"{path} is empty. Expected an object of JSON on each line.")
    return Table({name: [row.get(name, "") for row in rows] for name in names}, len(rows))


def _json_row(line: str, number: int, path: Path) -> dict[str, str]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"Line {number} of {path} is no JSON: {error}. Expected an object on each line.") from error
    if not isinstance(values, dict) or any(isinstance(value, dict | list) for value in values.values()):
        raise DataError(f"Line {number} of {path} is no object of plain values. Expected texts and numbers by name.")
    return {as_text(name): as_text(value) for name, value in values.items()}


def from_array(x: Any, *, names: Sequence[str] | None = None, limits: Limits | None = None) -> Table:
    """Takes an array as a table.

    Args:
        x: Shape (n, num_columns), of numbers, or of numbers, texts and `None` in any mix. A data frame names its
            columns itself.
        names: The names of its columns. Defaults to `column_1`, `column_2`, ...
        limits: What to refuse. Defaults to `Limits()`.

    Raises:
        DataError: it has another shape, other values, or is too large.
    """
    limits = limits or Limits()
    names = [str(name) for name in getattr(x, "columns", names or ())]
    values = np.asarray(x)
    if values.ndim != 2 or values.dtype.kind not in "biufUO":
        raise DataError(
            f"Cannot read a table from an array of shape {values.shape} and type {values.dtype}. Expected numbers, "
            "texts or both of shape (rows, columns)."
        )
    num_rows, num_columns = values.shape
    names = names or [f"column_{place}" for place in range(1, num_columns + 1)]
    _check_header(names, "The array", limits)
    if len(names) != num_columns:
        raise DataError(f"Received {len(names)} column names for {num_columns} columns. Name each column once.")
    if values.size > limits.max_cells:
        raise DataError(_too_many("The array", limits))
    if values.dtype.kind in "iuf":
        return Table(dict(zip(names, values.T.astype(np.float64), strict=True)), num_rows)
    return Table({name: list(map(as_text, values[:, place])) for place, name in enumerate(names)}, num_rows)


def as_text(value: object) -> str:
    """Returns a value as a CSV file would have it: a missing one is empty.

    Example:
        >>> as_text(None), as_text(float("nan")), as_text(2), as_text("x")
        ('', '', '2', 'x')
    """
    if _is_nothing(value):
        return ""
    # What cannot be written as UTF-8 cannot reach a saved model.
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _is_nothing(value: object) -> bool:
    try:
        # NaN is not itself, nor is a missing date.
        return value is None or bool(value != value)
    except TypeError:
        # Whether pandas' NA is itself is missing too.
        return True


def _table(file: io.TextIOBase, path: Path, limits: Limits, most_rows: int | None) -> Table:
    first = next(filter(str.strip, file), "")
    delimiter = max(_DELIMITERS, key=lambda one: (len(_fields(first, one)), -_DELIMITERS.index(one)))
    file.seek(0)
    reader = csv.reader(_lines(file, path), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        header = next((row for row in reader if row), None)
        if header is None:
            raise DataError(f"{path} is empty. Expected a header line and rows below it.")
        _check_header(header, str(path), limits)
        columns: list[list[str]] = [[] for _ in header]
        for number, row in enumerate(itertools.islice((row for row in reader if row), most_rows), start=1):
            if len(row) != len(header):
                raise DataError(
                    f"Line {reader.line_num} of {path} has {len(row)} values. Expected {len(header)}, as the header "
                    "has names. Mend the line, or put values that contain the separator in quotes."
                )
            if number * len(header) > limits.max_cells:
                raise DataError(_too_many(str(path), limits))
            for column, value in zip(columns, row, strict=True):
                column.append(value)
    except csv.Error as error:
        raise DataError(
            f"Line {reader.line_num} of {path} is no line of a CSV file: {error}. Mend the quotes in it."
        ) from error
    if not columns[0]:
        raise DataError(f"{path} has a header line only. Expected rows below it.")
    return Table(dict(zip(header, columns, strict=True)), len(columns[0]))


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def _lines(file: io.TextIOBase, path: Path) -> Iterator[str]:
    for line in file:
        if "\0" in line:
            raise DataError(f"{path} is no text: it holds NUL characters. Expected a CSV file.")
        yield line


def _check_header(names: Sequence[str], what: str, limits: Limits) -> None:
    if len(names) > limits.max_columns:
        raise DataError(
            f"{what} has {len(names):,} columns. Expected at most {limits.max_columns:,}. Leave out those that say "
            "least."
        )
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"{what} has several columns of the name {listed(twice)}. Give each column a name of its own.")


def _too_many(what: str, limits: Limits) -> str:
    return (
        f"{what} is too large: it has more than {limits.max_cells:,} values. Search on a sample of its rows, or leave "
        "out columns."
    )


def is_table_file(source: object) -> bool:
    """Tells whether a source is the path of a file of rows, whether or not it is there."""
    return isinstance(source, str | os.PathLike) and Path(source).suffix.casefold() in TABLE_SUFFIXES


def is_table(source: object) -> bool:
    """Tells whether a source is the path of such a file, or of a zip archive with one in it and nothing else."""
    return is_table_file(source) or is_zipped_table(source)
