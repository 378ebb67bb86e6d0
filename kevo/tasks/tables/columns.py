"""The kinds of a table's columns, decided once by the data and said in notes."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Kind = Literal["number", "code", "category"]
Raw = Sequence[str] | npt.NDArray[np.float64]
"""A column as its source holds it: texts, or numbers with NaN where one is missing."""
Typed = npt.NDArray[Any]
"""A column of a known kind: float32 with NaN for missing values, or texts as objects."""

MISSING = frozenset({"", "na", "n/a", "nan", "none", "null"})
"""Texts that mean a missing value, in lower case and without spaces around them."""
UNKNOWN = "[UNK]"
"""The text for a category that training has not seen; see `Column.unknown`."""
_MIN_NUMBERS = 0.95
"""A text column in which a larger share of the values are numbers is one of numbers."""
_MAX_CODES = 5
"""Whole numbers with so few different values are names of categories rather than amounts."""
_MAX_CATEGORIES = 50
"""A column with more different texts than this is free text."""
_IDENTIFIER = re.compile(r"(^|[\W_])(id|uuid|guid|index|row)$|(Id|ID)$|^(id|ID)[\W_]", re.ASCII)
"""Names of columns that identify rows."""
_FEW_ROWS = 10
_SAME_LINE = 0.99999
"""A column with such a correlation to the target is the target in another unit."""
_SPELLINGS, _ROWS_OF_EACH = 2, 20
"""A class may be spelled in so many ways; with so many rows of each value, it is no chance that each has one class."""
_MAX_EXACT = 2**24
"""float32 holds every whole number up to this."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that models learn from.

    Args:
        name: Its name in the source.
        kind: `number`; `code`, a number that stands for a category; or `category`, a text.
        values: The categories of the training rows: numbers for a code, texts for a category, none for a number.
        has_gaps: Whether some training rows have no number here. A category's missing values are a category.
    """

    name: str
    kind: Kind
    values: tuple[str, ...] | tuple[float, ...] = ()
    has_gaps: bool = False

    @property
    def num_features(self) -> int:
        """Number of a network's inputs that this column becomes."""
        return (1 if self.kind == "number" else len(self.values)) + self.has_gaps

    @property
    def unknown(self) -> str:
        """A text that is none of the column's categories."""
        text = UNKNOWN
        while text in self.values:
            text += "_"
        return text


class Decision(NamedTuple):
    """The kind of a column, or `None` where it is left out; and a note, empty where there is none."""

    kind: Kind | None
    note: str


def is_missing(text: str) -> bool:
    """Tells whether a text means a missing value.

    Example:
        >>> is_missing(" NA "), is_missing("0")
        (True, False)
    """
    return text.strip().lower() in MISSING


def parse(text: str) -> float | None:
    """Returns the number that a text holds, NaN for a missing or infinite one, `None` where it holds no number.

    Example:
        >>> parse(" 2.5e1 "), parse("none"), parse("two")
        (25.0, nan, None)
    """
    if is_missing(text):
        return math.nan
    # Python's own grouping, as in 1_000, is no number to other programs.
    if "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else math.nan


def typed(raw: Raw, kind: Kind) -> Typed:
    """Returns a column as texts, or as float32 with NaN for missing, too large or non-numeric values; shape (n,)."""
    if kind == "category":
        # A missing number is the empty text.
        if isinstance(raw, np.ndarray):
            raw = ["" if math.isnan(value) else repr(value) for value in raw.tolist()]
        return np.array(raw, object)
    values = raw if isinstance(raw, np.ndarray) else _parsed(raw)[0]
    with np.errstate(over="ignore"):
        narrow = np.asarray(values, np.float32)
    return np.where(np.isfinite(narrow), narrow, np.float32(np.nan))


def count_missing(raw: Raw) -> int:
    """Counts the missing values of a column."""
    return int(np.isnan(raw).sum()) if isinstance(raw, np.ndarray) else sum(map(is_missing, raw))


def decide(raw: Raw, labels: npt.NDArray[Any], *, name: str = "") -> Decision:
    """Decides the kind of a column, and whether it is used.

    Args:
        raw: The column.
        labels: The classes of its rows as whole numbers, or their numbers as floats, shape (n,): a column that only
            repeats them is left out.
        name: Its name: numbers that all differ identify rows where it says so.
    """
    if isinstance(raw, np.ndarray):
        decision, keys = _decide_numbers(raw, name), list(map(str, raw.tolist()))
    else:
        parsed, num_odd = _parsed(raw)
        num_present = sum(not is_missing(text) for text in raw)
        if not num_present:
            return Decision(None, "it is empty")
        if num_present - num_odd > _MIN_NUMBERS * num_present:
            decision, keys = _decide_numbers(parsed, name), list(map(str, parsed.tolist()))
            if decision.kind is not None and num_odd:
                decision = Decision("number", f"{num_odd} of its values are no numbers and count as missing")
        else:
            decision, keys = _decide_texts(raw), list(raw)
    if decision.kind is not None and labels.dtype.kind == "f":
        numbers = raw if isinstance(raw, np.ndarray) else _parsed(raw)[0]
        if decision.kind != "category" and _is_line(numbers, labels):
            return Decision(None, "its numbers lie on a line with the target's: it repeats the target")
    elif decision.kind is not None and _repeats(keys, labels):
        return Decision(None, "each of its values belongs to one class: it repeats the target")
    return decision


def kind_of_values(raw: Raw) -> Kind | None:
    """Returns the kind of a column that is used whatever it says; `None` where it says nothing, or is free text."""
    if not isinstance(raw, np.ndarray):
        num_present = sum(not is_missing(text) for text in raw)
        numbers, num_odd = _parsed(raw)
        if num_present - num_odd <= _MIN_NUMBERS * num_present:
            return "category" if 1 < len({*raw}) <= _MAX_CATEGORIES else None
        raw = numbers
    return "number" if len(np.unique(raw[np.isfinite(raw)])) > 1 else None


def encode(values: Typed, column: Column) -> Typed:
    """Returns a column as a data set keeps it.

    Args:
        values: What `typed` returned for the column's kind.
        column: The column.

    Returns:
        For a category, its positions in the column's values from 1, as int32, and 0 where it is none of them; numbers
        as they are.
    """
    if column.kind != "category":
        return values
    positions = {value: place for place, value in enumerate(column.values, start=1)}
    return np.array([positions.get(text, 0) for text in values.tolist()], np.int32)


def _parsed(raw: Sequence[str]) -> tuple[npt.NDArray[np.float64], int]:
    """Returns texts as numbers, NaN for a missing one, and how many are present but no numbers."""
    found = [parse(text) for text in raw]
    return np.array([math.nan if number is None else number for number in found], np.float64), found.count(None)


def _decide_numbers(values: npt.NDArray[np.float64], name: str) -> Decision:
    present = values[np.isfinite(values)]
    distinct = np.unique(present)
    if not len(distinct):
        return Decision(None, "it is empty")
    if len(distinct) == 1 and len(present) == len(values):
        return Decision(None, "all rows have the same value")
    is_whole = bool((distinct == np.floor(distinct)).all()) and abs(distinct).max() < _MAX_EXACT
    if is_whole and len(present) == len(values) and bool((np.diff(values) == 1).all()) and len(distinct) > 2:
        return Decision(None, "it counts the rows")
    if is_whole and len(distinct) == len(values) > _FEW_ROWS and _IDENTIFIER.search(name):
        return Decision(None, "it is called as identifiers are, and all its numbers differ")
    return Decision("code" if is_whole and 2 < len(distinct) <= _MAX_CODES else "number", "")


def _decide_texts(raw: Sequence[str]) -> Decision:
    present = [text for text in raw if not is_missing(text)]
    distinct = set(present)
    if len(distinct) == 1 and len(present) == len(raw):
        return Decision(None, "all rows have the same value")
    if len(distinct) == len(present) > 2:
        return Decision(None, "all its texts differ: it identifies the rows")
    if len(distinct) > _MAX_CATEGORIES:
        return Decision(None, f"it is free text: {len(distinct):,} different ones, more than {_MAX_CATEGORIES}")
    return Decision("category", "")


def _repeats(keys: Sequence[str], labels: npt.NDArray[np.int64]) -> bool:
    """Tells whether values and classes belong to each other one to one, or each of a few frequent values to a class."""
    counts, num_classes = Counter(keys), len(np.unique(labels))
    is_spelled = len(counts) <= _SPELLINGS * num_classes and min(counts.values()) >= _ROWS_OF_EACH
    num_pairs = len(set(zip(keys, labels.tolist(), strict=True)))
    return num_pairs == len(counts) and (len(counts) == num_classes or is_spelled)


def _is_line(values: npt.NDArray[np.float64], labels: npt.NDArray[np.floating]) -> bool:
    """Tells whether values are the target in another unit."""
    known = np.isfinite(values)
    x, y = values[known], labels[known].astype(np.float64)
    if len(x) < _FEW_ROWS or not (x.std() > 0 and y.std() > 0):
        return False
    return abs(float(np.corrcoef(x, y)[0, 1])) > _SAME_LINE
