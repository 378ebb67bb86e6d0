"""Weights that a conv stack takes over from its parent, so that it begins with what the parent has learned.

A wider or deeper network, and one with larger kernels, computes at first what its parent computed (Net2Net: Chen et al.
2016, arXiv:1511.05641; network morphism: Wei et al. 2016, arXiv:1603.01670; as mutations: LEMONADE, Elsken et al. 2019,
arXiv:1804.09081). That is exact as long as the activation is `relu`, which leaves what it has made as it is, for
further blocks where everything is averaged, and for batch norm with the statistics of its moving means. Otherwise the
child begins near its parent: a narrower one and one with smaller kernels keep the strongest part, and another
activation, pooling or size of pictures finds the weights as they are. What has no counterpart keeps the weights that it
was built with. `inheritance` tells which genomes are alike enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from kevo.tasks.images.inheritance import has_same_weights
from tuners.genome import Genome

_NOISE = 1e-2
"""The spread of the noise on a copied channel, as a part of the kernel's own: else copies would stay copies."""
_EPSILON = 1e-3
"""What batch norm adds to a variance in Keras."""

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Unit:
    """A convolution and its normalization; `None` for none."""

    convolution: layers.Layer
    norm: layers.Layer | None


def inherit(
    parent: Genome,
    trained: keras.Model,
    child: Genome,
    network: keras.Model,
    *,
    rng: np.random.Generator,
    noise: float = _NOISE,
) -> float:
    """Sets weights of a child's network to those of its parent's, changed so that they fit.

    Args:
        parent: The parent's genome; see `inheritance.can_inherit`.
        trained: Its network, as `networks.conv_network` builds it, with its weights.
        child: The child's genome.
        network: Its network, with new weights.
        rng: Chooses the channels that are copied, and their noise.
        noise: The spread of the noise on copies, as a part of that of their kernel; 0 for exact copies.

    Returns:
        The share of the child's weights that come from the parent.
    """
    if has_same_weights(parent, child):
        network.set_weights(trained.get_weights())
        return 1.0
    old, new = _units(trained, parent), _units(network, child)
    num_taken = 0
    # Which channel of the parent's map each channel of the child's map is, and how often it is there.
    channels: Indices = np.arange(3)
    for block, convolutions in enumerate(new):
        known = old[block] if block < len(old) else []
        # The parent's further convolutions of this block are passed over: their channels have the same places.
        for number, unit in enumerate(convolutions):
            before = channels
            if number < len(known):
                # A shortcut adds the maps of one block: their channels have the same places.
                channels = _chosen(known[number], unit, rng) if number == 0 else before
                _widen(known[number], unit, before, channels, rng, noise)
            else:
                places = _spread(before, _filters(unit), rng)
                channels = before[places]
                # With a shortcut nothing is added to what leads around; without one, the map passes as it is.
                is_silent = bool(child["conv/shortcut"]) and number > 0 and len(known) < 2
                _pass_on(unit, len(before), places, rng, noise, is_silent=is_silent)
            num_taken += _num_weights(unit)
    if len(new) >= len(old):
        num_taken += _head(trained, network, channels, rng, noise)
    return float(num_taken / network.count_params())


def _units(network: keras.Model, genome: Genome) -> list[list[_Unit]]:
    """Returns the convolutions of each block in their order."""
    found = [layer for layer in network.layers if isinstance(layer, (layers.Conv2D, layers.SeparableConv2D))]
    norms = [layer for layer in network.layers if isinstance(layer, layers.BatchNormalization)]
    units = [_Unit(layer, norms[number] if genome["conv/batch_norm"] else None) for number, layer in enumerate(found)]
    blocks, start = [], 0
    for block in range(1, int(genome["conv/num_blocks"]) + 1):
        end = start + int(genome[f"conv/block_{block}/num_convs"])
        blocks.append(units[start:end])
        start = end
    return blocks


def _filters(unit: _Unit) -> int:
    return int(unit.convolution.filters)


def _num_weights(unit: _Unit) -> int:
    return int(unit.convolution.count_params() + (0 if unit.norm is None else unit.norm.count_params()))


def _chosen(old: _Unit, new: _Unit, rng: np.random.Generator) -> Indices:
    """Returns which of the parent's channels each of the child's is: all and copies, or the strongest."""
    num_old, num_new = _filters(old), _filters(new)
    if num_new >= num_old:
        return np.concatenate([np.arange(num_old), rng.integers(num_old, size=num_new - num_old)])
    kernel = old.convolution.get_weights()[-1 if old.norm is not None else -2]
    strength = np.sqrt(np.square(kernel).sum(axis=tuple(range(kernel.ndim - 1))))
    strength = strength * np.abs(_scale_and_offset(old)[0])
    return np.sort(np.argsort(-strength, kind="stable")[:num_new])


def _spread(channels: Indices, num: int, rng: np.random.Generator) -> Indices:
    """Returns the places of so many of a map's channels: all and copies, or as many different ones as there is room."""
    if num >= len(channels):
        return np.concatenate([np.arange(len(channels)), rng.integers(len(channels), size=num - len(channels))])
    firsts = np.unique(channels, return_index=True)[1]
    others = np.setdiff1d(np.arange(len(channels)), firsts)
    return np.sort(np.concatenate([rng.permutation(firsts), rng.permutation(others)])[:num])


def _widen(old: _Unit, new: _Unit, before: Indices, channels: Indices, rng: np.random.Generator, noise: float) -> None:
    """Takes over a convolution with its normalization."""
    scale, offset = _scale_and_offset(old)
    *kernels, bias = old.convolution.get_weights() if old.norm is None else (*old.convolution.get_weights(), offset)
    size = int(new.convolution.kernel_size[0])
    if new.norm is None and old.norm is not None:
        # The normalization is one scale and one offset of each channel, which the convolution can have itself.
        kernels[-1] = kernels[-1] * scale
    if isinstance(new.convolution, layers.SeparableConv2D):
        depthwise, pointwise = kernels
        taken = [
            _resized(depthwise, size)[:, :, before],
            _noisy(_shared(pointwise, before, axis=2)[..., channels], channels, rng, noise),
        ]
    else:
        kernel = _shared(_resized(kernels[0], size), before, axis=2)[..., channels]
        taken = [_noisy(kernel, channels, rng, noise)]
    if new.norm is None:
        taken.append(bias[channels])
    new.convolution.set_weights(taken)
    if new.norm is not None and old.norm is not None:
        new.norm.set_weights([weights[channels] for weights in old.norm.get_weights()])
    elif new.norm is not None:
        _set_neutral(new.norm, offset=bias[channels])


def _scale_and_offset(unit: _Unit) -> tuple[Array, Array]:
    """Returns what a normalization multiplies each channel by, and what it adds then; 1 and 0 where there is none."""
    if unit.norm is None:
        num = _filters(unit)
        return np.ones(num, np.float32), np.zeros(num, np.float32)
    gamma, beta, mean, variance = unit.norm.get_weights()
    scale = np.asarray(gamma / np.sqrt(variance + _EPSILON), np.float32)
    return scale, np.asarray(beta - mean * scale, np.float32)


def _set_neutral(norm: layers.Layer, *, offset: Array, scale: float = 1.0) -> None:
    """Makes a normalization multiply by a scale and add an offset, and nothing else."""
    ones, zeros = np.ones_like(offset), np.zeros_like(offset)
    norm.set_weights([ones * np.float32(scale * np.sqrt(1.0 + _EPSILON)), offset, zeros, ones])


def _pass_on(
    unit: _Unit, num_before: int, places: Indices, rng: np.random.Generator, noise: float, *, is_silent: bool
) -> None:
    """Makes a convolution hand on what it gets, or nothing; `relu` lets pass what is not negative."""
    size = int(unit.convolution.kernel_size[0])
    middle = (size - 1) // 2
    passing = _noisy(np.eye(num_before, dtype=np.float32)[:, places], places, rng, noise)
    if isinstance(unit.convolution, layers.SeparableConv2D):
        depthwise = np.zeros((size, size, num_before, 1), np.float32)
        depthwise[middle, middle] = 1.0
        kernels = [depthwise, passing[None, None]]
    else:
        kernel = np.zeros((size, size, num_before, len(places)), np.float32)
        kernel[middle, middle] = passing
        kernels = [kernel]
    scale, offset = 0.0 if is_silent else 1.0, np.zeros(len(places), np.float32)
    if unit.norm is None:
        unit.convolution.set_weights([*kernels[:-1], np.float32(scale) * kernels[-1], offset])
    else:
        unit.convolution.set_weights(kernels)
        _set_neutral(unit.norm, offset=offset, scale=scale)


def _head(trained: keras.Model, network: keras.Model, channels: Indices, rng: np.random.Generator, noise: float) -> int:
    """Takes over the dense layers behind the map; returns the number of weights."""
    old, new = ([one for one in model.layers if isinstance(one, layers.Dense)] for model in (trained, network))
    num_taken = 0
    for number, layer in enumerate(new[:-1]):
        num_units = int(layer.units)
        if number < len(old) - 1:
            kernel, bias = old[number].get_weights()
            units = _units_of(kernel, num_units, rng)
            kernel, bias = _shared(kernel, channels, axis=0)[:, units], bias[units]
        else:
            # What comes is not negative, and passes `relu` as it is.
            places = _spread(channels, num_units, rng)
            kernel, bias = np.eye(len(channels), dtype=np.float32)[:, places], np.zeros(num_units, np.float32)
            units = channels[places]
        layer.set_weights([_noisy(kernel, units, rng, noise), bias])
        num_taken += layer.count_params()
        channels = units
    if len(new) >= len(old):
        kernel, bias = old[-1].get_weights()
        new[-1].set_weights([_shared(kernel, channels, axis=0), bias])
        num_taken += new[-1].count_params()
    return num_taken


def _units_of(kernel: Array, num: int, rng: np.random.Generator) -> Indices:
    """Returns which of a dense layer's units a layer of so many has: all and copies, or the strongest."""
    num_old = kernel.shape[1]
    if num >= num_old:
        return np.concatenate([np.arange(num_old), rng.integers(num_old, size=num - num_old)])
    return np.sort(np.argsort(-np.square(kernel).sum(axis=0), kind="stable")[:num])


def _shared(kernel: Array, channels: Indices, *, axis: int) -> Array:
    """Repeats a kernel's inputs as their channels are, and divides each between its copies."""
    counts = np.bincount(channels, minlength=kernel.shape[axis])[channels]
    shape = [1] * kernel.ndim
    shape[axis] = len(channels)
    return np.asarray(np.take(kernel, channels, axis=axis) / counts.reshape(shape), np.float32)


def _noisy(kernel: Array, channels: Indices, rng: np.random.Generator, noise: float) -> Array:
    """Adds noise to outputs that are copies of others."""
    is_copy = np.ones(len(channels), bool)
    is_copy[np.unique(channels, return_index=True)[1]] = False
    if noise and is_copy.any():
        spread = noise * float(kernel.std())
        kernel = kernel + is_copy * rng.normal(0.0, spread, kernel.shape).astype(np.float32)
    return kernel


def _resized(kernel: Array, size: int) -> Array:
    """Puts zeros around a kernel, or cuts its rim off."""
    old = kernel.shape[0]
    if size >= old:
        # An even side has its middle before the centre, as "same" padding has it.
        first = (size - 1) // 2 - (old - 1) // 2
        rim = (first, size - old - first)
        return np.pad(kernel, (rim, rim, *[(0, 0)] * (kernel.ndim - 2)))
    first = (old - 1) // 2 - (size - 1) // 2
    return kernel[first : first + size, first : first + size]
