"""Networks that begin small: hidden units join later, and change nothing at the moment when they do.

A unit that is still asleep has no outgoing weights, and its weights do not move. So a network with sleeping units
computes what one without them does, and waking one up is an exact morph (Net2Net: Chen et al. 2016, arXiv:1511.05641;
networks that grow while their weights evolve: Stanley and Miikkulainen 2002, doi:10.1162/106365602320169811).
"""

from __future__ import annotations

import math
from collections import defaultdict

import keras
import numpy as np
import tensorflow as tf
from keras import layers

_FIRST_SHARE = 0.25
"""The share of the units that are awake at the beginning."""
_ALL_BY = 0.5
"""After this share of a training all units are awake."""
_BY_UNIT = (layers.Activation, layers.BatchNormalization, layers.Dropout)
"""Layers that keep units apart."""


class Growth:
    """The hidden units of a network that are awake.

    Args:
        model: A network with new weights, or one that has grown before.
        done: The share of the training that is over.
    """

    def __init__(self, model: keras.Model, *, done: float = 0.0) -> None:
        self._pairs = hidden_layers(model)
        variables = model.trainable_variables
        self._places = {id(variable): place for place, variable in enumerate(variables)}
        self.masks = [tf.Variable(tf.ones(one.shape), trainable=False, name="awake") for one in variables]
        """1 for weights that may move, 0 for those of sleeping units; in the order of the trainable variables."""
        for layer, consumer in self._pairs:
            kernel = consumer.kernel.numpy().copy()
            kernel[num_awake(layer.units, done) :] = 0.0
            consumer.kernel.assign(kernel)
        self.move(done)

    def move(self, done: float) -> None:
        """Wakes up as many units as are due after a share of the training."""
        masks = [np.ones(one.shape, np.float32) for one in self.masks]
        for layer, consumer in self._pairs:
            awake = num_awake(layer.units, done)
            masks[self._places[id(layer.kernel)]][:, awake:] = 0.0
            if layer.use_bias:
                masks[self._places[id(layer.bias)]][awake:] = 0.0
            masks[self._places[id(consumer.kernel)]][awake:] = 0.0
        for variable, mask in zip(self.masks, masks, strict=True):
            variable.assign(mask)


def num_awake(num_units: int, done: float) -> int:
    """Returns how many of a layer's units are awake.

    Args:
        num_units: All of them.
        done: The share of the training that is over.

    Example:
        >>> [num_awake(16, done) for done in (0.0, 0.25, 0.5, 1.0)]
        [4, 10, 16, 16]
    """
    return math.ceil(num_units * min(1.0, _FIRST_SHARE + (1 - _FIRST_SHARE) * done / _ALL_BY))


def hidden_layers(model: keras.Model) -> list[tuple[layers.Dense, layers.Dense]]:
    """Returns the dense layers whose units go into one further dense layer and nowhere else, each with that one."""
    takers = defaultdict(list)
    for operation in model.operations:
        if not isinstance(operation, layers.InputLayer):
            for tensor in keras.tree.flatten(operation.input):
                takers[id(tensor)].append(operation)
    found = []
    for layer in model.layers:
        if isinstance(layer, layers.Dense) and layer.trainable:
            taker: keras.Operation | None = layer
            while taker is layer or isinstance(taker, _BY_UNIT):
                taker = takers[id(taker.output)][0] if len(takers[id(taker.output)]) == 1 else None
            if isinstance(taker, layers.Dense) and taker.trainable:
                found.append((layer, taker))
    return found
