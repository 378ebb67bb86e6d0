"""Weights that evolve: an evolution strategy takes the place of gradients.

In each step many networks, the same but for noise on their weights, answer one batch. How much better or worse each is
tells which way the loss falls (Salimans et al. 2017, "Evolution strategies as a scalable alternative to reinforcement
learning", arXiv:1703.03864; noise comes in pairs of opposite sign, Brockhoff et al. 2010, "Mirrored sampling and
sequential selection for evolution strategies", doi:10.1007/978-3-642-15844-5_2). No gradient is computed: the whole
population passes in one compiled step, as a batch of networks.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from kevo.training.effort import CandidateError
from kevo.training.evolution import NUM_PAIRS, Evolution, too_many
from kevo.training.growing import Growth


class Population:
    """Networks around one in the middle, which is the model itself.

    Args:
        model: The network. Its trainable variables evolve.
        loss: A Keras loss of targets and the model's outputs.
        how: How they evolve.
        seed: Seed of the noise.

    Raises:
        CandidateError: there are too many of them.
    """

    def __init__(self, model: keras.Model, *, loss: keras.losses.Loss, how: Evolution, seed: int) -> None:
        num_weights = sum(int(variable.value.shape.num_elements()) for variable in model.trainable_variables)
        if (reason := too_many(num_weights)) is not None:
            raise CandidateError(f"it has {num_weights:,} weights, {reason}")
        self._model = model
        self._loss = loss
        self._spread = how.spread
        self._seed = seed
        self._growth = Growth(model, done=how.done) if how.is_grown else None

    def move(self, done: float) -> None:
        """Lets networks grow as is due after a share of the training."""
        if self._growth is not None:
            self._growth.move(done)

    def slopes(self, x: tf.Tensor, true: tf.Tensor, weight: tf.Tensor | None, *, step: tf.Tensor) -> list[tf.Tensor]:
        """Estimates the gradient of the loss by what the population loses; for use inside a graph.

        Args:
            x: Examples, shape (n, ...).
            true: Their targets, shape (n, ...).
            weight: How much each counts, shape (n,); `None` for equally.
            step: Number of the step, which seeds its noise.

        Returns:
            An estimate for each trainable variable, of its shape.
        """
        variables = self._model.trainable_variables
        middle = [tf.convert_to_tensor(variable.value) for variable in variables]
        state = [tf.convert_to_tensor(variable.value) for variable in self._model.non_trainable_variables]
        noise = [
            tf.random.stateless_normal(
                (NUM_PAIRS, *one.shape), seed=tf.stack([tf.cast(self._seed + place, tf.int64), tf.cast(step, tf.int64)])
            )
            for place, one in enumerate(middle)
        ]
        if self._growth is not None:
            noise = [one * mask for one, mask in zip(noise, self._growth.masks, strict=True)]

        def lost(moves: list[tf.Tensor]) -> tf.Tensor:
            weights = [one + self._spread * move for one, move in zip(middle, moves, strict=True)]
            # All see the same dropout: the state, of which that is made, is the same.
            outputs, _, penalties = self._model.stateless_call(weights, state, x, training=True, return_losses=True)
            return self._loss(true, outputs, sample_weight=weight) + sum(penalties, tf.constant(0.0))

        losses = tf.vectorized_map(lost, [tf.concat([one, -one], axis=0) for one in noise])
        rise = (losses[:NUM_PAIRS] - losses[NUM_PAIRS:]) / (2 * self._spread * NUM_PAIRS)
        return [tf.tensordot(rise, one, axes=1) for one in noise]
