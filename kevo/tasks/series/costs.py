"""How long trainings of networks for series take."""

from __future__ import annotations

from collections.abc import Callable

from kevo.tasks.prepared.costs import Forecast
from tuners.genome import Genome

_SECONDS_PER_FLOP = 2e-11
"""How fast a machine is taken to be until it has shown it: two ordinary cores."""
_TRAINING_COST = 3
"""A step of training computes gradients too: those of the inputs and those of the weights."""
_BUILDING_SECONDS = 1.5
"""The time of building and tracing a network."""
_STEP_SECONDS = 1e-3
"""The time of a training step beside its arithmetic."""
_RECURRENT_SECONDS = 2e-4
"""The same for each step of a window that an LSTM goes."""
LOADING_SECONDS = 1.5
"""How long it takes to load and score a finished model."""


def forecast(*, num_train: int, window: int, num_parameters: Callable[[Genome], int]) -> Forecast:
    """Tells how long trainings take.

    Args:
        num_train: Number of training windows.
        window: The steps of each.
        num_parameters: Returns the parameters of a genome's network.
    """

    def guess(genome: Genome, num_epochs: int) -> float:
        # Weights of convolutions and of an LSTM are used at each step.
        uses = min(window, int(genome["steps"])) if genome["family"] in ("tcn", "lstm") else 1
        num_flops = 2 * uses * num_parameters(genome)
        each = _STEP_SECONDS + (uses * _RECURRENT_SECONDS if genome["family"] == "lstm" else 0.0)
        epoch = (
            num_train * _TRAINING_COST * num_flops * _SECONDS_PER_FLOP + num_train / int(genome["batch_size"]) * each
        )
        return _BUILDING_SECONDS + num_epochs * epoch

    return Forecast(guess)
