"""Epochs of training on arrays, as two compiled graphs: a step of training, and a forward pass.

Keras's own `fit` traces a network once to see what it looks like, then for training and for validation, each time with
all its metrics, and sets up a pipeline for every epoch. A small network spends most of its training on that. Here it is
traced twice, batches are picked from arrays inside the graph (where these are small enough to be held there), and
metrics are computed from the outputs by NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.training.answers import StepScore
from kevo.training.batch_norm import UnbiasedStatistics
from kevo.training.evolution import Evolution
from kevo.training.optimizers import Horizon
from kevo.training.population import Population

_PARTS_PER_EPOCH = 8
"""How often an epoch reports how far it is, at least."""
_STEPS_PER_PART = 16
"""After so many steps it reports at the latest, so that a long epoch can end when its time is up."""
_MAX_BYTES = 128 * 1024**2
"""Inputs up to that are copied into TensorFlow's memory; larger ones are fetched batch by batch from where they are,
while the batch before trains."""


class EpochLoop(Protocol):
    """Trains one model, epoch by epoch; see `Loop.epoch` and `Loop.end_after`."""

    def epoch(self, number: int) -> Iterator[tuple[float, dict[str, float]]]: ...

    def end_after(self, num_epochs: float) -> None: ...


class Loop:
    """Trains one model on one set of arrays.

    Under a `tf.distribute` strategy's scope every batch is divided between its replicas, whose gradients are summed:
    the batch size, and with it the learning rate, mean the same for any number of devices.

    Args:
        model: A model whose layers are built.
        optimizer: Updates what is trainable in the model.
        horizon: Where the optimizer's learning rate has fallen to its end; `None` where it does not fall.
        loss: A Keras loss of targets and the model's outputs.
        score: What to report beside the loss; `None` for nothing.
        inputs: The examples, in one array after the other: n together, each array of shape (any, ...).
        targets: What to answer, shape (n, ...).
        weights: How much each example counts, shape (n,). `None` means equally.
        batch_size: Examples in a step; an epoch's last step takes what is left.
        num_passes: How often an epoch goes through the examples.
        num_copies: Of how many copies of the examples the inputs consist, one copy after the other. Each time an
            example is taken in a copy that chance picks.
        evolution: How weights evolve; `None` to train them by gradients.
        seed: Seed of the order of the examples, which is another one in each epoch.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        optimizer: keras.optimizers.Optimizer,
        horizon: Horizon | None = None,
        loss: keras.losses.Loss,
        score: StepScore | None = None,
        inputs: Sequence[npt.NDArray[Any]],
        targets: npt.NDArray[Any],
        weights: npt.NDArray[np.float32] | None,
        batch_size: int,
        num_passes: int = 1,
        num_copies: int = 1,
        evolution: Evolution | None = None,
        seed: int,
    ) -> None:
        self._horizon = horizon
        self._num_copies = num_copies
        self._num_examples = len(targets) // num_copies
        self._score_name = None if score is None else score.name
        self._num_passes = num_passes
        self._num_steps = math.ceil(num_passes * self._num_examples / batch_size)
        self._batch_size = batch_size
        self._seed = seed
        variables = model.trainable_variables
        # No variable may be created inside a graph.
        optimizer.build(variables)
        self._inputs = inputs
        self._dtype = np.result_type(*inputs)
        self._answers = targets, np.ones(len(targets), np.float32) if weights is None else weights
        self._is_streamed = sum(one.nbytes for one in inputs) > _MAX_BYTES

        strategy = tf.distribute.get_strategy()
        self._num_replicas = strategy.num_replicas_in_sync
        statistics = UnbiasedStatistics(model)
        population = None if evolution is None else Population(model, loss=loss, how=evolution, seed=seed)
        self._population = population

        def learn(x: tf.Tensor, true: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            num = tf.cast(tf.shape(true)[0], tf.float32)
            if self._num_replicas > 1:
                replica = tf.distribute.get_replica_context().replica_id_in_sync_group
                x, true, weight = (one[replica :: self._num_replicas] for one in (x, true, weight))
            weight = None if weights is None else weight
            with tf.GradientTape() as tape, statistics.traced(optimizer.iterations):
                predicted = model(x, training=True)
                total = loss(true, predicted, sample_weight=weight)
                if self._num_replicas > 1:
                    # Keras has divided by the replicas, as if all had as many examples.
                    total *= self._num_replicas * tf.cast(tf.shape(true)[0], tf.float32) / num
                # Regularization: Keras collects it anew in every call.
                for penalty in model.losses:
                    total += penalty / self._num_replicas
            if population is None:
                slopes = tape.gradient(total, variables)
            else:
                slopes = population.slopes(x, true, weight, step=optimizer.iterations)
            optimizer.apply(slopes, variables)
            scores = tf.constant(0.0) if score is None else score.of_each(true, predicted)
            return total * num, tf.reduce_sum(tf.cast(scores, tf.float32))

        def learn_together(*batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
            if self._num_replicas == 1:
                return learn(*batch)
            sums = strategy.run(learn, args=batch)
            return tuple(strategy.reduce(tf.distribute.ReduceOp.SUM, one, axis=None) for one in sums)

        # A loop inside the graph would save next to nothing, and TensorFlow never lets go of a loop's graphs.
        if self._is_streamed:
            step = tf.function(learn_together, input_signature=self._signature(), autograph=False)
        else:
            # One that is alone is not copied: it may be a file that is mapped.
            together = np.concatenate(inputs) if len(inputs) > 1 else inputs[0]
            held = [tf.constant(one) for one in (together, *self._answers)]
            step = tf.function(
                lambda rows: learn_together(*(tf.gather(one, rows) for one in held)),
                input_signature=[tf.TensorSpec([None], tf.int64)],
                autograph=False,
            )
        # There is but one: to look for it in every step takes a sixth of a small network's time.
        self._step = step.get_concrete_function()

    def _signature(self) -> list[tf.TensorSpec]:
        examples = (self._inputs[0], self._dtype), *((one, one.dtype) for one in self._answers)
        return [tf.TensorSpec((None, *one.shape[1:]), dtype) for one, dtype in examples]

    def _fetch(self, rows: npt.NDArray[np.int64]) -> list[npt.NDArray[Any]]:
        """Returns examples by their positions."""
        fetched = np.empty((len(rows), *self._inputs[0].shape[1:]), self._dtype)
        start = 0
        for one in self._inputs:
            is_here = (rows >= start) & (rows < start + len(one))
            fetched[is_here] = one[rows[is_here] - start]
            start += len(one)
        return [fetched, *(one[rows] for one in self._answers)]

    def _feed(self, order: npt.NDArray[np.int64]) -> Iterator[tuple[tf.Tensor, ...]]:
        """Yields what a step takes, batch by batch: rows of what is held, or else the examples themselves."""
        if not self._is_streamed:
            for start in range(0, len(order), self._batch_size):
                yield (tf.constant(order[start : start + self._batch_size]),)
            return

        def shaped(rows: tf.Tensor) -> list[tf.Tensor]:
            fetched = tf.numpy_function(self._fetch, [rows], [spec.dtype for spec in self._signature()])
            return [tf.ensure_shape(one, spec.shape) for one, spec in zip(fetched, self._signature(), strict=True)]

        batches = tf.data.Dataset.from_tensor_slices(order).batch(self._batch_size)
        yield from batches.map(lambda rows: tuple(shaped(rows))).prefetch(2)

    def end_after(self, num_epochs: float) -> None:
        """Lets the learning rate fall to its end after `num_epochs` in all, if that is sooner than planned."""
        if self._horizon is not None:
            self._horizon.move(num_epochs * self._num_steps)

    def epoch(self, number: int) -> Iterator[tuple[float, dict[str, float]]]:
        """Trains for one epoch, and yields after every part of it.

        Args:
            number: Which epoch it is, from 0.

        Yields:
            How much of the epoch is done, up to 1, and `loss` and the score on average over its examples so far.
        """
        if self._population is not None and self._horizon is not None:
            self._population.move(min(1.0, number * self._num_steps / float(self._horizon.step)))
        rng = np.random.default_rng((self._seed, number))
        order = np.concatenate([rng.permutation(self._num_examples) for _ in range(self._num_passes)])
        order += self._num_examples * rng.integers(self._num_copies, size=len(order))
        if (num_left := len(order) % self._batch_size) and num_left < self._num_replicas:
            # No replica may be without an example.
            order = np.append(order, order[: self._num_replicas - num_left])
        num_parts = min(max(_PARTS_PER_EPOCH, self._num_steps // _STEPS_PER_PART), self._num_steps)
        parts = {round(self._num_steps * part / num_parts): part for part in range(1, num_parts + 1)}
        loss, score, sums = 0.0, 0.0, list[tuple[tf.Tensor, ...]]()
        for done, batch in enumerate(self._feed(order), start=1):
            sums.append(self._step(*batch))
            if done not in parts:
                continue
            # Only now does Python wait for what was computed.
            loss, score = loss + sum(float(one) for one, _ in sums), score + sum(float(one) for _, one in sums)
            sums.clear()
            seen = min(done * self._batch_size, self._num_passes * self._num_examples)
            metrics = {"loss": loss / seen}
            share = parts[done] / num_parts
            yield share, metrics if self._score_name is None else {**metrics, self._score_name: score / seen}


class Forward:
    """A model's forward pass in inference mode, traced once whatever the batch's length.

    Args:
        model: The model.
        dtype: Type of its inputs, when they are not what it was built for.
    """

    def __init__(self, model: keras.Model, *, dtype: npt.DTypeLike | None = None) -> None:
        (inputs,) = model.inputs
        shape = (None, *inputs.shape[1:])
        signature = tf.TensorSpec(shape, inputs.dtype if dtype is None else dtype)
        self._dtype = signature.dtype.as_numpy_dtype
        forward = tf.function(lambda x: model(x, training=False), input_signature=[signature], autograph=False)
        self._pass = forward.get_concrete_function()

    def batches(self, inputs: npt.NDArray[Any], batch_size: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yields the outputs of one batch after the other, each of shape (batch_size or fewer, ...)."""
        for start in range(0, len(inputs), batch_size):
            batch = inputs[start : start + batch_size].astype(self._dtype, copy=False)
            yield np.asarray(self._pass(tf.constant(batch)), dtype=np.float32)
