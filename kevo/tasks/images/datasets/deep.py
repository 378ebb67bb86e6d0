"""Pictures with more than 8 bits: which files hold such, and their values.

Pillow has modes for one channel of more than 8 bits. Of 16-bit colors it keeps the upper byte only, but reads the lower
one where it is told that the bytes stand the other way round.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, TiffImagePlugin

Values = npt.NDArray[Any]

_CODECS = ("libtiff", "raw", "zip")
_NATIVE = "L" if sys.byteorder == "little" else "B"
_GREY_WITH_ALPHA = "LA;16B"
_COLORS = re.compile("(RGB|RGBA|RGBX|[RGBA]);16[BLN]")
_BITS_PER_SAMPLE, _PLANAR, _SEPARATE = 258, 284, 2


def is_deep(image: Image.Image) -> bool:
    """Whether a picture holds more than 8 bits of each color; one of colors must not have been loaded yet."""
    return _is_one_channel(image) or bool(_raw_modes(image))


def is_cut(image: Image.Image) -> bool:
    """Whether a picture that is not deep holds 16 bits of each color, of which Pillow keeps the upper 8."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return 16 in image.tag_v2.get(_BITS_PER_SAMPLE, ())
    # The last argument of packed rows is the number of bytes of a value.
    return any(
        tile.codec_name == "SGI16" or (tile.codec_name == "sgi_rle" and tile.args[-1] == 2)
        for tile in getattr(image, "tile", ())
    )


def values(image: Image.Image, reopen: Callable[[], AbstractContextManager[Image.Image]]) -> tuple[Values, Values]:
    """Reads a deep picture.

    Args:
        image: The picture, not loaded yet.
        reopen: Opens its file once more.

    Returns:
        The values of shape (height, width[, 3]), and how opaque each pixel is, 0-255, of shape (height, width).
    """
    transparent = image.info.get("transparency")
    if _is_one_channel(image):
        found = np.asarray(image)
        return found, _opaque(found[..., np.newaxis], transparent)
    raw_modes = _raw_modes(image)
    if raw_modes == [_GREY_WITH_ALPHA]:
        # Four bytes for each pixel, which RGBA has room for.
        _read_as(image, ["RGBA"])
        high, low = np.moveaxis(np.asarray(image).reshape(image.height, image.width, 2, 2), -1, 0)
        deep = (high.astype(np.uint16) << 8) | low
        return deep[..., 0], high[..., 1]
    with reopen() as again:
        _read_as(again, list(map(_swapped, raw_modes)))
        low = np.asarray(again)
    _read_as(image, raw_modes)
    high = np.asarray(image)
    deep = (high.astype(np.uint16) << 8) | low
    if deep.shape[2] == 4:
        return deep[..., :3], high[..., 3]
    return deep, _opaque(deep, transparent)


def _is_one_channel(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _raw_modes(image: Image.Image) -> list[str]:
    """How the 16-bit colors of a file are laid out; empty where it holds none that can be read in full."""
    if not isinstance(image, ImageFile.ImageFile) or image.mode not in ("RGB", "RGBA"):
        return []
    is_packed = any(tile.codec_name == "libtiff" for tile in image.tile)
    if is_packed and isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PLANAR) == _SEPARATE:
        # libtiff's own order of bytes cannot be turned round here.
        return []
    found = [_raw_mode(image, tile.args) for tile in image.tile if tile.codec_name in _CODECS]
    known = [mode for mode in found if mode == _GREY_WITH_ALPHA or _COLORS.fullmatch(mode)]
    return known if len(known) == len(image.tile) else []


def _raw_mode(image: ImageFile.ImageFile, args: Any) -> str:
    mode = str(args[0] if isinstance(args, tuple) else args)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and mode in tuple("RGBA"):
        # Pillow takes a plane of 16 bits for one of 8.
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, ())
        return f"{mode};16{'L' if image.tag_v2.prefix == b'II' else 'B'}" if set(bits) == {16} else mode
    return mode


def _swapped(raw_mode: str) -> str:
    order = _NATIVE if raw_mode[-1] == "N" else raw_mode[-1]
    return raw_mode[:-1] + ("B" if order == "L" else "L")


def _read_as(image: Image.Image, raw_modes: list[str]) -> None:
    """Changes how a file's bytes are taken, before they are read."""
    if not isinstance(image, ImageFile.ImageFile):
        raise TypeError(f"Expected a file that is not loaded yet. Received: {type(image).__name__}.")
    image.tile = [
        tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)
        for tile, raw_mode in zip(image.tile, raw_modes, strict=True)
    ]


def _opaque(deep: Values, transparent: Any) -> Values:
    """All pixels but those of the color that a PNG calls transparent."""
    if transparent is None or not np.issubdtype(deep.dtype, np.integer):
        return np.full(deep.shape[:2], 255, np.uint8)
    return np.where((deep == np.asarray(transparent)).all(axis=2), np.uint8(0), np.uint8(255))
