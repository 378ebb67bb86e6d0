"""Small pictures with bright disks, and their masks, shared by the tests of masks."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.masks.loading import load

SIDE = 32
GENOME: dict[str, Any] = {
    "family": "unet",
    "crop": 32,
    "reduce": 1,
    "unet/depth": 1,
    "unet/width": 8,
    "unet/growth": 2.0,
    "unet/block": "conv",
    "unet/kernel": 3,
    "unet/dilation": 1,
    "unet/skip": "concat",
    "unet/up": "smooth",
    "unet/norm": "batch",
    "unet/attention": False,
    "unet/activation": "relu",
    "unet/dropout": 0.0,
    "augment": "turn",
    "loss": "bce_dice",
    "optimizer": "adam",
    "learning_rate": 0.02,
    "schedule": "cosine",
    "batch_size": 4,
}
ON_BACKBONE: dict[str, Any] = {
    **{name: value for name, value in GENOME.items() if name != "unet/depth"},
    "family": "pretrained_unet",
    "backbone": "mobilenet_v2",
    "mobilenet_v2/alpha": 0.35,
    "encoder/depth": 3,
    "unet/block": "separable",
}


def disks(
    num: int = 24, *, classes: int = 1, side: int = SIDE, seed: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Returns pictures, shape (num, side, side, 3), and masks, shape (num, side, side).

    The first class are bright disks, the second red ones; dark disks are background as all the rest.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    pictures, masks = rng.integers(60, 120, (num, side, side, 3), dtype=np.uint8), np.zeros((num, side, side), np.uint8)
    for picture, mask in zip(pictures, masks, strict=True):
        for kind in (0, *range(1, classes + 1)):
            radius = rng.integers(side // 8, side // 4)
            row, column = rng.integers(radius, side - radius, 2)
            is_in = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
            color = ((20, 20, 20), (200, 200, 200), (220, 30, 30))[kind]
            picture[is_in] = np.clip(np.array(color) + rng.integers(-15, 16, (int(is_in.sum()), 3)), 0, 255)
            mask[is_in] = kind
    return pictures, masks


def write_folder(folder: Path, num: int = 24, *, white: int = 255, splits: tuple[str, ...] = (), seed: int = 0) -> Path:
    """Writes images/ and masks/, perhaps inside of the folders of splits.

    Args:
        folder: Where to.
        num: Number of pictures of each split.
        white: The value of a disk in masks.
        splits: The splits; none for pictures that are not divided.
        seed: Seed of the pictures.
    """
    for number, split in enumerate(splits or ("",)):
        pictures, masks = disks(num, seed=seed + number)
        for name in ("images", "masks"):
            (folder / split / name).mkdir(parents=True)
        for place, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
            Image.fromarray(picture).save(folder / split / "images" / f"p{place}.png")
            Image.fromarray(mask * np.uint8(white)).save(folder / split / "masks" / f"p{place}.png")
    return folder


def small_dataset(num: int = 24, *, classes: int = 1) -> ImageDataset:
    """Returns disks as a data set."""
    return load(disks(num, classes=classes))
