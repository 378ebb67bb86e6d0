"""One measurement: the recipe with one change, trained by kevo's own trainer."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.processes import in_its_own_process, machine

_LARGE = 2048
"""Rows and columns of matrices whose product shows what a core can do."""
_NUM_PRODUCTS = 10
_PICTURES = "cifar10_subset.zip"
_THREE = {f"conv/block_{block}/num_convs": 3 for block in (1, 2, 3)}
_TWICE_AS_WIDE = {f"conv/block_{block}/filters": 32 * 2**block for block in (1, 2, 3)}
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "the recipe": {},
    "pooling after the last convolution of a block": {"conv/early_pooling": False},
    "separable convolutions": {"conv/convolution": "separable"},
    "separable, twice as many channels": {"conv/convolution": "separable", **_TWICE_AS_WIDE},
    "twice as many channels": _TWICE_AS_WIDE,
    "squeeze and excite": {"conv/squeeze_excite": True},
    "three convolutions a block": _THREE,
    "three, with shortcuts": {**_THREE, "conv/shortcut": True, "conv/drop_path": 0.0},
    "three, with shortcuts and drop path 0.1": {**_THREE, "conv/shortcut": True, "conv/drop_path": 0.1},
    "the third block sees the first": {"conv/block_3/from_1": True},
    "dropout 0.2 before the head": {"head/dropout": 0.2},
    "label smoothing 0.1": {"label_smoothing": 0.1},
}
"""What is measured: genes that differ from the recipe's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One training.

    Args:
        change: One of `CHANGES`.
        epochs: How long it was.
        seed: Seed of weights, order and augmentation.
        validation: Accuracy on the validation pictures, after the best epoch.
        test: Accuracy on the test pictures.
        num_parameters: Size of the network.
        cpu_seconds: Seconds of one core that the training took.
        flops: Floating-point operations that it needs: convolutions and matrix products, a step of training three times
            those of a pass.
        peak: Floating-point operations a second that one core reaches in a product of large matrices.
        machine: Describes the machine.
    """

    change: str
    epochs: int
    seed: int
    validation: float
    test: float
    num_parameters: int
    cpu_seconds: float
    flops: float
    peak: float
    machine: str

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Measurement:
        """Returns the measurement from decoded JSON of its fields."""
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A measurement that is still to be made; the fields are those of `Measurement`."""

    change: str
    epochs: int
    seed: int
    data: Path


def measure(job: Job) -> Measurement:
    """Trains one network in a process of its own."""
    return in_its_own_process(_trained, job)


def _trained(job: Job) -> Measurement:
    import numpy as np

    from kevo.tasks.images import costs, datasets, genes, recipes
    from kevo.tasks.images.space import PRESETS
    from kevo.tasks.images.trainer import Trainer
    from kevo.training.effort import Effort
    from tuners.genome import SearchSpace

    dataset = datasets.load(str(job.data / _PICTURES), seed=0)
    space = dataclasses.replace(PRESETS["default"], block_connections=(False, True))
    search_space = SearchSpace.from_hyperparameters(
        genes.declare(space, image_size=dataset.image_size, num_pictures=len(dataset.train), alphas={})
    )
    recipe = search_space.default(recipes.recipe(space, image_size=dataset.image_size))
    genome = {**recipe, "mirror": False, **CHANGES[job.change]}
    trainer = Trainer(dataset, weights={}, seed=job.seed)
    began = time.process_time()
    trained = trainer.train(genome, Effort(num_epochs=job.epochs, patience=job.epochs))
    seconds = time.process_time() - began
    predicted = trained.deployable().predict(dataset.test.pictures, batch_size=250, verbose=0)
    return Measurement(
        change=job.change,
        epochs=job.epochs,
        seed=job.seed,
        validation=trained.metrics["val_accuracy"],
        test=float(np.mean(predicted.argmax(axis=1) == dataset.test.labels)),
        num_parameters=trained.num_parameters,
        cpu_seconds=seconds,
        flops=costs.flops(trained.network) * job.epochs * (3 * len(dataset.train) + len(dataset.validation)),
        peak=_peak(),
        machine=machine("tensorflow", "keras"),
    )


def _peak() -> float:
    """Returns the floating-point operations a second that one core reaches in products of large matrices."""
    import tensorflow as tf

    matrix = tf.random.uniform((_LARGE, _LARGE))
    tf.linalg.matmul(matrix, matrix)
    began = time.process_time()
    for _ in range(_NUM_PRODUCTS):
        tf.linalg.matmul(matrix, matrix).numpy()
    return _NUM_PRODUCTS * 2 * _LARGE**3 / (time.process_time() - began)
