"""The costs of a conv stack without its head, told by its genome: parameters, and those of a picture's way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from kevo.tasks.images.genes import connected, image_size, num_before_halving, squeezed
from tuners.genome import Genome

NORM = 4
"""Parameters of batch norm for each channel: scale, offset, mean and variance."""


class _Kernel(NamedTuple):
    """A convolution: `num_weights` for each of its channels, and the side of its map; whether it is normalized."""

    num_weights: int
    num_channels: int
    side: int
    is_normalized: bool = True


def parameters_and_features(genome: Genome) -> tuple[int, int]:
    """Returns the parameters of a conv stack without its head, and how many features it has."""
    per_channel = NORM if genome["conv/batch_norm"] else 1
    total = sum(
        one.num_channels * (one.num_weights + (per_channel if one.is_normalized else 0)) for one in _kernels(genome)
    )
    num_channels, side = 3, image_size(genome)
    for block in range(1, int(genome["conv/num_blocks"]) + 1):
        num_channels, side = int(genome[f"conv/block_{block}/filters"]), math.ceil(side / 2)
        if genome["conv/squeeze_excite"]:
            width = squeezed(num_channels)
            total += (num_channels + 1) * width + (width + 1) * num_channels
    return total, num_channels * side**2 if genome["conv/summary"] == "flatten" else num_channels


def pass_cost(genome: Genome, *, flops_per_value: int) -> int:
    """Returns the cost of a picture's way through a conv stack, in floating-point operations.

    A stride counts as if it came after the convolution; what is done once for a whole map does not count.

    Args:
        genome: The genome.
        flops_per_value: What it costs to write one number of a map, beside its arithmetic.
    """
    return sum(one.side**2 * one.num_channels * (2 * one.num_weights + flops_per_value) for one in _kernels(genome))


def _kernels(genome: Genome) -> Iterator[_Kernel]:
    side, outputs = image_size(genome), [3]
    for block in range(1, int(genome["conv/num_blocks"]) + 1):
        filters, kernel_size, num_convs = (
            int(genome[f"conv/block_{block}/{gene}"]) for gene in ("filters", "kernel_size", "num_convs")
        )
        num_inputs = outputs[-1] + sum(outputs[earlier] for earlier in connected(genome, block))
        for conv in range(1, num_convs + 1):
            if genome["conv/convolution"] == "separable" and (block, conv) != (1, 1):
                yield _Kernel(kernel_size**2, num_inputs, side, is_normalized=False)
                yield _Kernel(num_inputs, filters, side)
            else:
                yield _Kernel(kernel_size**2 * num_inputs, filters, side)
            num_inputs = filters
            if conv == num_before_halving(genome, block):
                side = math.ceil(side / 2)
        outputs.append(filters)
