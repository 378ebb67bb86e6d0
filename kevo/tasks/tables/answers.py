"""The answers of rows, in texts: which classes or numbers they are, and which of the two is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError
from kevo.tasks.outputs.classes.output import CLASSIFICATION, Classes
from kevo.tasks.outputs.numbers.output import REGRESSION, Numbers
from kevo.tasks.outputs.numbers.output import parse as parse_numbers
from kevo.tasks.outputs.output import Output
from kevo.tasks.tables.columns import is_missing, parse
from kevo.tasks.tables.reading import listed

_MAX_CLASSES = 1000
_MOST_WHOLE = 20
"""So many different whole numbers may be classes; more are amounts, unless somebody says otherwise."""


def suggested_for(values: Sequence[str], name: str) -> tuple[str, str]:
    """Decides the same by the values of a target called `name`."""
    amounts = {text: parse(text) for text in set(values) if not is_missing(text)}
    # A number that is missing or beyond all others is NaN here.
    if not amounts or any(amount is None or math.isnan(amount) for amount in amounts.values()):
        return CLASSIFICATION, ""
    num = len({*amounts.values()})
    if num > _MOST_WHOLE or any(amount != math.floor(amount or 0) for amount in amounts.values()):
        return REGRESSION, (
            f"The target {name!r} holds {num:,} different numbers: amounts, for regression. Take them for classes with "
            "--task classification."
        )
    if num == 2:
        return CLASSIFICATION, ""
    return CLASSIFICATION, (
        f"The target {name!r} holds {num} different whole numbers, and each is a class. Take them for amounts with "
        "--task regression."
    )


def read(targets: Mapping[str, Sequence[str]], name: str, asks: str) -> tuple[Output, dict[str, npt.NDArray[Any]]]:
    """Returns what is asked, and the answers of each split.

    Args:
        targets: The answers of each split, as they are written.
        name: What they are called.
        asks: `classification` or `regression`.

    Raises:
        DataError: they are no answers of this kind.
    """
    if asks == REGRESSION:
        numbers = {split: parse_numbers(target, name) for split, target in targets.items()}
        return Numbers.of(name, numbers["train"]), dict(numbers)
    class_names = _class_names(targets["train"], name)
    labels = {split: _labels(target, class_names, split) for split, target in targets.items()}
    return Classes(class_names), dict(labels)


def _class_names(target: Sequence[str], name: str) -> tuple[str, ...]:
    """Returns the classes of the training rows in order, numbers by their size."""
    if lacking := [row for row, value in enumerate(target, start=1) if is_missing(value)]:
        raise DataError(
            f"The target {name!r} is missing in {len(lacking):,} of {len(target):,} rows, first in row {lacking[0]}. "
            "Remove these rows, or fill them in."
        )
    if not target:
        raise DataError(f"There are no rows. Expected one for each example, with its class in {name!r}.")
    found = set(target)
    amounts = {value: parse(value) for value in found}
    # What is beyond all numbers, such as 1e400, is the name of a class.
    is_of_numbers = all(amount is not None and math.isfinite(amount) for amount in amounts.values())
    if len(found) > _MAX_CLASSES or (is_of_numbers and any(amount != int(amount or 0) for amount in amounts.values())):
        what = "numbers" if is_of_numbers else "texts"
        raise DataError(
            f"The target {name!r} has {len(found):,} different {what}, such as {target[0]!r}. Expected at most "
            f"{_MAX_CLASSES:,} classes. Predict amounts with --task regression, or name another column."
        )
    if len(found) < 2:
        raise DataError(
            f"The target {name!r} has the same value in all rows: {next(iter(found))!r}. Expected at least two classes "
            "to tell apart."
        )
    return tuple(sorted(found, key=lambda value: (amounts[value], value) if is_of_numbers else (0.0, value)))


def _labels(target: Sequence[str], class_names: Sequence[str], split: str) -> npt.NDArray[np.int64]:
    positions = {name: place for place, name in enumerate(class_names)}
    if unknown := sorted({value for value in target if value not in positions}):
        raise DataError(
            f"The {split} split has the classes {listed(unknown)}, which the training rows lack. Every class must be "
            "in train."
        )
    return np.array([positions[value] for value in target], np.int64)
