"""How long trainings for texts take."""

from __future__ import annotations

from collections.abc import Callable

from kevo.tasks.prepared.costs import Forecast
from kevo.tasks.texts.genomes import are_tuned, has_vectors
from kevo.training.evolution import EVOLUTION, NUM_PAIRS, num_passes
from tuners.genome import Genome

_SECONDS_PER_FLOP = 2e-11
"""How fast a machine is taken to be until it has shown it: two ordinary cores."""
_SECONDS_PER_LOOKUP = 1e-9
"""Of one number of a token's vector, its gradient included."""
_SECONDS_PER_UPDATE = 2e-9
"""Of one weight of a vocabulary: in each step all are updated."""
_TRAINING_COST = 3
"""A step of training computes gradients too: those of the inputs and those of the weights."""
_BUILDING_SECONDS = {"bag": 1.5, "conv": 2.0, "recurrent": 4.0, "vectors": 1.5}
"""The time of building and tracing a network."""
_STEP_SECONDS = 1e-3
"""The time of a step beside its arithmetic."""
_PLACE_SECONDS = 2e-4
"""The time of one place in a step of a recurrent network, beside its arithmetic."""
SCORING_SECONDS = 2.0
"""How long it takes to load and score a finished model."""


def forecast(
    *,
    num_train: int,
    size: Callable[[Genome], tuple[int, int]],
    num_outputs: int,
    evolved: Callable[[Genome], int],
    vector_size: int = 0,
) -> Forecast:
    """Tells how long trainings take.

    Args:
        num_train: Number of training texts.
        size: Returns how many tokens a genome's network knows, and how many it reads of each text.
        num_outputs: Number of outputs.
        evolved: Returns how many of a genome's weights would evolve.
        vector_size: Numbers of a pretrained word vector; 0 where there are none.
    """

    def guess(genome: Genome, num_epochs: int) -> float:
        num_tokens, length = size(genome)
        steps = num_train / int(genome["batch_size"])
        units = int(genome.get("bag/units") or genome.get("sequence/units") or num_outputs)
        own = vector_size if has_vectors(genome) else units
        per_text = length * own * _SECONDS_PER_LOOKUP
        per_step = (num_tokens * own * _SECONDS_PER_UPDATE if are_tuned(genome) else 0.0) + _STEP_SECONDS
        if genome["family"] != "vectors" and has_vectors(genome):
            per_text += _TRAINING_COST * 2 * length * own * units * _SECONDS_PER_FLOP
        if genome["family"] == "conv":
            widths = sum(int(genome[f"conv/branch_{one}/width"]) for one in range(1, int(genome["conv/branches"]) + 1))
            num_flops = 2 * length * widths * units * int(genome["conv/filters"])
            per_text += _TRAINING_COST * num_flops * _SECONDS_PER_FLOP
        elif genome["family"] == "recurrent":
            state = int(genome["recurrent/units"])
            per_text += _TRAINING_COST * 2 * length * 3 * state * (state + units) * _SECONDS_PER_FLOP
            per_step += length * _PLACE_SECONDS
        if genome.get("optimizer") == EVOLUTION:
            # Vectors of tokens are not updated, but looked up in every pass.
            passes = num_passes(num_train, int(genome["batch_size"]))
            num_flops = 2 * 2 * NUM_PAIRS * evolved(genome)
            per_text = passes * (per_text + num_flops * _SECONDS_PER_FLOP)
            per_step = passes * _STEP_SECONDS
        return _BUILDING_SECONDS[str(genome["family"])] + num_epochs * (num_train * per_text + steps * per_step)

    return Forecast(guess)
