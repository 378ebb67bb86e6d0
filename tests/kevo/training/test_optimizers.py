"""A genome's optimizer: Keras's arithmetic, and a learning rate that is fitted to the training's length."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kevo.training import optimizers
from kevo.training.optimizers import Horizon

GENOME = {"optimizer": "adam", "learning_rate": 0.01, "schedule": "cosine"}


@pytest.mark.parametrize("fine_tune_rate", [None, 1e-3])
def test_the_learning_rate_goes_on_where_it_paused(fine_tune_rate: float | None) -> None:
    whole, rest = (
        optimizers.optimizer(GENOME, horizon=Horizon(100), num_done=num_done, fine_tune_rate=fine_tune_rate)
        for num_done in (0, 40)
    )
    for optimizer, steps in ((whole, 45), (rest, 5)):
        optimizer.build([keras.Variable(0.0)])
        optimizer.iterations.assign(steps)
    assert float(rest.learning_rate) == pytest.approx(float(whole.learning_rate))
    assert float(whole.learning_rate) < (fine_tune_rate or 0.01)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop"])
def test_its_steps_are_those_of_keras(name: str, schedule: str) -> None:
    genome: dict[str, Any] = {"optimizer": name, "schedule": schedule, "weight_decay": 0.1}
    genome["sgd/learning_rate" if name == "sgd" else "learning_rate"] = 0.05
    ours = optimizers.optimizer(genome, horizon=Horizon(20), num_done=0, fine_tune_rate=None)
    decays = keras.optimizers.schedules
    rate = {
        "constant": 0.05,
        "cosine": decays.CosineDecay(0.05, 20),
        "one_cycle": decays.CosineDecay(0.0, 16, warmup_target=0.05, warmup_steps=4),
    }[schedule]
    options = {"sgd": {"momentum": 0.9}}.get(name, {}) | ({"weight_decay": 0.1} if name in ("adamw", "sgd") else {})
    theirs = getattr(keras.optimizers, type(ours).__name__)(rate, **options)
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


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_what_is_the_same_for_all_variables_is_computed_once(name: str) -> None:
    genome: dict[str, Any] = {"optimizer": name, "schedule": "cosine", "weight_decay": 0.1}
    genome["sgd/learning_rate" if name == "sgd" else "learning_rate"] = 0.05
    optimizer = optimizers.optimizer(genome, horizon=Horizon(20), num_done=0, fine_tune_rate=None)
    variables = [keras.Variable(np.ones(3, np.float32)) for _ in range(4)]
    optimizer.build(variables)
    step = tf.function(lambda: optimizer.apply([tf.ones(3)] * 4, variables), autograph=False)
    kinds = [one.type for one in step.get_concrete_function().graph.get_operations()]
    # The schedule has one cosine; it is asked for by the update and by the decay of weights.
    assert kinds.count("Cos") == (1 if name == "adam" else 2)
    assert kinds.count("Pow") == (0 if name == "sgd" else 2)


def rates(optimizer: keras.optimizers.Optimizer, *steps: int) -> list[float]:
    optimizer.build([keras.Variable(0.0)])
    found = []
    for step in steps:
        optimizer.iterations.assign(step)
        found.append(float(optimizer.learning_rate))
    return found


def test_fine_tuning_warms_up_and_is_never_plain_descent() -> None:
    genome = {"optimizer": "sgd", "sgd/learning_rate": 0.3, "schedule": "constant"}
    found = optimizers.optimizer(genome, horizon=Horizon(100), num_done=0, fine_tune_rate=1e-3)
    assert isinstance(found, keras.optimizers.Adam)
    assert rates(found, 0, 5, 10, 55, 100, 200) == pytest.approx([0.0, 5e-4, 1e-3, 5e-4, 0.0, 0.0], abs=1e-8)


def test_one_cycle_rises_for_a_fifth_and_falls_to_nothing() -> None:
    genome = {**GENOME, "schedule": "one_cycle"}
    found = optimizers.optimizer(genome, horizon=Horizon(100), num_done=0, fine_tune_rate=None)
    assert rates(found, 0, 10, 20, 60, 100) == pytest.approx([0.0, 0.005, 0.01, 0.005, 0.0], abs=1e-8)


def test_the_rate_goes_into_an_optimizer_of_the_same_configuration() -> None:
    genome = {**GENOME, "schedule": "one_cycle"}
    ours = optimizers.optimizer(genome, horizon=Horizon(100), num_done=30, fine_tune_rate=None)
    theirs = keras.optimizers.Adam.from_config(ours.get_config())
    assert rates(theirs, 0, 30) == pytest.approx(rates(ours, 0, 30))


def test_with_less_time_the_rate_falls_sooner_and_never_later_than_planned() -> None:
    horizon = Horizon(100)
    found = optimizers.optimizer(GENOME, horizon=horizon, num_done=0, fine_tune_rate=None)
    assert rates(found, 25, 50) == pytest.approx([0.01 * (2 + 2**0.5) / 4, 0.005])
    horizon.move(50)
    assert rates(found, 25, 50) == pytest.approx([0.005, 0.0], abs=1e-8)
    horizon.move(1000)
    assert rates(found, 50) == pytest.approx([0.005])
