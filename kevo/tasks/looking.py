"""What a file that somebody uploads holds, told before anything is searched."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from kevo.errors import DataError
from kevo.tasks.tables.contract import ROWS as TABLE_ROWS
from kevo.tasks.tables.free_text import is_of_texts
from kevo.tasks.texts.contract import ROWS as TEXT_ROWS

if TYPE_CHECKING:
    from kevo.tasks.images.datasets.look import Look
    from kevo.tasks.tables.look import TableLook

TABLE_SUFFIX = ".csv"
SUFFIXES = (".zip", ".npz", TABLE_SUFFIX)
"""What may be uploaded: a folder, or a CSV that lists files, would name other files of the machine that reads it."""


def look(path: Path, *, name: str, thumbnails: Path | None = None) -> Look | TableLook:
    """Looks into a file; see `look` of `kevo.tasks.images.datasets.look` and of `kevo.tasks.tables.look`.

    Raises:
        DataError: it is of another kind, cannot be read, is nothing to learn from, or names other files.
    """
    suffix = path.suffix.casefold()
    if suffix not in SUFFIXES:
        raise DataError(f"{name} cannot be uploaded. Expected a file that ends in {', '.join(SUFFIXES)}.")
    if suffix == TABLE_SUFFIX:
        from kevo.tasks.tables.look import look as look_at_table

        found = look_at_table(path, name=name)
        return _of_texts(found) if is_of_texts(path) else found
    from kevo.tasks.images.datasets.look import look as look_at_pictures

    return look_at_pictures(path, name=name, thumbnails=thumbnails)


def _of_texts(found: TableLook) -> TableLook:
    """Returns what a table of texts holds, with the tasks that predict its columns from these texts."""
    tasks = {TABLE_ROWS[asks]: name for asks, name in TEXT_ROWS.items()}
    columns = (dataclasses.replace(column, task=tasks.get(column.task, "")) for column in found.columns)
    return dataclasses.replace(found, columns=tuple(columns))
