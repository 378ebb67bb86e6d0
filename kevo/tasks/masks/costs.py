"""How long trainings of U-Nets take, and the passes of pictures through pretrained backbones."""

from __future__ import annotations

from kevo.tasks.images.genes import variant
from kevo.tasks.masks import encoders, networks
from kevo.tasks.masks.space import PRETRAINED, channels, depth, fine_tunes
from kevo.tasks.prepared.costs import Forecast
from tuners.genome import Genome

_SECONDS_PER_MULTIPLICATION = 4e-11
"""How fast a machine is taken to be until it has shown it: two ordinary cores."""
_SECONDS_PER_VALUE = 2e-9
"""The time of a number of a map beside its multiplications: norms, activations, copies."""
_TRAINING_COST = 3
"""A step of training computes gradients too: those of the inputs and those of the weights."""
_BUILDING_SECONDS = 6.0
"""The time of building and tracing a network for crops and for whole pictures."""
_LOADING_SECONDS = 3.0


def seconds_per_pixel(genome: Genome, *, num_outputs: int) -> float:
    """Returns how long a pixel's way through a genome's network takes on two ordinary cores.

    That of a network on a pretrained backbone begins behind the backbone; `pass_seconds_per_pixel` tells of the latter.

    Args:
        genome: The genome.
        num_outputs: Number of outputs for each pixel.
    """
    if genome["family"] == PRETRAINED:
        work = networks.decoder_multiplications(genome, num_outputs=num_outputs)
        # The first level has two blocks, and one where it is not of the pictures' own size.
        is_reduced = genome["reduce"] == 2
        values = 6 * channels(genome)[1] / 4 if is_reduced else 12 * channels(genome)[0]
        return work * _SECONDS_PER_MULTIPLICATION + values * _SECONDS_PER_VALUE
    # Each block has about six maps of its channels, on the way down and on the way up.
    num_values = 12 * int(genome["unet/width"]) / int(genome["reduce"]) ** 2
    multiplications = networks.multiplications(genome, num_outputs=num_outputs)
    return multiplications * _SECONDS_PER_MULTIPLICATION + num_values * _SECONDS_PER_VALUE


def pass_seconds_per_pixel(genome: Genome) -> float:
    """Returns how long a pixel's way through all levels of a genome's backbone takes on two ordinary cores."""
    facts = encoders.facts(*variant(genome))
    return facts.multiplications[-1] * _SECONDS_PER_MULTIPLICATION + facts.values[-1] * _SECONDS_PER_VALUE


def tuning_seconds_per_pixel(genome: Genome) -> float:
    """Returns how much longer a pixel of a crop takes where the lowest levels of a genome's backbone are trained."""
    work = encoders.facts(*variant(genome)).multiplications
    lowest = depth(genome)
    above = lowest - int(genome["fine_tune/num_levels"])
    tuned = work[lowest - 1] - (work[above - 1] if above > 0 else 0.0)
    return pass_seconds_per_pixel(genome) + (_TRAINING_COST - 1) * tuned * _SECONDS_PER_MULTIPLICATION


def forecast(*, side: int, num_train: int, num_validation: int, num_outputs: int) -> Forecast:
    """Tells how long trainings take.

    Args:
        side: Side of the pictures, in pixels.
        num_train: Number of training pictures.
        num_validation: Number of validation pictures.
        num_outputs: Number of outputs for each pixel.
    """

    def guess(genome: Genome, num_epochs: int) -> float:
        pixel = seconds_per_pixel(genome, num_outputs=num_outputs)
        crop = int(genome["crop"])
        learned, judged = num_train * -(-(side**2) // crop**2) * crop**2, num_validation * side**2
        seconds = pixel * (_TRAINING_COST * learned + judged)
        if fine_tunes(genome):
            # The way up is trained before, for as many epochs.
            seconds = 2 * seconds + learned * tuning_seconds_per_pixel(genome)
            seconds += judged * pass_seconds_per_pixel(genome)
        return _BUILDING_SECONDS + num_epochs * seconds

    return Forecast(guess)


def scoring_seconds(genome: Genome, *, side: int, num_pictures: int, num_outputs: int) -> float:
    """Returns how long it takes to load and to score a finished network.

    Args:
        genome: Its genome.
        side: Side of the pictures, in pixels.
        num_pictures: Number of pictures that are scored.
        num_outputs: Number of outputs for each pixel.
    """
    seconds = seconds_per_pixel(genome, num_outputs=num_outputs)
    if genome["family"] == PRETRAINED:
        seconds += pass_seconds_per_pixel(genome)
    return _LOADING_SECONDS + num_pictures * side**2 * seconds
