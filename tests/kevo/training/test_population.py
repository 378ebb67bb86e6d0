"""Gradients estimated by a population, and weights that evolve by them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kevo.training.effort import CandidateError
from kevo.training.evolution import Evolution, num_passes
from kevo.training.loop import Loop
from kevo.training.optimizers import Adam, Horizon
from kevo.training.population import Population

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(120, 4)).astype(np.float32)
LABELS = (INPUTS[:, 0] * INPUTS[:, 1] > 0).astype(np.int64)
TARGETS = np.eye(2, dtype=np.float32)[LABELS]
LOSS = keras.losses.CategoricalCrossentropy()


def network(*parts: keras.Layer, units: int = 6, l2: float = 0.0) -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    x = layers.Dense(units, activation="tanh", kernel_regularizer=keras.regularizers.L2(l2))(inputs)
    for part in parts:
        x = part(x)
    return keras.Model(inputs, layers.Dense(2, activation="softmax")(x))


def trained(model: keras.Model, how: Evolution, *, num_epochs: int) -> list[float]:
    # An epoch of few examples takes a hundred steps.
    horizon = Horizon(num_epochs * 100)
    loop = Loop(
        model,
        optimizer=Adam(0.05),
        horizon=horizon,
        loss=LOSS,
        inputs=[INPUTS],
        targets=TARGETS,
        weights=None,
        batch_size=30,
        num_passes=num_passes(len(TARGETS), 30),
        evolution=how,
        seed=0,
    )
    return [list(loop.epoch(epoch))[-1][1]["loss"] for epoch in range(num_epochs)]


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, np.linspace(0, 2, 120, dtype=np.float32)])
def test_slopes_are_gradients_on_average(l2: float, weight: np.ndarray | None) -> None:
    model = network(l2=l2)
    population = Population(model, loss=LOSS, how=Evolution(1e-2), seed=0)
    with tf.GradientTape() as tape:
        total = LOSS(TARGETS, model(INPUTS, training=True), sample_weight=weight) + sum(model.losses)
    true = tape.gradient(total, [one.value for one in model.trainable_variables])
    slopes = tf.function(
        lambda step: population.slopes(
            tf.constant(INPUTS), tf.constant(TARGETS), None if weight is None else tf.constant(weight), step=step
        )
    )
    mean = [np.mean(one, axis=0) for one in zip(*(slopes(tf.constant(step)) for step in range(300)), strict=True)]
    found, expected = (np.concatenate([np.ravel(one) for one in part]) for part in (mean, true))
    assert np.linalg.norm(found - expected) < 0.2 * np.linalg.norm(expected)
    # Another step has other noise, the same step the same.
    once, again, other = (slopes(tf.constant(step))[0].numpy() for step in (1, 1, 2))
    assert np.array_equal(once, again) and not np.array_equal(once, other)


def test_weights_evolve_without_gradients_to_what_a_linear_model_cannot_learn() -> None:
    model = network()
    losses = trained(model, Evolution(0.1), num_epochs=3)
    assert losses[-1] < 0.4 < losses[0]
    assert np.mean(np.asarray(model(INPUTS)).argmax(axis=1) == LABELS) > 0.85


def test_dropout_and_batch_norm_take_part() -> None:
    model = network(layers.BatchNormalization(momentum=0.9), layers.Dropout(0.1))
    losses = trained(model, Evolution(0.1), num_epochs=4)
    assert losses[-1] < losses[0]
    assert np.any(model.layers[2].moving_mean.numpy() != 0)
    assert np.isfinite(np.asarray(model(INPUTS))).all()


def test_a_growing_network_ends_with_all_its_units() -> None:
    model = network(units=8)
    losses = trained(model, Evolution(0.1, is_grown=True), num_epochs=4)
    assert losses[-1] < losses[0]
    assert np.all(model.layers[-1].kernel.numpy() != 0)


def test_a_sleeping_unit_stays_as_it_was_made() -> None:
    model = network(units=8)
    before = model.layers[1].kernel.numpy()
    trained(model, Evolution(0.1, is_grown=True), num_epochs=1)
    after = model.layers[1].kernel.numpy()
    # A quarter of eight is awake.
    assert np.array_equal(after[:, 2:], before[:, 2:]) and not np.any(after[:, :2] == before[:, :2])
    assert np.all(model.layers[-1].kernel.numpy()[2:] == 0)


def test_too_many_weights_are_refused() -> None:
    with pytest.raises(CandidateError, match="it has 5,602 weights, more than the 5,000 weights"):
        Population(network(units=800), loss=LOSS, how=Evolution(0.1), seed=0)
