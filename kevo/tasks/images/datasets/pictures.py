"""Picture files of any kind become RGB squares of one size, decoded once."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from kevo.errors import SettingsError, os_reason
from kevo.tasks.images import picture_arrays
from kevo.tasks.images.datasets.dataset import Limits
from kevo.tasks.images.picture_arrays import Pictures

_Answer = TypeVar("_Answer")

SIZES = (8, 16, 24, 28, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224)
"""Sides of stored squares, in pixels."""

_WORTH_A_THREAD = 96
"""From this side on, in pixels, threads gain more than they cost (measured on two cores)."""

# Pillow also reads formats that start other programs (EPS) or take nearly anything for a picture (TGA).
_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TIFF", "WEBP")


@dataclass(frozen=True, slots=True)
class File:
    """A picture's file, in a folder or an archive.

    Args:
        path: What to call it.
        num_bytes: How long it is.
        open: Opens it for reading.
    """

    path: str
    num_bytes: int
    open: Callable[[], BinaryIO]


def decode(files: Sequence[File], *, image_size: int | None, limits: Limits) -> tuple[Pictures, list[str | None]]:
    """Decodes files to one size.

    Args:
        files: The files.
        image_size: The side of the squares, in pixels; `None` chooses it from the pictures.
        limits: What is too much.

    Returns:
        A row of pixels for each file, and for each file why its row must not be used, or `None`.

    Raises:
        DataError: the pictures fit neither into memory nor on the disk.
        SettingsError: `image_size` is too small.
    """
    Image.init()
    # Pillow warns of broken metadata and of large pictures; whether they matter is judged here.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        measured = [_attempt(_measure, file, limits) for file in files]
        shapes = [shape for shape, _ in measured if shape is not None]
        size = choose_size(shapes, image_size=image_size) if shapes else SIZES[0]
        pictures = picture_arrays.empty((len(files), size, size, 3))

        def fill(position: int) -> str | None:
            reason = measured[position][1]
            return reason or _attempt(_decode, files[position], limits, pictures[position])[1]

        return pictures, for_each(fill, range(len(files)), size=size)


def choose_size(shapes: Sequence[tuple[int, int]], *, image_size: int | None) -> int:
    """Chooses the side of the squares in which pictures are stored.

    Squares of one size stay as they are. Other pictures take the next of `SIZES` above the median of their longer
    sides. 224 is the most.

    Args:
        shapes: Two sides of each picture, in pixels.
        image_size: The side that was asked for, or `None`.

    Returns:
        The side, in pixels.

    Raises:
        SettingsError: `image_size` is too small.
    """
    smallest, largest = SIZES[0], SIZES[-1]
    if image_size is not None:
        if not isinstance(image_size, int) or image_size < smallest:
            raise SettingsError(
                f"`image_size` must be a whole number of pixels, at least {smallest}. Received: {image_size}."
            )
        return image_size
    longer = np.array(shapes).max(axis=1)
    wanted = min(max(int(np.median(longer)), smallest), largest)
    if len(set(shapes)) == 1 and shapes[0] == (wanted, wanted):
        return wanted
    return next(size for size in SIZES if size >= wanted)


def for_each(function: Callable[[Any], _Answer], items: Sequence[Any], *, size: int) -> list[_Answer]:
    """Calls `function`, which makes a square of `size` pixels, on every item; on all cores where that is faster.

    Pillow lets other threads run only while it resizes. For small pictures they wait for each other longer than that.
    """
    if size < _WORTH_A_THREAD:
        return [function(item) for item in items]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None) as pool:
        try:
            return list(pool.map(function, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def resize(image: Image.Image, size: int) -> Pictures:
    """Squashes an RGB image into a square, antialiased; one of that size keeps its pixels."""
    square = image if image.size == (size, size) else image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(square, np.uint8)


class _UnusableError(Exception):
    """Says why a picture is skipped."""


def _attempt(function: Callable[..., _Answer], *arguments: Any) -> tuple[_Answer | None, str | None]:
    """Returns an answer and no reason, or no answer and the reason."""
    try:
        return function(*arguments), None
    except MemoryError:
        raise
    except _UnusableError as error:
        return None, str(error)
    except UnidentifiedImageError:
        return None, "is no picture of a known format"
    except OSError as error:
        return None, f"cannot be read: {os_reason(error)}"
    except Exception as error:
        # Decoders meet broken files with errors of every kind.
        return None, f"is broken: {str(error).strip() or type(error).__name__}"


@contextlib.contextmanager
def _opened(file: File, limits: Limits) -> Iterator[Image.Image]:
    if file.num_bytes == 0:
        raise _UnusableError("is empty")
    if file.num_bytes > limits.max_file_bytes:
        raise _UnusableError(f"is larger than {limits.max_file_bytes:,} bytes")
    too_large = _UnusableError(f"has more than {limits.max_pixels:,} pixels")
    with file.open() as stream:
        try:
            image = Image.open(stream, formats=[name for name in _FORMATS if name in Image.OPEN])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise too_large from None
        if image.width * image.height > limits.max_pixels:
            raise too_large
        yield image


def _measure(file: File, limits: Limits) -> tuple[int, int]:
    with _opened(file, limits) as image:
        return image.size


def _decode(file: File, limits: Limits, out: Pictures) -> None:
    size = len(out)
    with _opened(file, limits) as image:
        # A JPEG far larger than needed is decoded at an eighth, a quarter or half its size, still at least twice `out`.
        image.draft(None, (2 * size, 2 * size))
        out[:] = resize(_rgb(ImageOps.exif_transpose(image)), size)


def _rgb(image: Image.Image) -> Image.Image:
    """Converts any kind of image to RGB, transparency on white."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: npt.NDArray[Any]) -> Pictures:
    """Grey values of more than 8 bits: integers have 16; the range of floats ends at 1, 255 or 65535."""
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 65535):
        raise _UnusableError(f"has grey values from {low:g} to {high:g}, beyond 16 bits")
    white = 65535.0 if values.dtype.kind in "iu" else next(white for white in (1.0, 255.0, 65535.0) if high <= white)
    return np.rint(values.astype(np.float64) * (255 / white)).astype(np.uint8)
