"""Finds picture files without classes."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from kevo.errors import os_reason
from kevo.tasks.images.datasets.dataset import natural
from kevo.tasks.images.datasets.pictures import File, orientation
from kevo.tasks.protocols.dataset import Skipped

_TURNED = (5, 6, 7, 8)
"""The orientations of a camera that swap a picture's sides."""


def find(paths: Iterable[str | Path]) -> Iterator[File | Skipped]:
    """Yields files as they are named, and in a folder all files at any depth in natural order, hidden ones aside.

    Links are followed, but never in a circle.

    Args:
        paths: Files and folders.

    Returns:
        Each file; of what is none, why.
    """
    return itertools.chain.from_iterable(_find(Path(path), frozenset()) for path in paths)


def _find(path: Path, above: frozenset[tuple[int, int]]) -> Iterator[File | Skipped]:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            identity = status.st_dev, status.st_ino
            if identity in above:
                yield Skipped(f"{path}{os.sep}", "is a link to a folder that it lies in")
                return
            for name in sorted(os.listdir(path), key=natural):
                if not name.startswith("."):
                    yield from _find(path / name, above | {identity})
        elif stat.S_ISREG(status.st_mode):
            yield File(str(path), status.st_size, partial(_open, path))
        else:
            # A pipe would be waited for.
            yield Skipped(str(path), "is no file")
    except (OSError, ValueError) as error:
        yield Skipped(str(path), f"cannot be found: {os_reason(error)}")


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def shape(file: File) -> tuple[int, int]:
    """Returns width and height of a picture, upright, in pixels.

    Args:
        file: A picture that was decoded before.
    """
    with file.open() as stream, Image.open(stream) as image:
        return upright(image)


def upright(image: Image.Image) -> tuple[int, int]:
    """Returns width and height of an open picture, as it is to be held."""
    width, height = image.size
    return (height, width) if orientation(image) in _TURNED else (width, height)


def shape_within(file: File, side: int) -> tuple[int, int]:
    """Returns width and height of a picture, upright, when its longer side is brought to `side` pixels.

    Args:
        file: A picture that was decoded before.
        side: Pixels.
    """
    width, height = shape(file)
    scale = side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))
