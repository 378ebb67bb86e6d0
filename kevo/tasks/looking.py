"""What a file that somebody uploads holds, told before anything is searched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kevo.errors import DataError

if TYPE_CHECKING:
    from kevo.tasks.images.datasets.look import Look

SUFFIXES = (".zip", ".npz")
"""What may be uploaded: a CSV or a folder would name other files of the machine that reads it."""


def look(path: Path, *, name: str, thumbnails: Path | None = None) -> Look:
    """Looks into a file of pictures; see `kevo.tasks.images.datasets.look`.

    Raises:
        DataError: it is of another kind, cannot be read, or is no data set for classification.
    """
    if path.suffix.casefold() not in SUFFIXES:
        raise DataError(f"{name} cannot be uploaded. Expected a file that ends in {' or '.join(SUFFIXES)}.")
    from kevo.tasks.images.datasets.look import look

    return look(path, name=name, thumbnails=thumbnails)
