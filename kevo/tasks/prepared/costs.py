"""The costs of a deployed model, and how long trainings take."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tuners.genome import Genome

if TYPE_CHECKING:
    import keras

_MEMORY = 9
"""How many trainings tell how far forecasts are off."""


def measure(
    model: keras.Model, names: Iterable[str], *, seconds: float, num_flops: float | None = None
) -> dict[str, float]:
    """Returns the costs of a deployable model.

    Args:
        model: The model.
        names: Some of `kevo.objective.COSTS`.
        seconds: How long its training took.
        num_flops: Its FLOPs where its layers do not tell; `None` counts them.
    """
    costs: dict[str, Callable[[], float]] = {
        "params": model.count_params,
        "seconds": lambda: seconds,
        "flops": lambda: flops(model) if num_flops is None else num_flops,
        "bytes": lambda: num_bytes(model),
    }
    return {name: float(costs[name]()) for name in names}


def flops(model: keras.Model) -> int:
    """Counts the floating-point operations of one example's way through a model's dense, conv and recurrent layers.

    A multiplication with its addition counts as two. All the rest is little beside them.
    """
    total = 0
    for layer in model.layers:
        if hasattr(layer, "layers"):
            total += flops(layer)
        elif hasattr(layer, "kernel"):
            total += 2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        elif hasattr(layer, "cell"):
            weights = math.prod(layer.cell.kernel.shape) + math.prod(layer.cell.recurrent_kernel.shape)
            total += 2 * weights * layer.input.shape[1]
    return total


def num_bytes(model: keras.Model) -> int:
    """Counts the bytes of a model's file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.stat().st_size


class Forecast:
    """Tells how long trainings take, and learns from those that have ended.

    Args:
        guess: Returns the seconds of a genome's training for some epochs on two ordinary cores.
    """

    def __init__(self, guess: Callable[[Genome, int], float]) -> None:
        self._guess = guess
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
