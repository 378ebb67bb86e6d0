"""Compiled epochs, against Keras's own training and against arithmetic."""

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kevo.training.answers import StepScore
from kevo.training.loop import Forward, Loop

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(23, 6)).astype(np.float32)
TARGETS = np.eye(3, dtype=np.float32)[RNG.integers(0, 3, 23)]


def network(*, dropout: float = 0.0, seed: int = 0) -> keras.Model:
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(5, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01)),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def looped(model: keras.Model, **options: Any) -> Loop:
    given = {
        "optimizer": keras.optimizers.Adam(0.01),
        "loss": keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        "inputs": [INPUTS],
        "targets": TARGETS,
        "weights": None,
        "batch_size": 4,
        "seed": 0,
    }
    return Loop(model, **{**given, **options})


def test_a_pass_takes_inputs_of_any_narrower_type() -> None:
    model, halves = network(), INPUTS.astype(np.float16)
    forward = Forward(model, dtype=np.result_type(INPUTS, halves))
    both = [np.concatenate(list(forward.batches(inputs, 10))) for inputs in (INPUTS, halves)]
    assert both[0].shape == (23, 3)
    np.testing.assert_allclose(*both, atol=1e-2)


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2.0, 23).astype(np.float32)])
def test_whole_epochs_at_once_are_those_of_keras(weights: np.ndarray | None) -> None:
    ours, theirs = network(), network()
    loop = looped(ours, weights=weights, batch_size=23)
    losses = [metrics["loss"] for epoch in range(3) for _, metrics in loop.epoch(epoch)]
    theirs.compile(keras.optimizers.Adam(0.01), keras.losses.CategoricalCrossentropy(label_smoothing=0.1))
    history = theirs.fit(
        INPUTS, TARGETS, sample_weight=weights, batch_size=23, epochs=3, shuffle=False, verbose=0
    ).history
    assert losses == pytest.approx(history["loss"], rel=1e-5)
    # Statistics of batch norm are ours, see `batch_norm`.
    for mine, other in zip(ours.trainable_weights, theirs.trainable_weights, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("batch_size", "num_parts"), [(1, 8), (4, 6), (10, 3), (100, 1)])
def test_an_epoch_sees_every_example_once(batch_size: int, num_parts: int) -> None:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax")])
    # What does not move tells of each example by itself.
    loop = looped(
        model,
        optimizer=keras.optimizers.SGD(0.0),
        loss=keras.losses.CategoricalCrossentropy(),
        score=StepScore("certainty", lambda true, predicted: tf.reduce_max(predicted, axis=-1)),
        batch_size=batch_size,
    )
    parts = list(loop.epoch(0))
    assert [done for done, _ in parts] == pytest.approx([(part + 1) / num_parts for part in range(num_parts)])
    predicted = model.predict(INPUTS, verbose=0)
    expected = -np.log(predicted[TARGETS == 1]).mean()
    assert parts[-1][1]["loss"] == pytest.approx(expected, rel=1e-5)
    assert parts[-1][1]["certainty"] == pytest.approx(predicted.max(axis=1).mean(), rel=1e-5)


def test_a_long_epoch_reports_every_sixteen_steps() -> None:
    loop = looped(network(), inputs=[np.tile(INPUTS, (10, 1))], targets=np.tile(TARGETS, (10, 1)), batch_size=1)
    assert [done for done, _ in loop.epoch(0)] == pytest.approx([part / 14 for part in range(1, 15)])


def test_without_a_score_the_loss_alone_is_reported() -> None:
    assert [list(metrics) for _, metrics in looped(network(), batch_size=23).epoch(0)] == [["loss"]]


def test_the_order_is_the_seeds_and_another_in_each_epoch() -> None:
    def trained(seed: int, epoch: int) -> np.ndarray:
        model = network()
        for _ in looped(model, seed=seed).epoch(epoch):
            pass
        return np.concatenate([weight.ravel() for weight in model.get_weights()])

    first = trained(0, 0)
    assert np.array_equal(first, trained(0, 0))
    assert not np.allclose(first, trained(1, 0))
    assert not np.allclose(first, trained(0, 1))


def test_layers_know_that_they_train() -> None:
    model = network(dropout=0.5)
    before = [np.copy(value) for value in model.layers[0].get_weights()]
    losses = [metrics["loss"] for epoch in range(2) for _, metrics in looped(model, batch_size=23).epoch(epoch)]
    mean, variance = model.layers[0].get_weights()[2:]
    assert not np.allclose(mean, before[2]) and not np.allclose(variance, before[3])
    assert losses[0] != pytest.approx(losses[1])


def test_frozen_layers_do_not_move() -> None:
    model = network()
    model.layers[1].trainable = False
    before = model.layers[1].get_weights()
    for _ in looped(model).epoch(0):
        pass
    assert all(np.array_equal(old, new) for old, new in zip(before, model.layers[1].get_weights(), strict=True))


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
def test_a_forward_pass_takes_every_number_and_length(dtype: type) -> None:
    model = network(dropout=0.9)
    inputs = RNG.integers(0, 100, (23, 6)).astype(dtype)
    batches = list(Forward(model, dtype=dtype).batches(inputs, 10))
    assert [len(batch) for batch in batches] == [10, 10, 3]
    expected = np.asarray(model(inputs.astype(np.float32), training=False))
    np.testing.assert_allclose(np.concatenate(batches), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16])
def test_inputs_of_other_types_are_learned_from_alike(dtype: type) -> None:
    inputs = RNG.integers(0, 100, (23, 6)).astype(dtype)
    histories = []
    for given in (inputs, inputs.astype(np.float32)):
        loop = looped(network(), inputs=[given])
        histories.append([metrics for _, metrics in loop.epoch(0)])
    assert histories[0][-1] == pytest.approx(histories[1][-1], rel=1e-5)


def test_what_is_streamed_may_be_of_several_types(monkeypatch: pytest.MonkeyPatch) -> None:
    # Features that float16 cannot hold stay as they are.
    wide = INPUTS[5:] + np.float32(1e5)
    losses = []
    for limit in (0, 2**30):
        monkeypatch.setattr("kevo.training.loop._MAX_BYTES", limit)
        loop = looped(network(), inputs=[INPUTS[:5].astype(np.float16), wide], batch_size=23)
        losses += [metrics["loss"] for _, metrics in loop.epoch(0)]
    assert np.isfinite(losses).all() and losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_what_is_too_large_is_streamed_and_learned_from_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.linspace(0.5, 2.0, 23).astype(np.float32)

    def trained(*inputs: np.ndarray) -> tuple[list[np.ndarray], dict[str, float]]:
        model = network()
        loop = looped(model, inputs=inputs, weights=weights)
        parts = [metrics for epoch in range(2) for _, metrics in loop.epoch(epoch)]
        return model.get_weights(), parts[-1]

    held = trained(INPUTS)
    monkeypatch.setattr("kevo.training.loop._MAX_BYTES", 0)
    # In several arrays it is the same.
    streamed = trained(INPUTS[:5], INPUTS[5:6], INPUTS[6:])
    assert streamed[1] == pytest.approx(held[1], rel=1e-5)
    for one, other in zip(held[0], streamed[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_size", [4, 23, 40])
def test_an_epoch_may_go_through_the_examples_several_times(batch_size: int) -> None:
    optimizer = keras.optimizers.Adam(0.0)
    loop = looped(network(), optimizer=optimizer, batch_size=batch_size, num_passes=3)
    *_, (share, metrics) = loop.epoch(0)
    assert share == 1.0
    assert int(optimizer.iterations) == math.ceil(3 * 23 / batch_size)
    *_, (_, once) = looped(network(), batch_size=23, optimizer=keras.optimizers.Adam(0.0)).epoch(0)
    if batch_size == 23:
        # Each example counts as often as any other.
        assert metrics["loss"] == pytest.approx(once["loss"], rel=1e-4)
