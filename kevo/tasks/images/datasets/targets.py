"""Answers of pictures that are no classes: numbers and labels, from columns of a CSV file or arrays.

Whatever they come from, they are texts until the pictures are read: a number, or labels parted by semicolons.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kevo.errors import DataError
from kevo.tasks.images.datasets import csv_columns
from kevo.tasks.outputs.classes.output import CLASSIFICATION
from kevo.tasks.outputs.labels.output import MULTILABEL, SEPARATOR
from kevo.tasks.outputs.numbers.output import REGRESSION
from kevo.tasks.text_files import holds_texts

_DELIMITERS = ",;\t|"
_MAX_LINE = 2**20
"""So many letters of a line are looked at for its header."""
_NUM_LOOKED_AT = 12
"""So many lines tell which column names files."""
_ARCHIVES = (".zip", ".npz")
_PATH, _LABEL, _LABELS, _SPLIT = "path", "label", "labels", "split"
_YES, _NO = ("1", "1.0", "true", "yes"), ("", "0", "0.0", "false", "no")
_OTHERWISE = "Take them for classes with --task classification."


@dataclass(frozen=True, slots=True)
class Targets:
    """Which columns of a CSV file hold the answers.

    Args:
        asks: What is asked.
        target: The column, or for labels several, parted by commas; `None` for those that the file tells of.
    """

    asks: str = CLASSIFICATION
    target: str | None = None

    def columns(self, header: Sequence[str], *, groups: str | None = None) -> tuple[str, ...]:
        """Chooses the columns that hold the answers.

        Args:
            header: The names of all columns, in lower case.
            groups: The column that says which pictures belong together; `None` for none.

        Raises:
            DataError: there is no such column, or more than one may be meant.
        """
        if self.asks == CLASSIFICATION:
            return (_LABEL,)
        others = [name for name in header if name not in (_PATH, _SPLIT, (groups or "").strip().casefold())]
        if self.target is not None:
            named = [name.strip().casefold() for name in self.target.split(",") if name.strip()]
            if not named or not set(named) <= set(others) or (self.asks == REGRESSION and len(named) > 1):
                raise DataError(
                    f"There is no column {self.target!r} of answers. Expected one of: {', '.join(others) or 'none'}."
                )
            return tuple(named)
        usual = (_LABELS, _LABEL) if self.asks == MULTILABEL else (_LABEL,)
        if found := next((name for name in usual if name in others), None):
            return (found,)
        if len(others) == 1 or (others and self.asks == MULTILABEL):
            return tuple(others)
        raise DataError(
            f"Which column is to be predicted? Say so with --target. Expected one of: {', '.join(others) or 'none'}."
        )

    def text(self, values: Mapping[str, str], columns: Sequence[str], *, row: int) -> str:
        """Returns the answer of one row as a text.

        Raises:
            DataError: a flag is neither 0 nor 1.
        """
        if len(columns) == 1:
            return values.get(columns[0], "")
        found = []
        for name in columns:
            flag = values.get(name, "").casefold()
            if flag in _YES:
                found.append(name)
            elif flag not in _NO:
                raise DataError(
                    f"Row {row} has {values[name]!r} in the column {name!r}. Expected 0 or 1 for each label, or one "
                    f"column `labels` with names parted by {SEPARATOR!r}."
                )
        return SEPARATOR.join(found)

    @property
    def may_be_empty(self) -> bool:
        """Whether a picture may have no answer: none of several labels."""
        return self.asks == MULTILABEL


CLASS_LABELS = Targets()
"""Classes, in the column `label`."""


def holds_pictures(data: Any) -> bool:
    """Returns whether a source is a folder or an archive without texts, a list of pictures, or arrays of pictures."""
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        # `Path.exists` raises where a name is too long.
        if not os.path.exists(path):
            return False
        if path.suffix.casefold() in _ARCHIVES or path.is_dir():
            return not holds_texts(path)
        return _is_list(path)
    return any(getattr(pictures, "ndim", 0) >= 3 for pictures, _ in _pairs(data))


def suggested(data: Any, *, target: str | None, groups: str | None) -> tuple[str, str]:
    """Decides what is asked of pictures by how their answers look; see `TaskKind.suggested`.

    Raises:
        DataError: a CSV file cannot be read, or does not tell.
    """
    if not isinstance(data, str | os.PathLike):
        return _of_arrays(data)
    if not _is_list(Path(data)):
        return CLASSIFICATION, ""
    header, rows = _table(Path(data))
    for asks in (REGRESSION, MULTILABEL):
        columns = None
        try:
            columns = Targets(asks, target).columns(header, groups=groups)
        except DataError:
            if asks == MULTILABEL:
                raise
            continue
        values = [[row.get(name, "") for name in columns] for row in rows]
        if asks == REGRESSION and _are_amounts([one[0] for one in values], are_classes=columns == (_LABEL,)):
            return REGRESSION, f"The column {columns[0]!r} holds numbers: regression. {_OTHERWISE}"
        is_flags = len(columns) > 1 and all(one.casefold() in (*_YES, *_NO) for row in values for one in row)
        is_joined = len(columns) == 1 and (columns == (_LABELS,) or any(SEPARATOR in row[0] for row in values))
        if asks == MULTILABEL and (is_flags or is_joined):
            where = f"{len(columns)} columns hold 0 or 1" if is_flags else f"The column {columns[0]!r} holds labels"
            return MULTILABEL, f"{where}: several labels at once (multilabel). {_OTHERWISE}"
    return CLASSIFICATION, ""


def as_texts(source: Mapping[Any, Any], targets: Targets, class_names: Sequence[str] | None) -> dict[Any, Any]:
    """Turns the answers of arrays into texts.

    Args:
        source: For each split a pair of pictures and answers: numbers of shape (n,) or (n, 1), or flags of 0 and 1 of
            shape (n, num_labels).
        targets: What is asked.
        class_names: The names of the labels; `None` for `label_1`, `label_2`, ...

    Raises:
        DataError: the answers have another shape, or other values.
    """
    found = {}
    for split, pair in source.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise DataError(
                f"The {split} split is a {type(pair).__name__}. Expected a pair of pictures and answers for "
                f"{targets.asks}."
            )
        pictures, answers = pair[0], np.asarray(pair[1])
        if answers.ndim == 2 and answers.shape[1] == 1:
            answers = answers[:, 0]
        if targets.asks == REGRESSION:
            if answers.ndim != 1 or answers.dtype.kind not in "biuf":
                raise DataError(
                    f"The {split} answers have the shape {answers.shape} and the type {answers.dtype}. Expected one "
                    "number for each picture, of shape (n,)."
                )
            texts = [repr(float(value)) for value in answers.tolist()]
        else:
            if answers.ndim != 2 or not np.isin(answers, (0, 1)).all():
                raise DataError(
                    f"The {split} answers have the shape {answers.shape}. Expected 0 or 1 for each picture and label, "
                    "of shape (n, num_labels)."
                )
            names = class_names or [f"label_{place}" for place in range(1, answers.shape[1] + 1)]
            texts = [
                SEPARATOR.join(name for name, flag in zip(names, row, strict=True) if flag) for row in answers.tolist()
            ]
        found[split] = pictures, np.array(texts, dtype=str)
    return found


def _of_arrays(data: Any) -> tuple[str, str]:
    for _, answers in _pairs(data):
        found = np.asarray(answers)
        if found.ndim == 2 and found.shape[1] == 1:
            found = found[:, 0]
        if found.ndim == 1 and found.dtype.kind == "f" and bool((found != np.floor(found)).any()):
            return REGRESSION, f"The answers are numbers that are not whole: regression. {_OTHERWISE}"
        is_flags = found.ndim == 2 and found.dtype.kind in "biuf" and bool(np.isin(found, (0, 1)).all())
        if is_flags and bool((found.sum(axis=1) != 1).any()):
            return MULTILABEL, (
                "The answers hold any number of ones in a row: several labels at once (multilabel). Make them one-hot "
                "for classes."
            )
        break
    return CLASSIFICATION, ""


def _pairs(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the pairs of pictures and answers in a source of arrays."""
    for one in data.values() if isinstance(data, Mapping) else [data]:
        if isinstance(one, tuple | list) and len(one) == 2:
            first = one[0]
            if isinstance(first, tuple | list) and len(first) == 2 and getattr(first[0], "ndim", 0) >= 3:
                yield (first[0], first[1])
            else:
                yield (first, one[1])


def _are_amounts(values: Sequence[str], *, are_classes: bool) -> bool:
    """Tells whether texts are numbers; in a column of classes, whole ones are none."""
    if not values:
        return False
    numbers = []
    for text in values:
        try:
            numbers.append(float(text))
        except ValueError:
            return False
    return not are_classes or not all(math.isfinite(number) and number == math.floor(number) for number in numbers)


def _is_list(path: Path) -> bool:
    """Returns whether a file is a CSV with a column of the names of files, `path` or another."""
    if path.suffix.casefold() != ".csv" or not path.is_file():
        return False
    try:
        return _PATH in _header(path)
    except (OSError, ValueError, csv.Error):
        return False


def _header(path: Path) -> list[str]:
    """Returns the names of the columns in lower case, `path` and `split` for those that mean that."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for line in (file.readline(_MAX_LINE) for _ in range(_NUM_LOOKED_AT)) if line]
    header, *rows = list(csv.reader(lines, delimiter=_delimiter(lines[0]))) if lines else [[]]
    names = [name.strip().casefold() for name in header]
    return csv_columns.find(names, rows, path.parent, is_file=_is_file, has_classes=False).header


def _is_file(folder: Path, name: str) -> bool:
    return os.path.isfile(folder / name.replace("\\", "/"))


def _table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        header = _header(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=_delimiter(file.readline(_MAX_LINE)))
            return header, [
                dict(zip(header, (value.strip() for value in row), strict=False)) for row in reader if any(row)
            ]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"Cannot read {path} as CSV: {error}.") from error


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)
