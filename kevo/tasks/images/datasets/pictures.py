"""Picture files of any kind become RGB squares of one size, decoded once."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, TypeVar

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from kevo.errors import SettingsError, os_reason
from kevo.system.text import plural
from kevo.tasks.images import picture_arrays
from kevo.tasks.images.datasets import deep, kinds
from kevo.tasks.images.datasets.dataset import Limits
from kevo.tasks.images.datasets.levels import UNKNOWN, Levels, Whites, describe, to_bytes
from kevo.tasks.images.picture_arrays import Pictures

_Answer = TypeVar("_Answer")
Size = int | tuple[int, int]
"""The side of squares, or height and width, in pixels."""

SIZES = (8, 16, 24, 28, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224)
"""Sides of stored squares, in pixels."""

_LEAST_CROPPED, _MOST_CROPPED = 96, 1.5
"""Half of the pictures have as many pixels on their shorter sides, and nine tenths are at most so many times as long as
wide, or as wide as long: then they are taken for photographs, whose middle is enough. Small pictures mostly hold one
thing that fills them."""

_LONGEST_AS_IT_IS = 16
"""Pictures of one size that are no squares stay as they are up to this side, in pixels: in boards and other grids every
pixel says something of its own, which a square would blur."""

_WORTH_A_THREAD = 96
"""From this side on, in pixels, threads gain more than they cost (measured on two cores)."""

# Pillow also reads formats that start other programs (EPS) or take nearly anything for a picture (TGA).
_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TIFF", "WEBP")

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture upright, by its orientation in EXIF."""


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


@dataclass(frozen=True, slots=True)
class Decoded:
    """Decoded files.

    Args:
        pictures: A row of pixels for each file.
        reasons: For each file why its row must not be used, or `None`.
        whites: The values that are white, of files with more than 8 bits.
        crop: Whether they are the middle squares of the pictures.
        notes: What a user should know of that.
    """

    pictures: Pictures
    reasons: list[str | None]
    whites: Whites
    crop: bool = False
    notes: tuple[str, ...] = ()


def decode(
    files: Sequence[File],
    *,
    image_size: Size | None,
    limits: Limits,
    whites: Whites | None = None,
    crop: bool | None = False,
) -> Decoded:
    """Decodes files to one size. Of those with more than 8 bits one value is white for all: see `levels`.

    Args:
        files: The files.
        image_size: The side of the squares, in pixels, or the height and width; `None` chooses from the pictures.
        limits: What is too much.
        whites: Those of other pictures, whose model is to see these. What they lack is 65535 for whole numbers, and 1
            for floats. `None` chooses both.
        crop: Whether to take the middle square of each picture, in place of squashing it; `None` chooses that from the
            pictures.

    Raises:
        DataError: the pictures fit neither into memory nor on the disk.
        SettingsError: `image_size` is too small.
    """
    # Pillow warns of broken metadata and of large pictures; whether they matter is judged here.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        attempts = [_attempt(_measure, file, limits) for file in files]
        measured = [found for found, _ in attempts if found is not None]
        cut = [
            file.path for file, (found, _) in zip(files, attempts, strict=True) if found is not None and found.is_cut
        ]
        whites, reason_beyond, notes = _whites(measured, UNKNOWN if whites is None else whites.filled())
        shapes = [one.shape for one in measured]
        shape = choose_shape([shape[::-1] for shape in shapes], image_size=image_size) if measured else (SIZES[0],) * 2
        is_cropped = choose_crop(shapes) if crop is None else crop
        pictures = picture_arrays.empty((len(files), *shape, 3))

        def fill(position: int) -> str | None:
            found, reason = attempts[position]
            if found is None or (reason := reason_beyond(found)):
                return reason
            return _attempt(_decode, files[position], limits, whites, is_cropped, pictures[position])[1]

        if cut:
            notes = (
                *notes,
                f"Of {plural(len(cut), 'file')} with 16 bits of each color only the upper 8 are read ({cut[0]}): save "
                "them as PNG where their colors are too dark so.",
            )
        return Decoded(pictures, for_each(fill, range(len(files)), size=max(shape)), whites, is_cropped, notes)


@dataclass(frozen=True, slots=True)
class _Measured:
    """Width and height of a picture, in pixels, and the levels of one with more than 8 bits.

    Such a one is cut where not all of its bits can be read.
    """

    shape: tuple[int, int]
    levels: Levels | None = None
    is_float: bool = False
    is_cut: bool = False


def _whites(
    measured: Sequence[_Measured], given: Whites
) -> tuple[Whites, Callable[[_Measured], str | None], tuple[str, ...]]:
    """Chooses what is white where that is not given, and tells which pictures do not fit."""
    chosen, notes = given, []
    for is_float in (False, True):
        levels = [one.levels for one in measured if one.levels is not None and one.is_float == is_float]
        if not levels or given.given(is_float=is_float) is not None:
            continue
        together = Levels.joined(levels)
        try:
            white = together.white(is_float=is_float)
        except ValueError:
            # Every one of these alone has a range.
            white = 65535
        chosen = Whites(chosen.integers, white) if is_float else Whites(white, chosen.floats)
        if (note := describe(together, white)) is not None:
            notes.append(f"{len(levels)} files hold more than 8 bits. {note}")

    def reason(one: _Measured) -> str | None:
        white = given.given(is_float=one.is_float)
        if white is None or one.levels is None or not one.levels.is_beyond(white):
            return None
        return f"has values up to {one.levels.high:g}, and white is {white} in the pictures of this model"

    return chosen, reason, tuple(notes)


def choose_shape(shapes: Sequence[tuple[int, int]], *, image_size: Size | None) -> tuple[int, int]:
    """Chooses the height and the width in which pictures are stored: those of a square, with few exceptions.

    Squares of one size stay as they are, and so do other pictures of one size with no side above 16 pixels. All others
    take the next of `SIZES` above the median of their longer sides. 224 is the most.

    Args:
        shapes: Height and width of each picture, in pixels.
        image_size: The side that was asked for, or height and width, or `None`.

    Returns:
        Height and width, in pixels.

    Raises:
        SettingsError: `image_size` is too small.
    """
    smallest, largest = SIZES[0], SIZES[-1]
    if isinstance(image_size, tuple):
        return image_size
    if image_size is not None:
        if not isinstance(image_size, int) or image_size < smallest:
            raise SettingsError(
                f"`image_size` must be a whole number of pixels, at least {smallest}. Received: {image_size}."
            )
        return image_size, image_size
    if len(set(shapes)) == 1 and shapes[0][0] != shapes[0][1] and max(shapes[0]) <= _LONGEST_AS_IT_IS:
        return shapes[0]
    longer = np.array(shapes).max(axis=1)
    wanted = min(max(int(np.median(longer)), smallest), largest)
    if len(set(shapes)) == 1 and shapes[0] == (wanted, wanted):
        return wanted, wanted
    size = next(size for size in SIZES if size >= wanted)
    return size, size


def choose_crop(shapes: Sequence[tuple[int, int]]) -> bool:
    """Tells whether to learn from the middle squares of pictures, as networks for ImageNet do.

    That keeps the proportions of things. Where many pictures are long or wide, too much would be cut off, and small
    ones mostly hold one thing that fills them.

    Args:
        shapes: Two sides of each picture, in pixels.
    """
    if not shapes:
        return False
    shorter, longer = np.sort(np.array(shapes), axis=1).T
    is_usual = 1 < np.quantile(longer / shorter, 0.9, method="lower") <= _MOST_CROPPED
    return bool(is_usual and np.median(shorter) >= _LEAST_CROPPED)


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


def resize(image: Image.Image, shape: tuple[int, int], *, crop: bool = False) -> Pictures:
    """Brings an RGB image to a size, antialiased; one of that size keeps its pixels.

    Args:
        image: The image.
        shape: Height and width, in pixels.
        crop: Whether what comes out is the middle square of the image, or all of it, squashed.
    """
    if crop:
        side = min(image.size)
        left, top = ((length - side) // 2 for length in image.size)
        image = image.crop((left, top, left + side, top + side))
    found = image if image.size == shape[::-1] else image.resize(shape[::-1], Image.Resampling.BILINEAR)
    return np.asarray(found, np.uint8)


class UnusableError(Exception):
    """Says why a picture is skipped."""


def _attempt(function: Callable[..., _Answer], *arguments: Any) -> tuple[_Answer | None, str | None]:
    """Returns an answer and no reason, or no answer and the reason."""
    try:
        return function(*arguments), None
    except MemoryError:
        raise
    except UnusableError as error:
        return None, str(error)
    except OSError as error:
        return None, f"cannot be read: {os_reason(error)}"
    except Exception as error:
        # Decoders meet broken files with errors of every kind.
        return None, f"is broken: {str(error).strip() or type(error).__name__}"


@contextlib.contextmanager
def opened(file: File, limits: Limits) -> Iterator[Image.Image]:
    """Opens a picture without decoding it.

    Args:
        file: Its file.
        limits: What is too much.

    Raises:
        UnusableError: it is none, or too large.
    """
    if file.num_bytes == 0:
        raise UnusableError("is empty")
    if file.num_bytes > limits.max_file_bytes:
        raise UnusableError(f"is larger than {limits.max_file_bytes:,} bytes")
    # Pillow knows its formats from then on only; it does so once.
    Image.init()
    too_large = UnusableError(f"has more than {limits.max_pixels:,} pixels")
    with file.open() as stream:
        try:
            image = Image.open(stream, formats=[name for name in _FORMATS if name in Image.OPEN])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise too_large from None
        except UnidentifiedImageError:
            raise UnusableError(kinds.name_file(stream)) from None
        if isinstance(image, TiffImagePlugin.TiffImageFile) and kinds.is_raw(image.tag_v2):
            raise UnusableError(kinds.RAW)
        if image.width * image.height > limits.max_pixels:
            raise too_large
        yield image


def _measure(file: File, limits: Limits) -> _Measured:
    with opened(file, limits) as image:
        if not deep.is_deep(image):
            return _Measured(image.size, is_cut=deep.is_cut(image))
        values, _ = deep.values(image, partial(opened, file, limits))
        found, is_float = Levels.of(values), image.mode == "F"
        try:
            found.white(is_float=is_float)
        except ValueError as error:
            raise UnusableError(f"has {error}: expected up to 16 bits, or floats 0-1 or 0-255") from None
        return _Measured(image.size, found, is_float)


def _decode(file: File, limits: Limits, whites: Whites, crop: bool, out: Pictures) -> None:
    shape = out.shape[:2]
    with opened(file, limits) as image:
        if deep.is_deep(image):
            values, opacity = deep.values(image, partial(opened, file, limits))
            white = whites.given(is_float=image.mode == "F")
            rgb = _on_white(Image.fromarray(to_bytes(values, white or 65535)).convert("RGB"), Image.fromarray(opacity))
        else:
            # A JPEG far larger than needed is decoded at an eighth, a quarter or half its size, at least twice `out`.
            image.draft(None, (2 * shape[1], 2 * shape[0]))
            rgb = _rgb(image)
        # A PNG may say after its pixels how it was held.
        turn = _TURNS.get(orientation(image))
        out[:] = resize(rgb if turn is None else rgb.transpose(turn), shape, crop=crop)


def orientation(image: Image.Image) -> int:
    """How a camera was held, as EXIF has it: 1 for upright, and for pictures that do not say."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # Metadata break in as many ways as pictures do, and a picture is not given up for them.
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    """Converts a picture of 8 bits to RGB, transparency on white."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return _on_white(image.convert("RGB"), image.getchannel("A"))
    return image.convert("RGB")


def _on_white(rgb: Image.Image, opacity: Image.Image) -> Image.Image:
    if opacity.getextrema() == (255, 255):
        return rgb
    rgb.putalpha(opacity)
    return Image.alpha_composite(Image.new("RGBA", rgb.size, "white"), rgb).convert("RGB")
