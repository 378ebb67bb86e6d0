"""How a network's weights evolve, and how many may: what genomes and forecasts must know of it; loads no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

EVOLUTION = "evolution"
"""The optimizer's name in a genome."""
MOST_WEIGHTS = 5000
"""So many weights can be evolved: the more there are, the less each network of a population tells of each."""
NUM_PAIRS = 32
"""Half the population."""
_NUM_PASSES, _NUM_STEPS = 4, 100
"""An epoch goes so many times through the examples, and takes so many steps, at least: a step tells less than that of a
gradient does."""


def num_passes(num_examples: int, batch_size: int) -> int:
    """Returns how many times an epoch goes through the examples.

    Example:
        >>> num_passes(10_000, 50), num_passes(500, 50)
        (4, 10)
    """
    return max(_NUM_PASSES, math.ceil(_NUM_STEPS * batch_size / num_examples))


class Evolution(NamedTuple):
    """How weights evolve.

    Args:
        spread: Standard deviation of the noise on each weight.
        is_grown: Whether hidden units join one after the other; see `Growth`.
        done: The share of the training that was over before.
    """

    spread: float
    is_grown: bool = False
    done: float = 0.0

    @classmethod
    def of(cls, genome: Mapping[str, str | int | float | bool], *, done: float = 0.0) -> Evolution | None:
        """Returns that of a genome; `None` where weights are trained by gradients."""
        if genome["optimizer"] != EVOLUTION:
            return None
        return cls(float(genome["evolution/spread"]), bool(genome["evolution/grow"]), done)


def too_many(num_weights: int) -> str | None:
    """Says that a network has too many weights for evolution; `None` if it has not."""
    if num_weights <= MOST_WEIGHTS:
        return None
    return f"more than the {MOST_WEIGHTS:,} weights that can be evolved"
