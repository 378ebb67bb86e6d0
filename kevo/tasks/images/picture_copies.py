"""The copies of pictures that networks see: at their size, changed in one way, or turned over."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.images import networks, picture_arrays
from tuners.genome import Genome

Copy = tuple[str, str | float]
"""A copy of all pictures: the kind of change and its strength."""

PLAIN: Copy = ("plain", 0.0)
FLIPS: Mapping[str, tuple[slice, slice]] = {
    "horizontal": (slice(None), slice(None, None, -1)),
    "vertical": (slice(None, None, -1), slice(None)),
    "horizontal_and_vertical": (slice(None, None, -1), slice(None, None, -1)),
}
"""How rows and columns of a picture are turned."""
_BATCH_SIZE = 64


def augmented_copies(genome: Genome) -> list[Copy]:
    """Returns the copies of the training pictures that a head learns from, the pictures themselves first.

    In each epoch it sees every picture once, in one of the copies.

    Each kind of change makes one copy, so that genomes share them: what costs is the pass through the backbone.
    """
    if not genome["augment"]:
        return [PLAIN]
    changes = {kind: genome[f"augment/{kind}"] for kind in ("flip", "rotation", "zoom", "translation", "contrast")}
    return [PLAIN, *((kind, value) for kind, value in changes.items() if value not in ("none", 0.0))]


def test_time_views(genome: Genome) -> list[Copy]:
    """Returns the copies of a picture that a prediction is the mean over, the picture itself first."""
    return [PLAIN, ("flip", "horizontal")] if genome["mirror"] else [PLAIN]


def changed(pictures: npt.NDArray[np.uint8], copy: Copy) -> npt.NDArray[np.uint8]:
    """Returns a copy of pictures. Flips turn all of them: chance would leave half of them as they are."""
    kind, value = copy
    if kind == "plain":
        return pictures
    if kind == "flip":
        return pictures[:, FLIPS[str(value)][0], FLIPS[str(value)][1]]
    genes = dict.fromkeys(("rotation", "zoom", "translation", "contrast"), 0.0) | {"flip": "none", kind: value}
    changes = networks.augmentation(
        {"augment": True, **{f"augment/{gene}": one for gene, one in genes.items()}}, seed=1
    )
    return pictures if changes is None else _augment(pictures, changes)


def resized(pictures: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Returns pictures as (n, size, size, 3), rounded, resized as the deployed model resizes them."""
    result = picture_arrays.empty((len(pictures), size, size, 3))
    for start in range(0, len(pictures), _BATCH_SIZE):
        batch = networks.resize(pictures[start : start + _BATCH_SIZE].astype(np.float32), (size, size))
        result[start : start + _BATCH_SIZE] = np.rint(np.clip(batch, 0, 255))
    return result


def _augment(pictures: npt.NDArray[np.uint8], changes: keras.Sequential) -> npt.NDArray[np.uint8]:
    result = picture_arrays.empty(pictures.shape)
    for start in range(0, len(pictures), _BATCH_SIZE):
        batch = changes(pictures[start : start + _BATCH_SIZE].astype(np.float32), training=True)
        result[start : start + _BATCH_SIZE] = np.rint(np.clip(batch, 0, 255))
    return result
