"""Several networks as one."""

from pathlib import Path

import keras
import numpy as np
import pytest

from kevo.training.mean_network import mean_of, num_networks


def networks(num: int) -> list[keras.Model]:
    """Networks of one genome: their layers, and they themselves, are called alike."""
    found = []
    for seed in range(num):
        keras.utils.set_random_seed(seed)
        keras.backend.clear_session()
        inputs = keras.Input((5,), name="features")
        x = keras.layers.BatchNormalization()(keras.layers.Dense(4, activation="relu")(inputs))
        found.append(keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x), name="network"))
    return found


@pytest.mark.parametrize("num", [2, 4])
def test_a_mean_answers_what_its_networks_answer_on_average(num: int, tmp_path: Path) -> None:
    parts = networks(num)
    mean = mean_of(parts)
    assert mean.name == "network" and mean.inputs[0].name == "features"
    assert mean.count_params() == num * parts[0].count_params()
    examples = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    expected = np.mean([one.predict(examples, verbose=0) for one in parts], axis=0)
    np.testing.assert_allclose(mean.predict(examples, verbose=0), expected, atol=1e-6)
    mean.save(tmp_path / "mean.keras")
    loaded = keras.models.load_model(tmp_path / "mean.keras", safe_mode=True)
    np.testing.assert_allclose(loaded.predict(examples, verbose=0), expected, atol=1e-6)
    assert num_networks(loaded) == num


def test_a_model_tells_of_how_many_networks_it_is_the_mean() -> None:
    one, *others = networks(3)
    assert num_networks(one) == 1
    inputs = keras.Input((5,))
    # As it is deployed: with layers around it.
    assert num_networks(keras.Model(inputs, mean_of([one, *others])(keras.layers.Rescaling(2.0)(inputs)))) == 3
