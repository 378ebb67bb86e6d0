"""What a CSV file holds: its columns, and what each would ask if it were the one to be predicted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kevo.errors import DataError
from kevo.tasks.tables.answers import suggested_for
from kevo.tasks.tables.columns import count_missing, is_missing, kind_of_values
from kevo.tasks.tables.contract import ROWS
from kevo.tasks.tables.reading import read_csv

_NUM_EXAMPLES = 3
_LONGEST_EXAMPLE = 40
_NUM_LOOKED_AT = 100
_MOSTLY = 0.5
_FILE = re.compile(
    r"(?:[A-Za-z]:)?[\\/].*|\.\.?[\\/].*|file:.*|.*\.(?:png|jpe?g|gif|bmp|webp|tiff?|npy|npz|zip|csv|keras|h5)",
    re.IGNORECASE | re.DOTALL,
)
"""A path from the root or the folder where it is read, or the name of a file of data."""


@dataclass(frozen=True, slots=True)
class LookedAtColumn:
    """A column of a table.

    Args:
        name: Its name.
        kind: `number`, or `category`; empty for one that says nothing, such as free text.
        num_missing: In how many rows it has no value.
        examples: Some of its values.
        task: The task of a search that predicts it; empty where it cannot be predicted.
    """

    name: str
    kind: str
    num_missing: int
    examples: tuple[str, ...]
    task: str


@dataclass(frozen=True, slots=True)
class TableLook:
    """What a table holds."""

    num_rows: int
    columns: tuple[LookedAtColumn, ...]


def look(path: Path, *, name: str) -> TableLook:
    """Looks into a CSV file. No file that stands in it is opened, or looked for.

    Args:
        path: The file.
        name: What errors call it, so that they tell nobody where it lies.

    Raises:
        DataError: it cannot be read, is no table to learn from, or names files: whoever reads it would open them.
    """
    try:
        table = read_csv(path)
    except DataError as error:
        raise DataError(str(error).replace(str(path), name)) from error
    columns = {key: [str(value) for value in values] for key, values in table.columns.items()}
    for key, values in columns.items():
        if _names_files(values):
            raise DataError(
                f"The column {key!r} of {name} names files, which are not sent with it. Expected a table of values; "
                "pictures come as a .zip with one folder for each class."
            )
    if len(columns) < 2 or not table.num_rows:
        raise DataError(f"{name} has {len(columns)} columns and {table.num_rows} rows. Expected several of both.")
    return TableLook(table.num_rows, tuple(_column(key, values) for key, values in columns.items()))


def _column(name: str, values: Sequence[str]) -> LookedAtColumn:
    present = list(dict.fromkeys(value for value in values[:_NUM_LOOKED_AT] if not is_missing(value)))
    examples = tuple(value.strip()[:_LONGEST_EXAMPLE] for value in present[:_NUM_EXAMPLES])
    kind, num_missing = kind_of_values(list(values)), count_missing(list(values))
    # Free text, the same value everywhere, and gaps are nothing to predict.
    can_be_asked = kind is not None and not num_missing
    task = ROWS[suggested_for(values, name)[0]] if can_be_asked else ""
    return LookedAtColumn(name, kind or "", num_missing, examples, task)


def _names_files(values: Sequence[str]) -> bool:
    present = [value.strip() for value in values if not is_missing(value)][:_NUM_LOOKED_AT]
    found = sum(_FILE.fullmatch(value) is not None for value in present)
    return bool(present) and found > _MOSTLY * len(present)
