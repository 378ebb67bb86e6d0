"""Hidden units that join later."""

import keras
import numpy as np
import pytest
from keras import layers

from kevo.training.growing import Growth, hidden_layers, num_awake


def network(*, batch_norm: bool = False) -> keras.Model:
    """Two hidden layers of 8 and 5 units."""
    keras.utils.set_random_seed(3)
    x = inputs = keras.Input((4,))
    for units in (8, 5):
        x = layers.Dense(units, name=f"hidden_{units}")(x)
        if batch_norm:
            x = layers.BatchNormalization()(x)
        x = layers.Dropout(0.1)(layers.Activation("tanh")(x))
    return keras.Model(inputs, layers.Dense(2, activation="softmax", name="last")(x))


INPUTS = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_layers_that_may_grow_are_found(batch_norm: bool) -> None:
    found = [(layer.name, taker.name) for layer, taker in hidden_layers(network(batch_norm=batch_norm))]
    assert found == [("hidden_8", "hidden_5"), ("hidden_5", "last")]


def test_a_layer_that_goes_into_several_does_not_grow() -> None:
    inputs = keras.Input((4,))
    x = layers.Dense(3)(inputs)
    model = keras.Model(inputs, layers.Add()([layers.Dense(3)(x), x]))
    assert hidden_layers(model) == []
    growth = Growth(model)
    assert all(np.all(mask.numpy() == 1) for mask in growth.masks)


def test_units_join_one_after_the_other() -> None:
    awake = [num_awake(8, done / 100) for done in range(101)]
    assert (awake[0], awake[50], awake[-1]) == (2, 8, 8)
    assert awake == sorted(awake) and set(awake) == set(range(2, 9))
    assert num_awake(1, 0.0) == 1


def test_a_network_computes_the_same_before_and_after_a_unit_joins() -> None:
    model = network()
    growth = Growth(model)
    before = np.asarray(model(INPUTS))
    # With two units of 8 and two of 5 only.
    small = [weights.numpy() for weights in model.trainable_weights]
    cut = network()
    cut.set_weights([weights * (mask.numpy() == 1) for weights, mask in zip(small, growth.masks, strict=True)])
    assert np.asarray(cut(INPUTS)) == pytest.approx(before, abs=1e-6)
    for done in (0.1, 0.3, 0.5):
        growth.move(done)
        assert np.array_equal(np.asarray(model(INPUTS)), before)
    assert all(np.all(mask.numpy() == 1) for mask in growth.masks)


def test_weights_of_sleeping_units_are_told_apart() -> None:
    model = network()
    growth = Growth(model)
    first, first_bias, second, second_bias, last, last_bias = (mask.numpy() for mask in growth.masks)
    assert np.all(first[:, :2] == 1) and np.all(first[:, 2:] == 0)
    assert first_bias.tolist() == [1, 1, 0, 0, 0, 0, 0, 0] and second_bias.tolist() == [1, 1, 0, 0, 0]
    assert np.argwhere(second).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert np.all(last[:2] == 1) and np.all(last[2:] == 0) and np.all(last_bias == 1)


def test_a_training_that_goes_on_keeps_the_units_that_have_joined() -> None:
    model = network()
    kernel = model.get_layer("last").kernel.numpy()
    Growth(model, done=0.5)
    assert np.array_equal(model.get_layer("last").kernel.numpy(), kernel)
    Growth(model, done=0.25)
    # Of 5 units, four are awake by then.
    assert np.argwhere(model.get_layer("last").kernel.numpy() == 0).tolist() == [[4, 0], [4, 1]]
