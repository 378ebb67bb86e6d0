"""Batch norm whose moving statistics are right from the first step on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from kevo.system import model_sizes


class UnbiasedStatistics:
    """Keeps what they begin with out of the moving statistics of new layers of batch norm.

    Keras's begin with a mean of 0 and a variance of 1. After ten steps at a momentum of 0.9 a third of them is still
    that, and a network that has learned a lot answers the same to everything. Here they are the mean over the steps so
    far, weighted as by the momentum, by the correction of Adam (Kingma and Ba 2015, arXiv:1412.6980, section 3). Layers
    that have statistics already keep their momentum.

    Args:
        model: A model whose layers are built.
    """

    def __init__(self, model: keras.Model) -> None:
        self._layers = [
            layer
            for layer in model_sizes.layers(model)
            if isinstance(layer, keras.layers.BatchNormalization)
            and not np.any(layer.moving_mean)
            and np.all(np.asarray(layer.moving_variance) == 1)
        ]

    @contextlib.contextmanager
    def traced(self, num_steps: tf.Tensor) -> Iterator[None]:
        """While entered, the model is called for a graph of one step of training.

        Args:
            num_steps: How many steps were made before, a scalar.
        """
        momenta = [layer.momentum for layer in self._layers]
        steps = tf.cast(num_steps, tf.float32)
        try:
            for layer in self._layers:
                layer.momentum *= (1 - layer.momentum**steps) / (1 - layer.momentum ** (steps + 1))
            yield
        finally:
            for layer, momentum in zip(self._layers, momenta, strict=True):
                layer.momentum = momentum
