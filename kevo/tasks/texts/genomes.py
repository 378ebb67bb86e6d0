"""What a genome says of how its network reads texts."""

from __future__ import annotations

from kevo.training.evolution import EVOLUTION
from tuners.genome import Genome


def is_linear(genome: Genome) -> bool:
    """Tells whether a genome is a linear model."""
    return genome.get("family") == "bag" and not genome.get("bag/units") and not genome.get("num_layers")


def tokens_of(genome: Genome) -> str:
    """Returns what a genome's network reads texts as: `words` or `characters`."""
    if genome["family"] == "vectors":
        return "words"
    return str(genome["bag/tokens" if genome["family"] == "bag" else "sequence/tokens"])


def has_vectors(genome: Genome) -> bool:
    """Tells whether a genome's network begins with pretrained word vectors."""
    return genome["family"] == "vectors" or (
        tokens_of(genome) == "words" and genome.get("sequence/pretrained", "none") != "none"
    )


def has_components(genome: Genome) -> bool:
    """Tells whether the features of a bag are principal components."""
    return bool(genome.get("bag/units")) and genome.get("bag/vectors") == "components"


def are_tuned(genome: Genome) -> bool:
    """Tells whether the vectors of its tokens are learned, pretrained or not: they are too many to evolve."""
    is_frozen = "frozen" in (genome.get("vectors/pretrained"), genome.get("sequence/pretrained"))
    return not (is_frozen or has_components(genome) or genome.get("optimizer") == EVOLUTION)
