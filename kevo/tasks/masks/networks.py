"""Genome -> `keras.Model`, from stock layers only, so that the saved model loads where kevo is not installed."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
from keras import Input, Model, layers, ops

from kevo.tasks.images.networks import resize
from kevo.tasks.masks.space import channels
from kevo.tasks.outputs.output import Output
from tuners.genome import Genome

NETWORK = "kevo_network"
"""The name of the layer that is a trained network in a saved model."""
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


def network(genome: Genome, *, colors: Colors, output: Output) -> keras.Model:
    """Builds the U-Net of a genome, with random weights.

    Args:
        genome: The genome.
        colors: Those of the training pictures.
        output: What is asked of each pixel.

    Returns:
        A model from pixels 0-255, shape (batch, height, width, 3), to outputs, shape (batch, height, width,
        output.size). Height and width are any multiples of 2**depth, and of twice that where pictures are reduced.
    """
    pixels = Input((None, None, 3), name="pixels")
    x = layers.Normalization(mean=colors.mean, variance=[one**2 for one in colors.deviation], name="colors")(pixels)
    is_reduced = genome["reduce"] == 2
    if is_reduced:
        x = layers.AveragePooling2D(2)(x)
    *upper, bottom = channels(genome)
    levels = []
    for number in upper:
        x = _block(x, genome, number)
        levels.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = _block(x, genome, bottom, dilation=int(genome["unet/dilation"]))
    if dropout := float(genome["unet/dropout"]):
        x = layers.Dropout(dropout)(x)
    for number, beside in zip(reversed(upper), reversed(levels), strict=True):
        x = _block(_linked(_up(x, genome, number), beside, str(genome["unet/skip"])), genome, number)
    masks = output.finish(x, regularizer=None)
    if is_reduced:
        masks = _enlarged(masks)
    return Model(pixels, masks, name=NETWORK)


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
    return _totals(genome, num_outputs)[1] / int(genome["reduce"]) ** 2


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

    levels = channels(genome)
    for level, num in enumerate(levels):
        add_block(levels[level - 1] if level else 3, num, level)
    for level in reversed(range(len(levels) - 1)):
        num = levels[level]
        is_transposed = genome["unet/up"] == "transposed"
        # Both are computed at the level below: a transposed convolution makes four pixels of each.
        add(levels[level + 1], num, 4 if is_transposed else 1, level + 1)
        add_block(2 * num if genome["unet/skip"] == "concat" else num, num, level)
    add(levels[0], num_outputs, 1, 0)
    return parameters, work
