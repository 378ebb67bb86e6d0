"""Genome -> `keras.Model`, from stock layers only, so that the saved model loads where kevo is not installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
from keras import Input, Model, layers, ops

from kevo.tasks.images.genes import variant
from kevo.tasks.images.networks import resize
from kevo.tasks.masks import encoders
from kevo.tasks.masks.space import PRETRAINED, channels, depth
from kevo.tasks.outputs.output import Output
from tuners.genome import Genome

NETWORK = "kevo_network"
"""The name of the layer that is a trained network in a saved model."""
DECODER = "decoder"
"""The name of its layer that takes the maps of a pretrained backbone."""
_MOMENTUM = 0.9
"""Of the moving statistics of batch norm: Keras's own 0.99 is too slow for trainings of a few hundred steps."""
_SQUEEZE = 4
"""Attention computes with so many times fewer channels."""


@dataclass(frozen=True, slots=True)
class Colors:
    """Mean and standard deviation of each color of the training pictures, 0-255."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, pictures: npt.NDArray[np.uint8]) -> Colors:
        """Returns those of pictures, shape (n, height, width, 3), of which 64 are looked at."""
        looked_at = pictures[:: max(1, len(pictures) // 64)].astype(np.float32)
        mean, deviation = looked_at.mean(axis=(0, 1, 2)), looked_at.std(axis=(0, 1, 2))
        return cls(tuple(mean.tolist()), tuple(np.maximum(deviation, 1.0).tolist()))


def network(genome: Genome, *, colors: Colors, output: Output, encoder: keras.Model | None = None) -> keras.Model:
    """Builds the U-Net of a genome, with random weights.

    Args:
        genome: The genome.
        colors: Those of the training pictures.
        output: What is asked of each pixel.
        encoder: What `encoders.build` returned for the genome's backbone; its weights are shared. `None` for a network
            from scratch.

    Returns:
        A model from pixels 0-255, shape (batch, height, width, 3), to outputs, shape (batch, height, width,
        output.size). Height and width are any multiples of 2**depth, and of twice that where pictures are reduced.
    """
    pixels = Input((None, None, 3), name="pixels")
    if encoder is not None:
        maps = [pixels, *encoders.down_to(encoder, depth(genome))(pixels)]
        num_channels = [one.shape[-1] for one in encoder.outputs]
        decoded = decoder(genome, colors=colors, num_channels=num_channels, output=output)
        return Model(pixels, decoded([maps[level] for level in levels(genome)]), name=NETWORK)
    x = _colored(pixels, colors)
    if genome["reduce"] == 2:
        x = layers.AveragePooling2D(2)(x)
    *upper, _ = channels(genome)
    beside = {}
    for level, number in enumerate(upper):
        beside[level] = x = _block(x, genome, number)
        x = layers.MaxPooling2D(2)(x)
    return Model(pixels, _masks(x, beside, genome, output), name=NETWORK)


def levels(genome: Genome) -> tuple[int, ...]:
    """Returns which maps of its encoder a genome's decoder takes, the pixels as level 0: those that follow on another.

    Without skips these are the lowest maps only.
    """
    lowest = depth(genome)
    return (lowest,) if genome["unet/skip"] == "none" else tuple(range(_top(genome), lowest + 1))


def decoder(genome: Genome, *, colors: Colors, num_channels: Sequence[int], output: Output) -> keras.Model:
    """Builds the way up of a genome on a pretrained backbone, with random weights.

    Args:
        genome: The genome.
        colors: Those of the training pictures.
        num_channels: Channels of the encoder's maps, level by level.
        output: What is asked of each pixel.

    Returns:
        A model from the maps of `levels`, each of shape (batch, any, any, channels), to outputs, shape (batch, height,
        width, output.size).
    """
    sizes, lowest = channels(genome), depth(genome)
    given = {level: Input((None, None, (3, *num_channels)[level]), name=f"level_{level}") for level in levels(genome)}
    beside = {}
    for level, maps in given.items():
        if level == 0:
            beside[level] = _block(_colored(maps, colors), genome, sizes[level])
        elif level < lowest:
            # A link of all the backbone's channels would make each block behind it as wide.
            narrowed = _normed(layers.Conv2D(sizes[level], 1, use_bias=False)(maps), genome)
            beside[level] = layers.Activation(str(genome["unet/activation"]))(narrowed)
    return Model(list(given.values()), _masks(given[lowest], beside, genome, output), name=DECODER)


def _top(genome: Genome) -> int:
    """Returns the uppermost level of a network on a backbone: it may have none of its own at the pictures' size."""
    return 1 if genome["reduce"] == 2 else 0


def _colored(pixels: keras.KerasTensor, colors: Colors) -> keras.KerasTensor:
    variance = [one**2 for one in colors.deviation]
    return layers.Normalization(mean=colors.mean, variance=variance, name="colors")(pixels)


def _masks(
    x: keras.KerasTensor, beside: Mapping[int, keras.KerasTensor], genome: Genome, output: Output
) -> keras.KerasTensor:
    """The lowest block, the way up, and the masks.

    Args:
        x: What the lowest block takes.
        beside: What reaches the way up at each level, beside what comes from below.
        genome: The genome.
        output: What is asked of each pixel.
    """
    sizes = channels(genome)
    x = _block(x, genome, sizes[-1], dilation=int(genome["unet/dilation"]))
    if dropout := float(genome["unet/dropout"]):
        x = layers.Dropout(dropout)(x)
    top = _top(genome) if genome["family"] == PRETRAINED else 0
    for level in reversed(range(top, len(sizes) - 1)):
        x = _up(x, genome, sizes[level])
        if level in beside:
            x = _linked(x, beside[level], str(genome["unet/skip"]))
        x = _block(x, genome, sizes[level])
    masks = output.finish(x, regularizer=None)
    return _enlarged(masks) if genome["reduce"] == 2 else masks


def deployable(trained: keras.Model, *, side: int) -> keras.Model:
    """Wraps a trained network so that it takes pictures as they come, and answers with masks of their own size.

    Args:
        trained: What `network` returned.
        side: Side of the squares that it learned from, in pixels.

    Returns:
        A model from raw pixels 0-255, shape (batch, any height, any width, 3), to outputs, shape (batch, height, width,
        any). Pictures are squashed to squares, and masks are brought back to the pictures' size, bilinearly.
    """
    pixels = raw_pixels()
    return Model(pixels, _at_own_size(trained(resize(pixels, (side, side))), pixels, side=side), name="kevo_model")


def raw_pixels() -> keras.KerasTensor:
    """Returns the input of a saved model."""
    return Input((None, None, 3), name="pixels")


def _at_own_size(masks: keras.KerasTensor, pixels: keras.KerasTensor, *, side: int) -> keras.KerasTensor:
    """Brings masks to the size of pictures.

    Keras resizes to sizes that are known when a model is built. So rows and columns are mixed by two matrices, whose
    entries are the weights of bilinear interpolation, from the number of rows and columns that pictures turn out to
    have.
    """
    rows, columns = (_weights(line, side=side) for line in (pixels[:, :, 0, 0], pixels[:, 0, :, 0]))
    return ops.einsum("bws,bhsc->bhwc", columns, ops.einsum("bhs,bstc->bhtc", rows, masks))


def _weights(line: keras.KerasTensor, *, side: int) -> keras.KerasTensor:
    """Returns how much each of `side` rows counts for each row of a picture, shape (batch, num_rows, side)."""
    ones = ops.ones_like(line)
    places = (ops.cumsum(ones, axis=1) - 0.5) * (side / ops.sum(ones, axis=1, keepdims=True)) - 0.5
    places = ops.expand_dims(ops.clip(places, 0.0, side - 1.0), -1)
    grid = ops.cumsum(ops.ones_like(ops.repeat(places[:, :1], side, axis=2)), axis=2) - 1.0
    return ops.relu(1.0 - ops.absolute(places - grid))


def _block(x: keras.KerasTensor, genome: Genome, num: int, *, dilation: int = 1) -> keras.KerasTensor:
    """Two convolutions, each with its norm and activation; or the same beside a link around them."""
    activation = str(genome["unet/activation"])
    is_residual = genome["unet/block"] == "residual"
    y = layers.Activation(activation)(_normed(_conv(x, genome, num, dilation), genome))
    y = _normed(_conv(y, genome, num, dilation), genome)
    if genome["unet/attention"]:
        y = _attention(y, num)
    if is_residual:
        y = layers.Add()([y, x if x.shape[-1] == num else layers.Conv2D(num, 1)(x)])
    return layers.Activation(activation)(y)


def _conv(x: keras.KerasTensor, genome: Genome, num: int, dilation: int) -> keras.KerasTensor:
    kind = layers.SeparableConv2D if genome["unet/block"] == "separable" else layers.Conv2D
    return kind(num, int(genome["unet/kernel"]), padding="same", dilation_rate=dilation, use_bias=False)(x)


def _normed(x: keras.KerasTensor, genome: Genome) -> keras.KerasTensor:
    if genome["unet/norm"] == "batch":
        return layers.BatchNormalization(momentum=_MOMENTUM)(x)
    return layers.GroupNormalization(groups=4 if x.shape[-1] % 4 == 0 else 2)(x)


def _attention(x: keras.KerasTensor, num: int) -> keras.KerasTensor:
    """Weighs channels by what is in the whole picture (Hu et al. 2018, arXiv:1709.01507)."""
    whole = layers.GlobalAveragePooling2D(keepdims=True)(x)
    whole = layers.Conv2D(max(1, num // _SQUEEZE), 1, activation="relu")(whole)
    return layers.Multiply()([x, layers.Conv2D(num, 1, activation="sigmoid")(whole)])


def _up(x: keras.KerasTensor, genome: Genome, num: int) -> keras.KerasTensor:
    if genome["unet/up"] == "transposed":
        return layers.Conv2DTranspose(num, 2, strides=2)(x)
    return _enlarged(layers.Conv2D(num, 1)(x))


def _enlarged(x: keras.KerasTensor) -> keras.KerasTensor:
    """Doubles the sides of maps, nearly bilinearly; Keras does the latter for sides that are known beforehand only."""
    return layers.AveragePooling2D(3, strides=1, padding="same", dtype=x.dtype)(
        layers.UpSampling2D(2, dtype=x.dtype)(x)
    )


def _linked(x: keras.KerasTensor, beside: keras.KerasTensor, skip: str) -> keras.KerasTensor:
    if skip == "none":
        return x
    return layers.Add()([x, beside]) if skip == "add" else layers.Concatenate()([x, beside])


def num_parameters(genome: Genome, *, num_outputs: int) -> int:
    """Counts the parameters of a genome's network without building it, those that are not trained included.

    Args:
        genome: The genome.
        num_outputs: Number of outputs for each pixel.
    """
    return _totals(genome, num_outputs)[0]


def multiplications(genome: Genome, *, num_outputs: int) -> float:
    """Returns how many multiplications each pixel of a picture takes on its way through a genome's network.

    Args:
        genome: The genome.
        num_outputs: Number of outputs for each pixel.
    """
    work = _totals(genome, num_outputs)[1]
    if genome["family"] == PRETRAINED:
        return work + encoders.facts(*variant(genome)).multiplications[depth(genome) - 1]
    return work / int(genome["reduce"]) ** 2


def decoder_multiplications(genome: Genome, *, num_outputs: int) -> float:
    """Returns how many of them a network on a backbone takes where the backbone's maps are there."""
    return _totals(genome, num_outputs)[1]


def num_flops(genome: Genome, *, side: int, num_outputs: int) -> float:
    """Returns the floating-point operations of one picture's way through a genome's convolutions.

    A multiplication with its addition counts as two. All the rest is little beside them.

    Args:
        genome: The genome.
        side: Side of the picture, in pixels.
        num_outputs: Number of outputs for each pixel.
    """
    return 2 * side**2 * multiplications(genome, num_outputs=num_outputs)


def _totals(genome: Genome, num_outputs: int) -> tuple[int, float]:
    """Returns the parameters of all convolutions and norms, and the multiplications for each pixel of the top level."""
    area = int(genome["unet/kernel"]) ** 2
    norm = 4 if genome["unet/norm"] == "batch" else 2
    parameters, work = 0, 0.0

    def add(num_in: int, num_out: int, size: int, level: int, *, bias: bool = True) -> None:
        nonlocal parameters, work
        parameters += num_in * num_out * size + (num_out if bias else 0)
        work += num_in * num_out * size / 4**level

    def add_block(num_in: int, num: int, level: int) -> None:
        nonlocal parameters, work
        for first in (num_in, num):
            if genome["unet/block"] == "separable":
                add(first, 1, area, level, bias=False)
                add(first, num, 1, level, bias=False)
            else:
                add(first, num, area, level, bias=False)
            parameters += norm * num
        if genome["unet/attention"]:
            small = max(1, num // _SQUEEZE)
            parameters += num * small + small + small * num + num
        if genome["unet/block"] == "residual" and num_in != num:
            add(num_in, num, 1, level)

    sizes, top = channels(genome), 0
    if genome["family"] == PRETRAINED:
        facts, top, lowest = encoders.facts(*variant(genome)), _top(genome), depth(genome)
        parameters += facts.num_parameters[lowest - 1]
        for level in levels(genome):
            if level == 0:
                add_block(3, sizes[0], 0)
            elif level == lowest:
                add_block(facts.channels[level - 1], sizes[level], level)
            else:
                add(facts.channels[level - 1], sizes[level], 1, level, bias=False)
                parameters += norm * sizes[level]
    else:
        for level, num in enumerate(sizes):
            add_block(sizes[level - 1] if level else 3, num, level)
    for level in reversed(range(top, len(sizes) - 1)):
        num = sizes[level]
        is_transposed = genome["unet/up"] == "transposed"
        # Both are computed at the level below: a transposed convolution makes four pixels of each.
        add(sizes[level + 1], num, 4 if is_transposed else 1, level + 1)
        add_block(2 * num if genome["unet/skip"] == "concat" else num, num, level)
    add(sizes[top], num_outputs, 1, top)
    return parameters, work
