"""Weights that a conv stack takes over from its parent, so that it begins with what the parent has learned.

A wider or deeper network, and one with larger kernels, computes at first what its parent computed (Net2Net: Chen et al.
2016, arXiv:1511.05641; network morphism: Wei et al. 2016, arXiv:1603.01670; as mutations: LEMONADE, Elsken et al. 2019,
arXiv:1804.09081). A narrower one, and one with smaller kernels, keeps the strongest part of it. What has no counterpart
keeps the weights that it was built with.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from tuners.genome import Genome

_NOISE = 1e-2
"""The spread of the noise on a copied channel, as a part of the kernel's own: else copies would stay copies."""
_ALIKE = tuple(
    f"conv/{name}"
    for name in ("batch_norm", "convolution", "squeeze_excite", "activation", "pooling", "early_pooling", "shortcut")
)
"""Where these genes differ, a layer of the one network means nothing in the other."""
_EPSILON = 1e-3
"""What batch norm adds to a variance in Keras."""

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Unit:
    """A convolution and its normalization; `None` for none."""

    convolution: layers.Layer
    norm: layers.Layer | None


def can_inherit(parent: Genome, child: Genome) -> bool:
    """Tells whether the conv stack of a genome can take over weights of another one's."""
    if not parent["family"] == child["family"] == "conv" or child["conv/squeeze_excite"]:
        return False
    is_chain = not any(genome[name] for genome in (parent, child) for name in genome if "/from_" in name)
    return is_chain and all(parent[name] == child[name] for name in _ALIKE)


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
        parent: The parent's genome; see `can_inherit`.
        trained: Its network, as `networks.conv_network` builds it, with its weights.
        child: The child's genome.
        network: Its network, with new weights.
        rng: Chooses the channels that are copied, and their noise.
        noise: The spread of the noise on copies, as a part of that of their kernel; 0 for exact copies.

    Returns:
        The share of the child's weights that come from the parent.
    """
    old, new = _units(trained, parent), _units(network, child)
    num_taken = 0
    # The mean of means is the mean: a block more changes nothing.
    is_averaged = child["conv/pooling"] == child["conv/summary"] == "average"
    # Which channel of the parent's map each channel of the child's map is, and how often it is there.
    channels: Indices | None = np.arange(3)
    for block, convolutions in enumerate(new):
        known = old[block] if block < len(old) else []
        # The parent's further convolutions of this block are passed over: their channels have the same places.
        for number, unit in enumerate(convolutions):
            before = channels
            if number < len(known):
                # A shortcut adds the maps of one block: their channels have the same places.
                channels = _chosen(known[number], unit, rng) if number == 0 or before is None else before
                num_taken += _widen(known[number], unit, before, channels, rng, noise)
            elif before is not None and _filters(unit) == len(before) and (known or is_averaged):
                # With a shortcut nothing is added to what leads around; without one, the map passes as it is.
                _pass_on(unit, is_silent=bool(child["conv/shortcut"]) and number > 0 and len(known) < 2)
                num_taken += _num_weights(unit)
            else:
                channels = None
    if channels is not None and parent["conv/summary"] == child["conv/summary"] != "flatten":
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
    if old.norm is not None:
        gamma, _, _, variance = old.norm.get_weights()
        strength = strength * np.abs(gamma) / np.sqrt(variance + _EPSILON)
    return np.sort(np.argsort(-strength, kind="stable")[:num_new])


def _widen(
    old: _Unit, new: _Unit, before: Indices | None, channels: Indices, rng: np.random.Generator, noise: float
) -> int:
    """Takes over a convolution with its normalization; returns the number of weights."""
    if before is None:
        return 0
    *kernels, bias = old.convolution.get_weights() if old.norm is None else (*old.convolution.get_weights(), None)
    size = int(new.convolution.kernel_size[0])
    if isinstance(new.convolution, layers.SeparableConv2D):
        depthwise, pointwise = kernels
        taken = [
            _resized(depthwise, size)[:, :, before],
            _noisy(_shared(pointwise, before, axis=2)[..., channels], channels, rng, noise),
        ]
    else:
        kernel = _shared(_resized(kernels[0], size), before, axis=2)[..., channels]
        taken = [_noisy(kernel, channels, rng, noise)]
    if bias is not None:
        taken.append(bias[channels])
    new.convolution.set_weights(taken)
    if new.norm is not None and old.norm is not None:
        new.norm.set_weights([weights[channels] for weights in old.norm.get_weights()])
    return _num_weights(new)


def _pass_on(unit: _Unit, *, is_silent: bool) -> None:
    """Makes a convolution hand on what it gets, or nothing; `relu` lets pass what is not negative."""
    size, num = int(unit.convolution.kernel_size[0]), _filters(unit)
    middle = (size - 1) // 2
    scale = np.float32(0.0 if is_silent else 1.0)
    if isinstance(unit.convolution, layers.SeparableConv2D):
        depthwise = np.zeros((size, size, num, 1), np.float32)
        depthwise[middle, middle] = 1.0
        kernels = [depthwise, np.eye(num, dtype=np.float32)[None, None]]
    else:
        kernel = np.zeros((size, size, num, num), np.float32)
        kernel[middle, middle] = np.eye(num)
        kernels = [kernel]
    if unit.norm is None:
        unit.convolution.set_weights([*kernels[:-1], scale * kernels[-1], np.zeros(num, np.float32)])
        return
    unit.convolution.set_weights(kernels)
    ones, zeros = np.ones(num, np.float32), np.zeros(num, np.float32)
    unit.norm.set_weights([scale * np.sqrt(ones + np.float32(_EPSILON)), zeros, zeros, ones])


def _head(trained: keras.Model, network: keras.Model, channels: Indices, rng: np.random.Generator, noise: float) -> int:
    """Takes over the dense layers behind the map; returns the number of weights."""
    old, new = ([one for one in model.layers if isinstance(one, layers.Dense)] for model in (trained, network))
    if len(old) != len(new):
        return 0
    num_taken = 0
    for number, (before, after) in enumerate(zip(old, new, strict=True)):
        kernel, bias = before.get_weights()
        num_units = int(after.units)
        is_last = number == len(new) - 1
        if is_last or num_units == len(bias):
            units = np.arange(len(bias))
        elif num_units > len(bias):
            units = np.concatenate([np.arange(len(bias)), rng.integers(len(bias), size=num_units - len(bias))])
        else:
            units = np.sort(np.argsort(-np.square(kernel).sum(axis=0), kind="stable")[:num_units])
        taken = _noisy(_shared(kernel, channels, axis=0)[:, units], units, rng, noise)
        after.set_weights([taken, bias[units]])
        num_taken += after.count_params()
        channels = units
    return num_taken


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
