"""What one stage of a training learns, and from what: plain values, from which any process makes the same training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import TRAIN_AND_VALIDATION
from kevo.tasks.images.space import Genome
from kevo.training import optimizers
from kevo.training.loop import Loop


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """What one stage of a training learns, in plain values.

    Args:
        genome: The genome.
        split: The pictures.
        num_epochs: How long the stage is at most: the learning rate falls over that.
        num_done: The epochs before a pause.
        learning_rate: That of fine-tuning; `None` elsewhere.
    """

    genome: Genome
    split: str
    num_epochs: int
    num_done: int
    learning_rate: float | None

    def loop(
        self, network: keras.Model, inputs: Sequence[npt.NDArray[Any]], *, dataset: ImageDataset, seed: int
    ) -> Loop:
        """Returns what trains a network.

        Args:
            network: The network.
            inputs: What it learns from: the `parts` of the split, once or in several copies, one after the other.
            dataset: The data set of that split.
            seed: Seed of the order of the examples.
        """
        genome, batch_size = self.genome, int(self.genome["batch_size"])
        labels = dataset.train.labels
        if self.split == TRAIN_AND_VALIDATION:
            labels = np.concatenate([labels, dataset.validation.labels])
        steps = math.ceil(len(labels) / batch_size)
        num_copies = sum(map(len, inputs)) // len(labels)
        labels = np.concatenate([labels] * num_copies)
        by_class = dataset.class_weights()
        return Loop(
            network,
            optimizer=optimizers.optimizer(
                genome,
                num_steps=self.num_epochs * steps,
                num_done=self.num_done * steps,
                fine_tune_rate=self.learning_rate,
            ),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=float(genome["label_smoothing"])),
            inputs=inputs,
            labels=np.eye(dataset.num_classes, dtype=np.float32)[labels],
            weights=None if by_class is None else np.array([by_class[label] for label in labels], np.float32),
            batch_size=batch_size,
            num_copies=num_copies,
            seed=seed,
        )
