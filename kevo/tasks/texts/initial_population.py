"""The genomes that a search for texts begins with."""

from __future__ import annotations

from kevo.tasks.prepared import genes
from kevo.tasks.texts.space import SEQUENCES, Space
from tuners.genome import Genome

_BAG_UNITS = 32
"""The width of the small network of a bag of words that a search begins with."""


def seeds(space: Space) -> list[Genome]:
    """Returns genomes to begin a search with, each as those genes that differ from the defaults.

    A linear model of rows of words, a linear model of pretrained word vectors, that of rows of words weighed by TF-IDF,
    a conv network, a small network of a bag of words, a linear model of characters, and a recurrent network: as far as
    the space has them.

    Example:
        >>> [one["family"] for one in seeds(Space(families=("bag", "conv")))]
        ['bag', 'bag', 'conv', 'bag', 'bag']
    """
    found: list[Genome] = []
    plain = {"num_layers": min(space.num_layers)}
    small = genes.nearest(space.bag_units, _BAG_UNITS)
    wanted: list[Genome] = [
        {"family": "bag", **plain},
        {"family": "vectors", **plain},
        {"family": "bag", **plain, "bag/weights": space.bag_weights[-1]},
        {"family": "conv", **plain},
        {"family": "bag", **plain, "bag/units": small},
        {"family": "bag", **plain, "bag/tokens": space.tokens[-1]},
        {"family": "recurrent", **plain},
    ]
    for one in wanted:
        if one["family"] in space.families and one not in found:
            found.append(one)
    return found


def narrowest(space: Space) -> list[Genome]:
    """Returns for each family a network with few parameters, as genes that differ from the defaults."""
    small: Genome = {"vocabulary": min(space.vocabulary), "num_layers": min(space.num_layers)}
    sequence: Genome = {**small, "sequence/units": min(space.sequence_units)}
    by_family: dict[str, Genome] = {
        "bag": {**small, "bag/units": min(space.bag_units)},
        "conv": {
            **sequence,
            "conv/branches": min(space.branches),
            "conv/branch_1/width": min(space.widths),
            "conv/filters": min(space.filters),
            "conv/pooling": "max" if "max" in space.poolings else space.poolings[0],
        },
        "recurrent": {**sequence, "recurrent/units": min(space.recurrent_units)},
        "vectors": {**small, "vectors/pooling": space.vectors_poolings[0]},
    }
    if "none" in space.pretrained:
        # Those that are learned are as short as the space allows, pretrained ones as long as they come.
        for name in SEQUENCES:
            by_family[name] = {**by_family[name], "sequence/pretrained": "none"}
    return [{"family": name, **by_family[name]} for name in space.families]
