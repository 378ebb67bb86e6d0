"""An export beside its Keras model: whether they predict the same, how well, and how fast."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kevo.export.formats import Predict
from kevo.export.sources import some
from kevo.tasks.images import networks
from kevo.tasks.images.datasets import Split

MAX_DIFFERENCE = 1e-3
"""By how much a probability may differ where numbers are stored as floats."""
MAX_ACCURACY_LOSS = 0.02
"""By how much less accurate a quantized export may be; single probabilities differ by more."""
_MAX_SCORED = 1000
_CHUNK = 32
_NUM_ODD = 4
_NUM_RUNS, _MIN_RUNS, _MAX_SECONDS = 30, 5, 3.0


@dataclass(frozen=True, slots=True)
class Accuracies:
    """Shares of test pictures whose class is found.

    Args:
        export: By the export.
        keras: By the Keras model.
        num_pictures: Of so many pictures.
    """

    export: float
    keras: float
    num_pictures: int


def batches(
    pictures: npt.NDArray[np.uint8], *, size: tuple[int, int] | None, chunk: int = _CHUNK
) -> Iterator[npt.NDArray[np.float32]]:
    """Yields pictures in batches, at the size that an export takes.

    Args:
        pictures: Pixels 0-255, shape (n, height, width, 3).
        size: Height and width, in pixels; `None` leaves them as they are.
        chunk: Pictures in a batch.
    """
    for start in range(0, len(pictures), chunk):
        pixels = pictures[start : start + chunk].astype(np.float32)
        yield pixels if size is None else np.asarray(networks.resize(pixels, size))


def difference(
    predict: Predict, reference: Predict, pictures: npt.NDArray[np.uint8], *, size: tuple[int, int] | None
) -> float:
    """Returns by how much a probability differs at most; infinity where one is no number.

    An export that takes pictures of any size is tried on higher and wider ones too.
    """
    largest = 0.0
    sizes: list[tuple[int, int] | None] = [size]
    if size is None:
        height, width = pictures.shape[1:3]
        sizes += [(height * 3 // 2, max(1, width * 3 // 4)), (height // 2 + 1, width * 2)]
    for number, one in enumerate(sizes):
        for pixels in batches(pictures[:_NUM_ODD] if number else pictures, size=one):
            found, expected = predict(pixels), reference(pixels)
            if found.shape != expected.shape or not np.isfinite(found).all():
                return float("inf")
            largest = max(largest, float(np.abs(found - expected).max()))
    return largest


def accuracies(predict: Predict, reference: Predict, split: Split, *, size: tuple[int, int] | None) -> Accuracies:
    """Scores an export and its Keras model on the same pictures: all of a split, or 1,000 of it by chance.

    The Keras model sees the pictures as they are stored; the export at the size that it takes.
    """
    chosen = some(len(split), _MAX_SCORED)
    pictures, labels = split.pictures[chosen], split.labels[chosen]

    def score(one: Predict, its_size: tuple[int, int] | None) -> float:
        found = np.concatenate([one(pixels).argmax(axis=1) for pixels in batches(pictures, size=its_size)])
        return float((found == labels).mean())

    return Accuracies(score(predict, size), score(reference, None), len(chosen))


def latency(predict: Predict, picture: npt.NDArray[np.float32]) -> float:
    """Returns the median of the seconds that one picture takes, once everything is warm."""
    for _ in range(3):
        predict(picture)
    seconds: list[float] = []
    while len(seconds) < _MIN_RUNS or (len(seconds) < _NUM_RUNS and sum(seconds) < _MAX_SECONDS):
        began = time.perf_counter()
        predict(picture)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
