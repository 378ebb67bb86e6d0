"""A genome's optimizer: Keras's arithmetic, and a learning rate that a pause does not change."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kevo.training import optimizers

GENOME = {"optimizer": "adam", "learning_rate": 0.01, "schedule": "cosine"}


@pytest.mark.parametrize("fine_tune_rate", [None, 1e-3])
def test_the_learning_rate_goes_on_where_it_paused(fine_tune_rate: float | None) -> None:
    whole, rest = (
        optimizers.optimizer(GENOME, num_steps=100, num_done=num_done, fine_tune_rate=fine_tune_rate)
        for num_done in (0, 40)
    )
    for optimizer, steps in ((whole, 45), (rest, 5)):
        optimizer.build([keras.Variable(0.0)])
        optimizer.iterations.assign(steps)
    assert float(rest.learning_rate) == pytest.approx(float(whole.learning_rate))
    assert float(whole.learning_rate) < (fine_tune_rate or 0.01)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop"])
def test_its_steps_are_those_of_keras(name: str, schedule: str) -> None:
    genome: dict[str, Any] = {"optimizer": name, "schedule": schedule, "weight_decay": 0.1}
    genome["sgd/learning_rate" if name == "sgd" else "learning_rate"] = 0.05
    ours = optimizers.optimizer(genome, num_steps=20, num_done=0, fine_tune_rate=None)
    theirs = getattr(keras.optimizers, type(ours).__name__).from_config(ours.get_config())
    start = np.linspace(-1.0, 1.0, 6).reshape(2, 3)

    def moved(optimizer: keras.optimizers.Optimizer) -> np.ndarray:
        variable = keras.Variable(start)
        optimizer.build([variable])
        step = tf.function(lambda: optimizer.apply([tf.sin(3.0 * variable)], [variable]), autograph=False)
        for _ in range(5):
            step()
        return np.asarray(variable)

    ended = moved(ours)
    np.testing.assert_allclose(ended, moved(theirs), rtol=1e-5, atol=1e-6)
    assert not np.allclose(ended, start)


def test_fine_tuning_warms_up_and_is_never_plain_descent() -> None:
    genome = {"optimizer": "sgd", "sgd/learning_rate": 0.3, "schedule": "constant"}
    found = optimizers.optimizer(genome, num_steps=100, num_done=0, fine_tune_rate=1e-3)
    assert isinstance(found, keras.optimizers.Adam)
    found.build([keras.Variable(0.0)])
    rates = []
    for step in (0, 5, 10, 60, 110):
        found.iterations.assign(step)
        rates.append(float(found.learning_rate))
    assert rates == pytest.approx([0.0, 5e-4, 1e-3, 5e-4, 0.0], abs=1e-8)
