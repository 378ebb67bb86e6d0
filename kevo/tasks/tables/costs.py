"""The costs of a network for tables: parameters before it is built, and the time of its training."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kevo.tasks.prepared.costs import Forecast
from kevo.tasks.tables.encoding import NUM_HASHES, Features
from kevo.training import epochs, evolution
from kevo.training.evolution import EVOLUTION, NUM_PAIRS
from tuners.genome import Genome

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


def num_parameters(genome: Genome, *, features: Features, num_outputs: int) -> int:
    """Counts the parameters of a genome's network without building it.

    Args:
        genome: The genome.
        features: The prepared inputs.
        num_outputs: Number of outputs.

    Example:
        >>> genome = {"categories": "one_hot", "num_layers": 1, "layer_1/units": 8, "body": "mlp", "batch_norm": False}
        >>> num_parameters(genome, features=Features(3), num_outputs=2)
        50
    """
    return sum(_layers(genome, features, num_outputs))


def scoring_seconds(*, num_columns: int) -> float:
    """Returns how long it takes to load and score a finished model: mostly to build its inputs."""
    return _LOADING_SECONDS + num_columns * _COLUMN_SECONDS


def forecast(
    *, num_train: int, features: Callable[[Genome], Features], num_outputs: int, repeats_few: bool = False
) -> Forecast:
    """Tells how long trainings take.

    Args:
        num_train: Number of training rows.
        features: Returns the prepared inputs of a genome's network.
        num_outputs: Number of outputs.
        repeats_few: Whether an epoch goes through few rows several times.
    """

    def guess(genome: Genome, num_epochs: int) -> float:
        num_flops = 2 * num_parameters(genome, features=features(genome), num_outputs=num_outputs)
        passes, cost = epochs.num_passes(num_train) if repeats_few else 1, _TRAINING_COST
        if genome.get("optimizer") == EVOLUTION:
            passes, cost = evolution.num_passes(num_train, int(genome["batch_size"])), 2 * NUM_PAIRS
        arithmetic = num_train * cost * num_flops * _SECONDS_PER_FLOP
        epoch = passes * (arithmetic + num_train / int(genome["batch_size"]) * _STEP_SECONDS)
        return _BUILDING_SECONDS + num_epochs * epoch

    return Forecast(guess)


def _layers(genome: Genome, features: Features, num_outputs: int) -> Iterator[int]:
    """Yields the parameters of each layer."""
    width, per_unit = features.num, _NORM if genome.get("batch_norm") else 1
    if genome["categories"] == "embedding":
        units = int(genome["embedding/units"])
        for start, stop in features.embedded(units):
            yield (stop - start) * units
            width += units - (stop - start)
    for layer in range(1, int(genome["num_layers"]) + 1):
        units = int(genome[f"layer_{layer}/units"])
        yield units * (width + per_unit)
        if genome["body"] == "residual" and width != units:
            yield units * width
        width = units
    if genome.get("body") == "wide_and_deep":
        width += features.num
    if features.num_pairs:
        yield NUM_HASHES * num_outputs
        width += num_outputs
    yield num_outputs * (width + 1)
