"""The values of mask files and the classes that they stand for: 0 and 1, 0 and 255, indices, palettes or colors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from kevo.errors import DataError
from kevo.tasks.images.datasets.dataset import Limits
from kevo.tasks.images.datasets.pictures import File, UnusableError, opened
from kevo.tasks.outputs.masks.output import PixelClasses

_COLOR = 1 << 24
"""Is added to colors, packed as 0xRRGGBB, so that they are no shades of grey."""
_MOST_CLASSES = 64
_VOID = 255
"""In palettes with other classes it marks edges that count as nothing (Pascal VOC)."""
_FEW_VALUES = 8
_WHITE_FROM, _CLEAR = 64, 0.9
"""Masks whose pixels are nearly all close to the darkest or the brightest value, this far apart, are of two values."""
_NEAR = 16

Values = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Coding:
    """Which values stand for which class.

    Args:
        values: That of the background, and of each class, in order.
        threshold: Values from it on are the only class; `None` where values are exact.
        void: A value that counts as background beside the others, as negative ones do; `None` for none.
    """

    values: tuple[int, ...]
    threshold: int | None = None
    void: int | None = None

    def output(self) -> PixelClasses:
        """Returns what is asked of pixels."""
        if len(self.values) == 2:
            return PixelClasses(("foreground",), self.values)
        return PixelClasses(tuple(map(_name, self.values[1:])), self.values)

    def classes(self, values: Values) -> npt.NDArray[np.uint8]:
        """Returns the class of each value; 0 is the background.

        Raises:
            UnusableError: a value stands for no class.
        """
        if self.threshold is not None:
            return (values >= self.threshold).astype(np.uint8)
        known = np.array(sorted(self.values))
        order = np.argsort(self.values)
        counts_not = (values == self.void) | ((values < 0) & (known[0] >= 0))
        plain = np.where(counts_not, self.values[0], values)
        places = np.clip(np.searchsorted(known, plain), 0, len(known) - 1)
        unknown = known[places] != plain
        if unknown.any():
            raise UnusableError(
                f"holds {_name(int(plain[unknown][0]))}, and the masks that are learned from hold "
                f"{', '.join(map(_name, self.values[:10]))}"
            )
        return order[places].astype(np.uint8)


def read(file: File, limits: Limits) -> Values:
    """Reads the values of a mask, upright, shape (height, width).

    Palettes are read as their indices; what is grey as its shade; other colors as 0xRRGGBB. Opacity means nothing, but
    where there is one color only.

    Raises:
        UnusableError: it is no picture, or none of whole numbers.
        OSError: it cannot be read.
    """
    with opened(file, limits) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "F":
            return whole(np.asarray(upright))
        if upright.mode in ("P", "1", "L") or upright.mode.startswith("I"):
            return np.asarray(upright).astype(np.int64)
        if upright.mode in ("LA", "PA", "RGBA"):
            *colors, opacity = (np.asarray(channel).astype(np.int64) for channel in upright.split())
            if all(np.ptp(one) == 0 for one in colors) and np.ptp(opacity):
                return opacity
            if len(colors) == 1:
                return colors[0]
        return _packed(np.asarray(upright.convert("RGB")).astype(np.int64))


def of_arrays(masks: npt.NDArray[Any]) -> Values:
    """Returns the values of masks in an array, shape (n, height, width).

    Args:
        masks: A number for each pixel, shape (n, height, width[, 1]); 1 at the place of its class and else 0, shape (n,
            height, width, num_classes); or colors, shape (n, height, width, 3 or 4), whose opacity means nothing.

    Raises:
        DataError: they are something else.
    """
    try:
        values = whole(masks)
    except UnusableError as error:
        raise DataError(f"A mask {error}. Expected the number of a class for each pixel.") from error
    if values.ndim == 3:
        return values
    num = values.shape[3]
    if num == 1:
        return values[..., 0]
    if values.min() >= 0 and (values.sum(axis=-1) == 1).all():
        places: Values = values.argmax(axis=-1)
        return places
    if num in (3, 4) and values.min() >= 0 and values.max() <= _VOID:
        return _packed(values[..., :3])
    raise DataError(
        f"The masks have {num} numbers for each pixel, from {values.min()} to {values.max()}. Expected one number, 1 "
        "at the place of the class and else 0, or colors 0-255."
    )


def _packed(colors: Values) -> Values:
    """Returns shades of grey, and other colors as 0xRRGGBB beyond them, from colors, shape (..., 3)."""
    red, green, blue = np.moveaxis(colors, -1, 0)
    is_grey = (red == green) & (green == blue)
    packed: Values = np.where(is_grey, red, _COLOR + (red << 16) + (green << 8) + blue)
    return packed


def whole(values: npt.NDArray[Any]) -> Values:
    """Returns values as whole numbers.

    Raises:
        UnusableError: some are none.
    """
    if values.dtype.kind == "f":
        rounded = np.rint(values)
        if (is_none := ~(np.isfinite(values) & (rounded == values))).any():
            raise UnusableError(f"holds {values[is_none].flat[0]:g}, which is no whole number")
        values = rounded
    return values.astype(np.int64)


def choose(counts: Mapping[int, int]) -> tuple[Coding, str]:
    """Tells which values stand for classes.

    Args:
        counts: How many pixels have each value, over all masks.

    Returns:
        The coding, and what was decided, in a sentence.

    Raises:
        DataError: there is one value only, or there are too many for classes.

    Example:
        >>> choose({0: 900, 255: 100})[1]
        'The masks hold 0 (background, 90.0 % of the pixels) and 255 (foreground, 10.0 %).'
    """
    total = sum(counts.values())
    values, void, note = sorted(counts), None, ""
    if values and values[0] < 0 and sum(value >= 0 for value in values) > 1:
        values = [value for value in values if value >= 0]
        note = " Negative values mark pixels that count as nothing: they are taken for background."
    if len(values) < 2:
        raise DataError(
            f"The masks hold one value only: {values[0] if values else 'none'}. Expected the background and at least "
            "one class, such as 0 and 255."
        )
    low, high = values[0], values[-1]
    near = sum(num for value, num in counts.items() if value <= low + _NEAR or value >= high - _NEAR)
    if len(values) > _FEW_VALUES and _WHITE_FROM <= high - low <= _VOID and near >= _CLEAR * total:
        threshold = (low + high + 1) // 2
        share = sum(num for value, num in counts.items() if value >= threshold) / total
        return Coding((low, high), threshold), (
            f"The masks hold {len(values)} shades from {low} to {high}, as packed or resized ones do: from {threshold} "
            f"on a pixel is foreground ({share:.1%} of the pixels)."
        ).replace("%", " %")
    if _VOID in values and len(values) > 2 and values[-2] < _MOST_CLASSES and high == _VOID:
        void = _VOID
        values.remove(_VOID)
        note += f" {_VOID} marks pixels that count as nothing, as in Pascal VOC: they are taken for background."
    if len(values) > _MOST_CLASSES:
        raise DataError(
            f"The masks hold {len(values):,} values, such as {', '.join(map(_name, values[1:6]))}. Expected one for "
            f"each class, {_MOST_CLASSES} at most: save masks as PNG, whose pixels stay what they are."
        )
    # Black is the background; where there is none, the lowest value.
    coding = Coding(tuple(values), void=void)
    shares = [counts[value] / total for value in values]
    names = ("background", *coding.output().classes)
    told = [f"{_value(value)} ({name}, {share:.1%})" for value, name, share in zip(values, names, shares, strict=True)]
    told[0] = f"{_value(values[0])} (background, {shares[0]:.1%} of the pixels)"
    listed = f"{', '.join(told[:-1])} and {told[-1]}"
    return coding, f"The masks hold {listed}.{note}".replace("%", " %")


def fitting(output: PixelClasses, counts: Mapping[int, int]) -> Coding:
    """Returns how masks are read for a model that is there already.

    Args:
        output: What the model answers.
        counts: How many pixels of these masks have each value.
    """
    if len(output.values) > 2:
        return Coding(output.values, void=None if _VOID in output.values else _VOID)
    # 0 and 1, 0 and 255, or shades between: with one class all mean the same.
    low, high = min((*counts, 0)), max((*counts, 0))
    if set(counts) <= set(output.values) or high <= low:
        return Coding(output.values)
    return Coding((low, high), (low + high + 1) // 2)


def count(values: Values) -> Counter[int]:
    """Returns how many pixels have each value."""
    found, numbers = np.unique(values, return_counts=True)
    return Counter(dict(zip(found.tolist(), numbers.tolist(), strict=True)))


def resized(classes: npt.NDArray[np.uint8], side: int, *, num_classes: int) -> npt.NDArray[np.uint8]:
    """Brings a mask to a square: of one class by the share of what falls together, of several by the nearest pixel.

    Args:
        classes: The class of each pixel, shape (height, width).
        side: Side of the square, in pixels.
        num_classes: Number of classes without the background.

    Returns:
        Shape (side, side, 1).
    """
    if classes.shape != (side, side):
        if num_classes == 1 and min(classes.shape) > side:
            image = Image.fromarray(255 * classes).resize((side, side), Image.Resampling.BOX)
            classes = (np.asarray(image) >= _VOID // 2 + 1).astype(np.uint8)
        else:
            classes = np.asarray(Image.fromarray(classes).resize((side, side), Image.Resampling.NEAREST))
    return classes[..., np.newaxis]


def _value(value: int) -> str:
    return f"#{value - _COLOR:06x}" if value >= _COLOR else str(value)


def _name(value: int) -> str:
    return _value(value) if value >= _COLOR else f"class {value}"
