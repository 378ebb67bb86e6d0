"""Room for pictures and features: in memory while they take little, and else in a file that is mapped into memory.

The file has no name: it is gone with the last process that uses it, however that ends.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, os_reason
from kevo.system import memory
from kevo.system.folders import cache_folder
from kevo.system.text import byte_size

Pictures = npt.NDArray[np.uint8]

_MOST_BYTES = 32 * 1024**2
"""A larger array goes to disk where there is room: the system keeps of it in memory what is in use."""
_MEMORY_SHARE = 1 / 4
"""Of the memory for one array at most: cutting splits out of it copies it, and models need the rest."""
_CHUNK = 1024
"""Pictures copied at a time."""


def empty(shape: tuple[int, ...]) -> Pictures:
    """Returns an uninitialized array for pictures, in memory or on disk.

    Args:
        shape: Its shape, (n, height, width, 3).

    Raises:
        DataError: it is larger than a quarter of the memory, and the disk has no room for it either.

    Example:
        >>> empty((2, 8, 8, 3)).shape
        (2, 8, 8, 3)
    """
    num_bytes, limit = int(np.prod(shape, dtype=np.int64)), memory.usable()
    fits = limit is None or num_bytes <= _MEMORY_SHARE * limit
    if fits and num_bytes <= _MOST_BYTES:
        return np.empty(shape, np.uint8)
    folder = cache_folder()
    try:
        return np.ndarray(shape, np.uint8, buffer=_on_disk(folder, num_bytes))
    except OSError as error:
        if limit is None or fits:
            return np.empty(shape, np.uint8)
        num, *sides, _ = shape
        raise DataError(
            f"{num:,} pictures of {' x '.join(map(str, sides))} px take {byte_size(num_bytes)}, more than a quarter "
            f"of the {byte_size(limit)} of memory, and cannot be kept in {folder}: {os_reason(error)}. Use a "
            "smaller `image_size` or fewer pictures, make room, or name another folder in XDG_CACHE_HOME."
        ) from error


def for_features(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Returns an uninitialized array for features: on disk where it is large and there is room, or else in memory.

    Args:
        shape: Its shape, (n, ...).
        dtype: The type of its numbers.
    """
    num_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if num_bytes > _MOST_BYTES:
        with contextlib.suppress(OSError):
            return np.ndarray(shape, dtype, buffer=_on_disk(cache_folder(), num_bytes))
    return np.empty(shape, dtype)


def _on_disk(folder: Path, num_bytes: int) -> mmap.mmap:
    """Returns a new file in a folder, without a name, as it is mapped into memory."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < num_bytes:
        raise OSError("No space left on device")
    # In the folder for temporary files it would often be in memory after all.
    with tempfile.TemporaryFile(dir=folder) as file:
        # A file with holes would kill whoever writes to it when the disk is full.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        file.truncate(num_bytes)
        return mmap.mmap(file.fileno(), num_bytes)


def from_npy(file: IO[bytes]) -> npt.NDArray[Any] | None:
    """Reads pictures from an open `.npy` file into such an array, without a copy in memory.

    Returns:
        The pictures; `None` where these are no bytes in four dimensions, and nothing but the head was read.

    Raises:
        ValueError: the file is damaged.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_transposed, dtype = read(file)
    if dtype != np.uint8 or len(shape) != 4 or is_transposed or 0 in shape:
        return None
    pictures = empty(shape)
    for start in range(0, len(pictures), _CHUNK):
        wanted = pictures[start : start + _CHUNK]
        content = file.read(wanted.nbytes)
        if len(content) != wanted.nbytes:
            raise ValueError("it ends too early")
        wanted[:] = np.frombuffer(content, np.uint8).reshape(wanted.shape)
    return pictures


def taken(pictures: Pictures, rows: Sequence[int] | npt.NDArray[np.int64]) -> Pictures:
    """Returns a copy of some pictures, by their positions."""
    out = empty((len(rows), *pictures.shape[1:]))
    for start in range(0, len(rows), _CHUNK):
        out[start : start + _CHUNK] = pictures[rows[start : start + _CHUNK]]
    return out


def joined(parts: Sequence[Pictures]) -> Pictures:
    """Returns arrays of pictures one after the other."""
    return np.concatenate(parts, out=empty((sum(map(len, parts)), *parts[0].shape[1:])))
