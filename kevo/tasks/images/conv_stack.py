"""The blocks of a conv stack, from stock layers only."""

from __future__ import annotations

import keras
from keras import layers

from kevo.tasks.images.genes import connected, num_before_halving, num_halvings, squeezed
from tuners.genome import Genome

_MOMENTUM = 0.9
"""With Keras's 0.99, the statistics after 100 steps are a third what they were at the start: nothing fits them yet."""


def feature_map(x: keras.KerasTensor, genome: Genome) -> keras.KerasTensor:
    """Puts the blocks of a genome of the family `conv` on pixels, shape (batch, height, width, 3).

    The blocks, one after the other: what earlier blocks found is put beside the last one's output where the genome
    connects them (Huang et al. 2017, arXiv:1608.06993; as a string of bits: Vargas-Hákim et al. 2021,
    doi:10.1145/3449726.3463133). Then come the convolutions, and the map is halved once, unless nothing is pooled. A
    shortcut leads around all but the first (He et al. 2016, arXiv:1512.03385), and in training what it leads around is
    left out by chance, for each picture anew (Huang et al. 2016, arXiv:1603.09382). Channels are weighed by what the
    whole map holds (Hu et al. 2018, arXiv:1709.01507). Separable convolutions look at each channel for itself before
    they mix them (Chollet 2017, arXiv:1610.02357); the very first has only three to look at, and stays full.
    """
    outputs: list[keras.KerasTensor] = []
    for block in range(1, int(genome["conv/num_blocks"]) + 1):
        halvings = {earlier: num_halvings(genome, block - 1 - earlier) for earlier in connected(genome, block)}
        seen = [_reduced(outputs[earlier - 1], times=times) for earlier, times in halvings.items()]
        x = _block(layers.Concatenate()([x, *seen]) if seen else x, genome, block)
        outputs.append(x)
    return x


def _block(x: keras.KerasTensor, genome: Genome, block: int) -> keras.KerasTensor:
    pooling = str(genome["conv/pooling"])
    num_convs, halved_after = int(genome[f"conv/block_{block}/num_convs"]), num_before_halving(genome, block)
    x = _convolution(x, genome, block, is_first=block == 1, is_strided=pooling == "stride" and halved_after == 1)
    if halved_after == 1:
        x = _pooled(x, pooling)
    start = x
    for conv in range(2, num_convs + 1):
        x = _convolution(x, genome, block, is_strided=pooling == "stride" and conv == halved_after)
    if genome["conv/squeeze_excite"]:
        x = _excited(x)
    if num_convs > 1 and genome["conv/shortcut"]:
        if pooling == "stride" and halved_after > 1:
            start = _pooled(start, "average")
        x = layers.Add()([start, _dropped(x, float(genome["conv/drop_path"]))])
    return _pooled(x, pooling) if halved_after > 1 else x


def _convolution(
    x: keras.KerasTensor, genome: Genome, block: int, *, is_first: bool = False, is_strided: bool
) -> keras.KerasTensor:
    """Puts a convolution, its normalization and its activation on a map."""
    batch_norm, l2 = bool(genome["conv/batch_norm"]), float(genome["conv/l2"])
    filters, kernel_size = (int(genome[f"conv/block_{block}/{gene}"]) for gene in ("filters", "kernel_size"))
    strides = 2 if is_strided else 1
    if genome["conv/convolution"] == "separable" and not is_first:
        x = layers.SeparableConv2D(
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=not batch_norm,
            depthwise_regularizer=regularizer(l2),
            pointwise_regularizer=regularizer(l2),
        )(x)
    else:
        x = layers.Conv2D(
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=not batch_norm,
            kernel_regularizer=regularizer(l2),
        )(x)
    if batch_norm:
        x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
    return layers.Activation(str(genome["conv/activation"]))(x)


def _pooled(x: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    # "same" padding keeps a map of one pixel at one pixel, so that no number of blocks makes a small picture vanish.
    if pooling == "max":
        return layers.MaxPooling2D(2, padding="same")(x)
    if pooling == "average":
        return layers.AveragePooling2D(2, padding="same")(x)
    return x


def _reduced(x: keras.KerasTensor, *, times: int) -> keras.KerasTensor:
    """Halves a map some times, as the blocks between did."""
    return x if not times else layers.AveragePooling2D(2**times, padding="same")(x)


def _excited(x: keras.KerasTensor) -> keras.KerasTensor:
    num_channels = x.shape[-1]
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Dense(squeezed(num_channels), activation="relu")(weights)
    weights = layers.Dense(num_channels, activation="sigmoid")(weights)
    return layers.Multiply()([x, weights])


def _dropped(x: keras.KerasTensor, rate: float) -> keras.KerasTensor:
    return layers.Dropout(rate, noise_shape=(None, 1, 1, 1))(x) if rate else x


def regularizer(strength: float) -> keras.Regularizer | None:
    """Returns the L2 penalty of a strength; `None` for none."""
    return keras.regularizers.L2(strength) if strength else None
