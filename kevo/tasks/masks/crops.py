"""Crops of pictures and of their masks, changed together: what moves a pixel moves its class."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from kevo.tasks.images import picture_arrays
from kevo.tasks.images.picture_arrays import Pictures

_MOST_COPIES = 4
_MOST_BYTES = 512 * 1024**2
"""Copies are left out beyond that."""
_MOST_CROPS = 12_000
"""So many crops are cut in a few seconds."""
_ON_A_CLASS = 3
"""Every third crop is around a pixel of a class, so that small ones are seen too."""
_TURN, _ZOOM, _CONTRAST = math.radians(20), 0.2, 0.25
"""How far `move` goes, either way."""


class Crops(NamedTuple):
    """Several copies of crops, one copy after the other, and the classes of their pixels.

    Args:
        pictures: Pixels 0-255, shape (num_copies * n, crop, crop, 3).
        masks: Shape (num_copies * n, crop, crop, 1).
        num_copies: How many copies. Crop number k is of the same picture in each of them.
    """

    pictures: Pictures
    masks: Pictures
    num_copies: int


def cut(pictures: Pictures, masks: Pictures, *, crop: int, augment: str, seed: int = 0) -> Crops:
    """Cuts crops out of pictures: of each as many as cover its area, in each copy others.

    Args:
        pictures: Pixels 0-255, shape (n, side, side, 3).
        masks: Classes, shape (n, side, side, 1).
        crop: Side of the crops, in pixels; the pictures' own side takes them as a whole.
        augment: `none`; `mirror`: half of the crops are mirrored from left to right; `turn`: any of the eight ways in
            which a square can lie; `move`: turned, zoomed and with another contrast too.
        seed: The same seed cuts the same crops.
    """
    side = pictures.shape[1]
    num_each = math.ceil((side / crop) ** 2)
    num = num_each * len(pictures)
    num_copies = 1
    if augment != "none" or crop < side:
        num_copies = max(1, min(_MOST_COPIES, _MOST_BYTES // (4 * num * crop**2), _MOST_CROPS // num))
    out = picture_arrays.empty((num_copies * num, crop, crop, 3))
    classes = picture_arrays.empty((num_copies * num, crop, crop, 1))
    rng = np.random.default_rng((seed, side, crop))
    margin = crop // 2 if augment == "move" else 0
    for place, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        # What lies beyond the edge is the picture's mirror image.
        padded = [
            np.pad(one, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric") for one in (picture, mask)
        ]
        images = [Image.fromarray(padded[0]), Image.fromarray(padded[1][..., 0])]
        positions = np.argwhere(mask[..., 0] > 0)
        for copy in range(num_copies):
            start = copy * num + place * num_each
            for number, (left, top) in enumerate(_corners(rng, positions, num_each, side=side, crop=crop)):
                coefficients, contrast = _change(rng, augment, left + margin, top + margin, crop)
                resamplings = (Image.Resampling.BILINEAR, Image.Resampling.NEAREST)
                found, class_of = (
                    np.asarray(image.transform((crop, crop), Image.Transform.AFFINE, coefficients, resampling))
                    for image, resampling in zip(images, resamplings, strict=True)
                )
                out[start + number] = _contrasted(found, contrast)
                classes[start + number] = class_of[..., np.newaxis]
    return Crops(out, classes, num_copies)


def _corners(
    rng: np.random.Generator, positions: npt.NDArray[np.int64], num: int, *, side: int, crop: int
) -> Iterator[tuple[int, int]]:
    """Yields left and top of crops inside a picture, some of them around a pixel of a class."""
    for number in range(num):
        if len(positions) and number % _ON_A_CLASS == 0:
            top, left = (positions[rng.integers(len(positions))] - rng.integers(crop, size=2)).tolist()
        else:
            top, left = rng.integers(side - crop + 1, size=2).tolist()
        yield min(max(left, 0), side - crop), min(max(top, 0), side - crop)


def _change(
    rng: np.random.Generator, augment: str, left: int, top: int, crop: int
) -> tuple[tuple[float, ...], tuple[float, float]]:
    """Returns where each pixel of a crop comes from, as Pillow takes it, and its contrast and brightness."""
    matrix, contrast = np.eye(2), (1.0, 0.0)
    if augment == "mirror":
        matrix[0, 0] = rng.choice((-1, 1))
    elif augment in ("turn", "move"):
        quarters = int(rng.integers(4))
        matrix = np.array([[0, -1], [1, 0]]) if quarters % 2 else np.eye(2)
        matrix = matrix * (-1 if quarters > 1 else 1) @ np.diag((rng.choice((-1, 1)), 1))
    if augment == "move":
        angle, zoom = rng.uniform(-_TURN, _TURN), np.exp(rng.uniform(-_ZOOM, _ZOOM))
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = zoom * turned @ matrix
        contrast = 1 + rng.uniform(-_CONTRAST, _CONTRAST), 255 * rng.uniform(-_CONTRAST, _CONTRAST) / 4
    half = crop / 2
    x, y = np.array([left + half, top + half]) - matrix @ np.array([half, half])
    (a, b), (c, d) = matrix.tolist()
    return (a, b, float(x), c, d, float(y)), contrast


def _contrasted(pixels: npt.NDArray[np.uint8], contrast: tuple[float, float]) -> npt.NDArray[np.uint8]:
    factor, shift = contrast
    if (factor, shift) == (1.0, 0.0):
        return pixels
    mean = pixels.mean()
    changed: npt.NDArray[np.uint8] = np.clip(np.rint((pixels - mean) * factor + mean + shift), 0, 255).astype(np.uint8)
    return changed
