"""Epochs of training on arrays, as two compiled graphs: a step of training, and a forward pass.

Keras's own `fit` traces a network once to see what it looks like, then for training and for validation, each time with
all its metrics, and sets up a pipeline for every epoch. A small network spends most of its training on that. Here it is
traced twice, batches are picked from arrays inside the graph, and metrics are computed from probabilities by NumPy.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

_PARTS_PER_EPOCH = 8
"""How often in an epoch Python gets a word."""


class Loop:
    """Trains one model on one set of arrays.

    Args:
        model: A model whose layers are built, ending in class probabilities.
        optimizer: Updates what is trainable in the model.
        loss: A Keras loss of one-hot labels and probabilities.
        inputs: What to learn from, shape (n, ...), of any numeric type.
        labels: One-hot, shape (n, num_classes).
        weights: How much each example counts, shape (n,). `None` means equally.
        batch_size: Examples in a step; an epoch's last step takes what is left.
        seed: Seed of the order of the examples, which is another one in each epoch.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        optimizer: keras.optimizers.Optimizer,
        loss: keras.losses.Loss,
        inputs: npt.NDArray[Any],
        labels: npt.NDArray[np.float32],
        weights: npt.NDArray[np.float32] | None,
        batch_size: int,
        seed: int,
    ) -> None:
        self._num_steps = math.ceil(len(inputs) / batch_size)
        self._num_examples = len(inputs)
        self._seed = seed
        variables = model.trainable_variables
        # No variable may be created inside a graph.
        optimizer.build(variables)
        examples = tf.constant(inputs), tf.constant(labels), None if weights is None else tf.constant(weights)

        # A loop inside the graph would save next to nothing, and TensorFlow never lets go of a loop's graphs.
        @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False)  # type: ignore[untyped-decorator]
        def step(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            x, true, weight = (None if one is None else tf.gather(one, rows) for one in examples)
            with tf.GradientTape() as tape:
                predicted = model(x, training=True)
                total = loss(true, predicted, sample_weight=weight)
                # Regularization: Keras collects it anew in every call.
                for penalty in model.losses:
                    total += penalty
            optimizer.apply(tape.gradient(total, variables), variables)
            hits = tf.equal(tf.argmax(true, axis=-1), tf.argmax(predicted, axis=-1))
            return total * tf.cast(tf.size(rows), total.dtype), tf.reduce_sum(tf.cast(hits, tf.float32))

        self._step = step
        self._batch_size = batch_size

    def epoch(self, number: int) -> Iterator[tuple[float, dict[str, float]]]:
        """Trains for one epoch, and yields after every part of it.

        Args:
            number: Which epoch it is, from 0.

        Yields:
            How much of the epoch is done, up to 1, and `loss` and `accuracy` on average over its examples so far.
        """
        order = np.random.default_rng((self._seed, number)).permutation(self._num_examples)
        num_parts = min(_PARTS_PER_EPOCH, self._num_steps)
        edges = [round(self._num_steps * part / num_parts) for part in range(num_parts + 1)]
        loss, hits = 0.0, 0.0
        for part, (first, last) in enumerate(itertools.pairwise(edges), start=1):
            starts = range(first * self._batch_size, last * self._batch_size, self._batch_size)
            sums = [self._step(tf.constant(order[start : start + self._batch_size])) for start in starts]
            # Only now does Python wait for what was computed.
            loss, hits = loss + sum(float(one) for one, _ in sums), hits + sum(float(one) for _, one in sums)
            seen = min(last * self._batch_size, self._num_examples)
            yield part / num_parts, {"loss": loss / seen, "accuracy": hits / seen}


class Forward:
    """A model's forward pass in inference mode, traced once whatever the batch's length.

    Args:
        model: The model.
        dtype: Type of its inputs, when they are not what it was built for.
    """

    def __init__(self, model: keras.Model, *, dtype: npt.DTypeLike | None = None) -> None:
        (pixels,) = model.inputs
        shape = (None, *pixels.shape[1:])
        signature = [tf.TensorSpec(shape, pixels.dtype if dtype is None else dtype)]
        self._pass = tf.function(lambda x: model(x, training=False), input_signature=signature, autograph=False)

    def batches(self, inputs: npt.NDArray[Any], batch_size: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yields the outputs of one batch after the other, each of shape (batch_size or fewer, ...)."""
        for start in range(0, len(inputs), batch_size):
            yield np.asarray(self._pass(tf.constant(inputs[start : start + batch_size])), dtype=np.float32)
