"""Moving statistics of batch norm, which are right from the first step on."""

import keras
import numpy as np
import pytest

from kevo.training.loop import Loop

INPUTS = np.random.default_rng(0).normal(3.0, 2.0, size=(64, 5)).astype(np.float32)
TARGETS = np.eye(2, dtype=np.float32)[np.arange(64) % 2]


def network(*, momentum: float, trainable: bool = True) -> tuple[keras.Model, keras.layers.BatchNormalization]:
    norm = keras.layers.BatchNormalization(momentum=momentum, trainable=trainable)
    model = keras.Sequential([keras.Input((5,)), norm, keras.layers.Dense(2, activation="softmax")])
    return model, norm


def trained(model: keras.Model, *, batch_size: int, num_epochs: int = 1) -> None:
    loop = Loop(
        model,
        optimizer=keras.optimizers.SGD(0.0),
        loss=keras.losses.CategoricalCrossentropy(),
        inputs=[INPUTS],
        targets=TARGETS,
        weights=None,
        batch_size=batch_size,
        seed=0,
    )
    for epoch in range(num_epochs):
        list(loop.epoch(epoch))


@pytest.mark.parametrize(("momentum", "num_epochs"), [(0.9, 1), (0.99, 1), (0.9, 3)])
def test_they_are_weighted_means_over_the_steps_so_far(momentum: float, num_epochs: int) -> None:
    model, norm = network(momentum=momentum)
    trained(model, batch_size=16, num_epochs=num_epochs)
    orders = [np.random.default_rng((0, epoch)).permutation(64).reshape(4, 16) for epoch in range(num_epochs)]
    means = INPUTS[np.concatenate(orders)].mean(axis=1)
    weights = momentum ** np.arange(len(means))[::-1]
    assert np.asarray(norm.moving_mean) == pytest.approx(weights @ means / weights.sum(), rel=1e-4)
    assert norm.momentum == momentum and norm.get_config()["momentum"] == momentum


def test_what_has_statistics_goes_on_with_them() -> None:
    model, norm = network(momentum=0.9)
    norm.moving_mean.assign(np.full(5, 7.0))
    trained(model, batch_size=64)
    assert np.asarray(norm.moving_mean) == pytest.approx(0.9 * 7 + 0.1 * INPUTS.mean(axis=0), rel=1e-4)


def test_frozen_layers_stay_as_they_are() -> None:
    model, norm = network(momentum=0.9, trainable=False)
    trained(model, batch_size=16)
    assert not np.any(norm.moving_mean) and np.all(np.asarray(norm.moving_variance) == 1)
