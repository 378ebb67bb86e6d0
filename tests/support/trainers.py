"""Trainers of pictures with random weights, and time that only they move on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.trainer import Trained, Trainer
from kevo.training.effort import Earlier

RANDOM = {
    ("vgg16", None): Weights(backbone="vgg16", source="none"),
    ("mobilenet", 0.25): Weights(backbone="mobilenet", source="none", alpha=0.25),
}


def trainer(dataset: ImageDataset, **options: Any) -> Trainer:
    return Trainer(dataset, weights=RANDOM, **options)


def paused(trained: Trained, path: Path) -> Earlier:
    trained.deployable().save(path)
    return Earlier(path, trained.history, trained.stages)


class Clock:
    """Time that passes only where a training says how far it is.

    A word that does not go one step further is about validation, at the end of an epoch or of what there was of it.

    Args:
        train: Seconds for each word about training.
        validation: Seconds for each word about validation.
    """

    def __init__(self, *, train: float = 0.0, validation: float = 0.0) -> None:
        self.now = 0.0
        self._seconds = (train, validation)
        self._last = 0.0
        self._step = 0.0

    def monotonic(self) -> float:
        return self.now

    def progress(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        # The word of what a validation has found comes when it is over.
        if stage not in ("features", "probe") and not any(name.startswith("val_") for name in metrics):
            self._step = self._step or done
            self.now += self._seconds[not np.isclose(done - self._last, self._step)]
            self._last = done
