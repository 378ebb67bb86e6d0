"""Pretrained backbones as the way down of a U-Net: the layers at which their maps are taken, and what these cost.

The table loads no TensorFlow.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from kevo.errors import SpaceError
from kevo.tasks.images import backbone_networks, backbones

if TYPE_CHECKING:
    import keras

LEVELS: Mapping[str, tuple[str, ...]] = {
    "vgg16": ("block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3"),
    "vgg19": ("block2_conv2", "block3_conv4", "block4_conv4", "block5_conv4"),
    "resnet50": ("conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out"),
    "mobilenet": ("conv_pw_1_relu", "conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu"),
    "mobilenet_v2": ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu"),
    "efficientnet_b0": (
        "block2a_expand_activation",
        "block3a_expand_activation",
        "block4a_expand_activation",
        "block6a_expand_activation",
    ),
    "densenet121": ("conv1_relu", "pool2_relu", "pool3_relu", "pool4_relu"),
}
"""Of each backbone that can serve, the last layers before its maps are halved: those with a half, a quarter, an eighth
and a sixteenth of a picture's sides, the widest there are of that size."""
ENCODER = "encoder"
"""The name of a backbone with its preprocessing, as a layer of a network."""
NUM_LEVELS = 4
GRID = 2**NUM_LEVELS
"""A pixel of the lowest map stands for so many of a picture's, on each side."""
_FACTS_SIDE = 64
"""Costs are found out on a picture of this side, and are in proportion to its area."""


class Facts(NamedTuple):
    """What a backbone's maps are, and what they cost; for each level, down to it.

    Args:
        channels: The channels of the level's map.
        num_parameters: The parameters of the network down to it.
        multiplications: How many each pixel of the picture takes.
        values: How many numbers are written for each pixel of the picture, of all layers' maps.
    """

    channels: tuple[int, ...]
    num_parameters: tuple[int, ...]
    multiplications: tuple[float, ...]
    values: tuple[float, ...]


def check(name: str) -> None:
    """Checks that a backbone can be the way down of a U-Net.

    Raises:
        UnknownBackboneError: it is not in the table of backbones.
        SpaceError: its maps do not fit.
    """
    if backbones.get(name).name not in LEVELS:
        raise SpaceError(
            f"The maps of {name} have no halves, quarters and so on of a picture's sides, which masks need. Expected "
            f"one of: {', '.join(LEVELS)}."
        )


def build(name: str, *, alpha: float | None, weights: backbone_networks.LoadableWeights | None) -> keras.Model:
    """Builds a backbone down to its lowest level.

    Args:
        name: The backbone.
        alpha: Its width multiplier; `None` where it comes in one width only.
        weights: Where its weights come from; `None` means random ones.

    Returns:
        A frozen model from pixels 0-255, shape (batch, height, width, 3), of sides that `GRID` divides, to the maps of
        all levels.

    Raises:
        WeightsError: the weights belong to another backbone or width, cannot be had, or do not fit.
    """
    import keras

    row = backbones.get(name)
    whole = backbone_networks.load(row, image_size=None, alpha=alpha, weights=weights)
    start = backbone_networks.start_of(whole, row)
    maps = keras.Model(start, [whole.get_layer(layer).output for layer in LEVELS[name]], name=name)
    pixels = keras.Input((None, None, 3), name="pixels")
    model = keras.Model(pixels, maps(backbone_networks.preprocessed(pixels, row.preprocess)), name=ENCODER)
    model.trainable = False
    return model


def down_to(encoder: keras.Model, level: int) -> keras.Model:
    """Returns the part of what `build` returned that makes the maps of the first levels; both share their weights.

    Args:
        encoder: The encoder.
        level: Their number, 2 at least.
    """
    import keras

    *_, before, inner = encoder.layers
    maps = keras.Model(inner.input, inner.outputs[:level], name=inner.name)
    return keras.Model(encoder.input, maps(before.output), name=encoder.name)


def unfreeze(encoder: keras.Model, *, num_levels: int) -> None:
    """Makes the lowest levels of what `down_to` returned trainable.

    Layers of batch norm keep their statistics: those of a few small crops are no better.

    Args:
        encoder: The encoder, whose weights nobody else shares.
        num_levels: How many levels are trained; all where there are no more.
    """
    import keras

    *_, inner = encoder.layers
    above = LEVELS[inner.name][: max(0, len(inner.outputs) - num_levels)]
    encoder.trainable = True
    names = [layer.name for layer in inner.layers]
    first = 1 + names.index(above[-1]) if above else 0
    for place, layer in enumerate(inner.layers):
        layer.trainable = place >= first and not isinstance(layer, keras.layers.BatchNormalization)


@functools.cache
def facts(name: str, alpha: float | None) -> Facts:
    """Returns the facts of a backbone in a width; it is built once for that."""
    import keras

    from kevo.system import model_sizes
    from kevo.tasks.images.costs import flops

    row = backbones.get(name)
    whole = backbone_networks.network(row, image_size=_FACTS_SIDE, alpha=alpha)
    start = backbone_networks.start_of(whole, row)
    parts = [keras.Model(start, whole.get_layer(layer).output) for layer in LEVELS[name]]
    area = _FACTS_SIDE**2
    return Facts(
        channels=tuple(int(part.output.shape[-1]) for part in parts),
        num_parameters=tuple(int(part.count_params()) for part in parts),
        multiplications=tuple(flops(part) / 2 / area for part in parts),
        values=tuple(
            sum(math.prod(layer.output.shape[1:]) for layer in model_sizes.layers(part)) / area for part in parts
        ),
    )
