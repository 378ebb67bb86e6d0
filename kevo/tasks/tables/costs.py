"""The costs of a network for tables: parameters before it is built, and the time of its training."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tuners.genome import Genome

if TYPE_CHECKING:
    import keras

_NORM = 4
"""Parameters of batch norm for each unit: scale, offset, mean and variance."""
_SECONDS_PER_FLOP = 2e-11
"""How fast a machine is taken to be until it has shown it: two ordinary cores."""
_TRAINING_COST = 3
"""A step of training computes gradients too: those of the inputs and those of the weights."""
_BUILDING_SECONDS = 1.0
"""The time of building and tracing a network."""
_STEP_SECONDS = 1e-3
"""The time of a step beside its arithmetic."""
_LOADING_SECONDS, _COLUMN_SECONDS = 1.0, 0.01
"""An ensemble is scored like the best model, after its members were loaded and it was written."""
_MEMORY = 9
"""How many trainings tell how far forecasts are off."""


def num_parameters(genome: Genome, *, num_features: int, num_outputs: int) -> int:
    """Counts the parameters of a genome's network without building it.

    Args:
        genome: The genome.
        num_features: Number of prepared inputs.
        num_outputs: Number of outputs.

    Example:
        >>> num_parameters({"num_layers": 1, "layer_1/units": 8, "batch_norm": False}, num_features=3, num_outputs=2)
        50
    """
    return sum(_layers(genome, num_features, num_outputs))


def measure(model: keras.Model, names: Iterable[str], *, seconds: float) -> dict[str, float]:
    """Returns the costs of a deployable model.

    Args:
        model: The model.
        names: Some of `kevo.objective.COSTS`.
        seconds: How long its training took.
    """
    costs: dict[str, Callable[[], float]] = {
        "params": model.count_params,
        "seconds": lambda: seconds,
        "flops": lambda: flops(model),
        "bytes": lambda: num_bytes(model),
    }
    return {name: float(costs[name]()) for name in names}


def flops(model: keras.Model) -> int:
    """Counts the floating-point operations of one row's way through a model's dense layers.

    A multiplication with its addition counts as two. All the rest is little beside them.
    """
    total = 0
    for layer in model.layers:
        if hasattr(layer, "layers"):
            total += flops(layer)
        elif hasattr(layer, "kernel"):
            total += 2 * math.prod(layer.kernel.shape)
    return total


def num_bytes(model: keras.Model) -> int:
    """Counts the bytes of a model's file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.stat().st_size


def scoring_seconds(*, num_columns: int) -> float:
    """Returns how long it takes to load and score a finished model: mostly to build its inputs."""
    return _LOADING_SECONDS + num_columns * _COLUMN_SECONDS


class Forecast:
    """Tells how long trainings take, and learns from those that have ended.

    Args:
        num_train: Number of training rows.
        num_features: Number of prepared inputs.
        num_outputs: Number of outputs.
    """

    def __init__(self, *, num_train: int, num_features: int, num_outputs: int) -> None:
        self._num_train = num_train
        self._num_features = num_features
        self._num_outputs = num_outputs
        self._errors: deque[float] = deque(maxlen=_MEMORY)

    def seconds(self, genome: Genome, *, num_epochs: int) -> float:
        """Returns how many seconds a training is going to take."""
        return self._guess(genome, num_epochs) * self.error

    @property
    def error(self) -> float:
        """The factor by which trainings took longer than forecast; 1 before the first."""
        return float(statistics.median(self._errors)) if self._errors else 1.0

    def learn(self, genome: Genome, *, num_epochs: int, seconds: float) -> None:
        """Takes down how long a training took."""
        self._errors.append(seconds / self._guess(genome, num_epochs))

    def _guess(self, genome: Genome, num_epochs: int) -> float:
        num_flops = 2 * num_parameters(genome, num_features=self._num_features, num_outputs=self._num_outputs)
        steps = self._num_train / int(genome["batch_size"])
        epoch = self._num_train * _TRAINING_COST * num_flops * _SECONDS_PER_FLOP + steps * _STEP_SECONDS
        return _BUILDING_SECONDS + num_epochs * epoch


def _layers(genome: Genome, num_features: int, num_outputs: int) -> Iterator[int]:
    """Yields the parameters of each layer."""
    width, per_unit = num_features, _NORM if genome["batch_norm"] else 1
    for layer in range(1, int(genome["num_layers"]) + 1):
        units = int(genome[f"layer_{layer}/units"])
        yield units * (width + per_unit)
        width = units
    yield num_outputs * (width + 1)
