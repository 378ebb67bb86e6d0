"""What a file that somebody uploads holds, told before anything is searched."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kevo.errors import DataError
from kevo.tasks.images.rows import ROWS as PICTURE_ROWS
from kevo.tasks.outputs.asked import CLASSES, MASKS
from kevo.tasks.tables.contract import ROWS as TABLE_ROWS
from kevo.tasks.tables.free_text import is_of_texts
from kevo.tasks.text_files import holds_texts, is_zip, is_zipped_table
from kevo.tasks.texts.contract import ROWS as TEXT_ROWS

if TYPE_CHECKING:
    from kevo.tasks.images.datasets.look import Look
    from kevo.tasks.masks.look import MaskLook
    from kevo.tasks.series.look import SeriesLook
    from kevo.tasks.tables.look import TableLook

TABLE_SUFFIX = ".csv"
SUFFIXES = (".zip", ".npz", TABLE_SUFFIX)
"""What may be uploaded: a folder, or a CSV that lists files, would name other files of the machine that reads it."""


class Found(NamedTuple):
    """What a file holds.

    Args:
        examples: `rows`, `pictures`, `texts`, or `masks` for pictures with masks.
        task: The task of a search on it, where the file alone decides that; empty for rows, whose columns do, and for
            classes of pictures.
        look: What of them there is.
        series: What of a series rows are, where they have times; `None` where they have none, or it is no file of rows.
    """

    examples: str
    task: str
    look: Look | TableLook | MaskLook
    series: SeriesLook | None = None


def look(path: Path, *, name: str, thumbnails: Path | None = None) -> Found:
    """Looks into a file.

    Args:
        path: The file.
        name: What errors call it, so that they tell nobody where it lies.
        thumbnails: A folder for small pictures, which must exist. `None` makes none.

    Raises:
        DataError: it is of another kind, cannot be read, is nothing to learn from, or names other files.
    """
    suffix = path.suffix.casefold()
    if suffix not in SUFFIXES:
        raise DataError(f"{name} cannot be uploaded. Expected a file that ends in {', '.join(SUFFIXES)}.")
    if suffix == TABLE_SUFFIX:
        from kevo.tasks.tables.look import look as look_at_table

        found = look_at_table(path, name=name)
        if is_of_texts(path):
            return Found("rows", "", _of_texts(found))
        from kevo.tasks.series.look import look as look_for_series

        return Found("rows", "", found, look_for_series(path))
    from kevo.tasks.images.datasets import pairs
    from kevo.tasks.images.datasets.look import look as look_at_files

    if is_zipped_table(path):
        raise DataError(f"{name} holds one table. Send that itself, as a {TABLE_SUFFIX}: its columns are shown then.")
    if is_zip(path) and holds_texts(path):
        # Of texts there are no small pictures.
        return Found("texts", TEXT_ROWS[CLASSES.word], look_at_files(path, name=name))
    if pairs.described(path) is not None:
        from kevo.tasks.masks.look import look as look_at_masks

        return Found("masks", PICTURE_ROWS[MASKS.word], look_at_masks(path, name=name, thumbnails=thumbnails))
    return Found("pictures", "", look_at_files(path, name=name, thumbnails=thumbnails))


def _of_texts(found: TableLook) -> TableLook:
    """Returns what a table of texts holds, with the tasks that predict its columns from these texts."""
    tasks = {TABLE_ROWS[asks]: name for asks, name in TEXT_ROWS.items()}
    columns = (dataclasses.replace(column, task=tasks.get(column.task, "")) for column in found.columns)
    return dataclasses.replace(found, columns=tuple(columns))
