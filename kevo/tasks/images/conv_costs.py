"""The costs of a conv stack without its head, told by its genome: parameters, and those of a picture's way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from kevo.tasks.images.genes import connected, num_before_halving, num_halvings, picture_shape, squeezed
from tuners.genome import Genome

NORM = 4
"""Parameters of batch norm for each channel: scale, offset, mean and variance."""


class _Kernel(NamedTuple):
    """A convolution: `num_weights` for each of its channels, and the area of its map; whether it is normalized."""

    num_weights: int
    num_channels: int
    area: int
    is_normalized: bool = True


def parameters_and_features(genome: Genome) -> tuple[int, int]:
    """Returns the parameters of a conv stack without its head, and how many features it has."""
    per_channel = NORM if genome["conv/batch_norm"] else 1
    total = sum(
        one.num_channels * (one.num_weights + (per_channel if one.is_normalized else 0)) for one in _kernels(genome)
    )
    num_channels, (height, width) = 3, picture_shape(genome)
    for block in range(1, int(genome["conv/num_blocks"]) + 1):
        num_channels = int(genome[f"conv/block_{block}/filters"])
        height, width = _after(genome, height, width)
        if genome["conv/squeeze_excite"]:
            small = squeezed(num_channels)
            total += (num_channels + 1) * small + (small + 1) * num_channels
    return total, num_channels * height * width if genome["conv/summary"] == "flatten" else num_channels


def pass_cost(genome: Genome, *, flops_per_value: int) -> int:
    """Returns the cost of a picture's way through a conv stack, in floating-point operations.

    A stride counts as if it came after the convolution; what is done once for a whole map does not count.

    Args:
        genome: The genome.
        flops_per_value: What it costs to write one number of a map, beside its arithmetic.
    """
    return sum(one.area * one.num_channels * (2 * one.num_weights + flops_per_value) for one in _kernels(genome))


def _kernels(genome: Genome) -> Iterator[_Kernel]:
    (height, width), outputs = picture_shape(genome), [3]
    for block in range(1, int(genome["conv/num_blocks"]) + 1):
        filters, kernel_size, num_convs = (
            int(genome[f"conv/block_{block}/{gene}"]) for gene in ("filters", "kernel_size", "num_convs")
        )
        num_inputs = outputs[-1] + sum(outputs[earlier] for earlier in connected(genome, block))
        for conv in range(1, num_convs + 1):
            if genome["conv/convolution"] == "separable" and (block, conv) != (1, 1):
                yield _Kernel(kernel_size**2, num_inputs, height * width, is_normalized=False)
                yield _Kernel(num_inputs, filters, height * width)
            else:
                yield _Kernel(kernel_size**2 * num_inputs, filters, height * width)
            num_inputs = filters
            if conv == num_before_halving(genome, block):
                height, width = _after(genome, height, width)
        outputs.append(filters)


def _after(genome: Genome, height: int, width: int) -> tuple[int, int]:
    """Returns the height and width of a map after a block."""
    factor = 2 ** num_halvings(genome, 1)
    return math.ceil(height / factor), math.ceil(width / factor)
