"""How the mask that is predicted for one picture is told: in a line of a terminal, as JSON values, and as a file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kevo.runs.atomic_files import atomic_write_bytes
from kevo.tasks.outputs.located import Located, free_name

if TYPE_CHECKING:
    from PIL import Image

COLORS = (
    *((0, 0, 0), (230, 60, 60), (60, 180, 75), (67, 99, 216), (255, 225, 25), (245, 130, 49), (145, 30, 180)),
    *((70, 240, 240), (240, 50, 230), (210, 245, 60), (250, 190, 212), (0, 128, 128), (220, 190, 255), (154, 99, 36)),
)
"""The background and the first classes, told apart also on paper; further classes take them again."""

_OVERLAY_SIDE = 960
"""The longer side of a picture with its mask over it, in pixels at most."""
_COVERED = 0.6
"""How much of a pixel the color of its class covers."""


@dataclass(frozen=True, slots=True)
class MaskPrediction(Located):
    """The mask of a picture.

    Args:
        mask: The class of each pixel, shape (height, width); 0 is the background.
        names: The classes, without the background.
    """

    mask: npt.NDArray[np.uint8] = field(kw_only=False, compare=False)
    names: tuple[str, ...] = field(kw_only=False)

    @property
    def areas(self) -> Mapping[str, float]:
        """For each class its share of the pixels."""
        counts = np.bincount(self.mask.reshape(-1), minlength=len(self.names) + 1)
        return {name: float(counts[place] / self.mask.size) for place, name in enumerate(self.names, start=1)}

    def line(self, *, top: int = 1) -> str:
        """Returns the share of each class and the picture's name; there is no `top` of several."""
        return f"{', '.join(f'{share:.2%} {name}' for name, share in self.areas.items())}  {self.name}"

    def to_json(self, *, top: int | None = None) -> dict[str, Any]:
        """Returns the picture's size in pixels, and the share of each class, as JSON values."""
        height, width = self.mask.shape
        return {**self.place(), "width": width, "height": height, "area": dict(self.areas)}

    def write(self, folder: Path, *, taken: set[str]) -> Path:
        """Writes the mask as a PNG: 0 and 255 for one class, else a palette whose indices are the classes."""
        name = free_name(Path(self.path or f"row-{self.row}").stem, "mask.png", taken)
        content = io.BytesIO()
        image_of(self.mask, num_classes=len(self.names)).save(content, "png")
        atomic_write_bytes(folder / name, content.getvalue())
        return folder / name

    def drawings(self, picture: bytes | None) -> dict[str, Any]:
        """Returns the `mask` as `write` writes it; over the picture, made small, as `overlay`, with its `colors`."""
        from PIL import Image, ImageOps

        found: dict[str, Any] = {"mask": _as_png(image_of(self.mask, num_classes=len(self.names)))}
        if picture is None:
            return found
        with Image.open(io.BytesIO(picture)) as opened:
            upright = ImageOps.exif_transpose(opened)
        if upright.mode[0] in "IF":
            # Pillow takes all that is brighter than 255 for white.
            pixels = np.asarray(upright, np.float64)
            upright = Image.fromarray(np.uint8(255 * (pixels / max(1.0, pixels.max())).clip(0, 1)))
        below = upright.convert("RGB")
        below.thumbnail((_OVERLAY_SIDE, _OVERLAY_SIDE))
        mask = np.asarray(Image.fromarray(self.mask).resize(below.size, Image.Resampling.NEAREST))
        found["overlay"] = _as_png(Image.fromarray(overlay(np.asarray(below), mask)))
        found["colors"] = {name: "#" + bytes(color_of(place)).hex() for place, name in enumerate(self.names, start=1)}
        return found


def _as_png(image: Image.Image) -> str:
    content = io.BytesIO()
    image.save(content, "png")
    return base64.b64encode(content.getvalue()).decode()


def image_of(mask: npt.NDArray[np.uint8], *, num_classes: int) -> Image.Image:
    """Returns a mask as a picture; see `MaskPrediction.write`.

    Args:
        mask: The class of each pixel, shape (height, width).
        num_classes: Number of classes without the background.
    """
    # Whoever only looks tasks up does without it.
    from PIL import Image

    if num_classes == 1:
        return Image.fromarray(255 * (mask > 0).astype(np.uint8))
    image = Image.fromarray(mask)
    # Pillow makes a palette picture of it without touching the indices.
    image.putpalette([value for place in range(num_classes + 1) for value in color_of(place)])
    return image


def color_of(place: int) -> tuple[int, int, int]:
    """Returns the color of a class, by its place; 0 is the background."""
    return COLORS[place if place < len(COLORS) else 1 + (place - 1) % (len(COLORS) - 1)]


def overlay(picture: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Returns a picture in which each class has its color.

    Args:
        picture: Pixels 0-255, shape (height, width, 3).
        mask: The class of each pixel, shape (height, width); 0 stays as it is.
    """
    colors = np.array([color_of(place) for place in range(int(mask.max(initial=0)) + 1)], np.float32)[mask]
    share = _COVERED * (mask > 0)[..., np.newaxis]
    mixed: npt.NDArray[np.uint8] = np.rint((1 - share) * picture + share * colors).astype(np.uint8)
    return mixed
