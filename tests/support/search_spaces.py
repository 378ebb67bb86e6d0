"""Search spaces of pictures, as a search declares them."""

from kevo.tasks.images import genes
from kevo.tasks.images.space import preset
from tuners.genome import SearchSpace

ALPHAS = {"mobilenet_v2": (0.35, 1.0), "vgg16": (None,), "resnet50": (None,)}
"""Backbones, and the widths of each."""


def declared(name: str = "default", **options: object) -> SearchSpace:
    """The genes of a preset for 1,000 pictures of 64 px, unless `options` of `genes.declare` say otherwise."""
    options = {"image_size": 64, "num_pictures": 1000, "alphas": ALPHAS, **options}
    return SearchSpace.from_hyperparameters(genes.declare(preset(name), **options))
