"""Copies of a training under way."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest

from kevo.objective import Objective
from kevo.training import checkpoints
from kevo.training.checkpoints import Checkpoints
from kevo.training.history import History

BEST = [np.full((2, 1), 7.0, np.float32)]


@pytest.fixture
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))


@pytest.fixture
def history() -> History:
    history = History(Objective("val_loss", "min"))
    history.add("train", {"val_loss": 0.5})
    return history


def twice(model: keras.Model) -> keras.Model:
    """A model that shares its weights and answers twice as much."""
    return keras.Model(model.input, keras.layers.Rescaling(2.0)(model.output))


def test_a_copy_has_the_best_weights_and_training_goes_on_with_its_own(
    network: keras.Model, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN", 0.0)
    kept: list[Any] = []

    def keep(model: keras.Model, epochs: Sequence[dict[str, float]], stages: Sequence[str], seconds: float) -> None:
        kept.append((np.asarray(model(np.ones((1, 2)))).item(), list(epochs), list(stages), seconds))

    before = network.get_weights()
    Checkpoints(keep, twice).keep(network, network, BEST, history, 3.5)
    assert kept == [(28.0, [{"val_loss": 0.5}], ["train"], 3.5)]
    np.testing.assert_array_equal(network.get_weights(), before)


def test_a_copy_follows_another_only_after_a_while(network: keras.Model, history: History) -> None:
    class Time:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

    kept: list[float] = []
    time = Time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "time", time)
        one = Checkpoints(lambda model, epochs, stages, seconds: kept.append(seconds), twice)
        for time.now in (5.0, 19.0, 20.0, 39.0, 41.0):
            one.keep(network, network, BEST, history, time.now)
    assert kept == [20.0, 41.0]


def test_a_copy_that_cannot_be_written_costs_nothing_else(
    network: keras.Model, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN", 0.0)

    def full(*_: object) -> None:
        raise OSError("no space left")

    before = network.get_weights()
    Checkpoints(full, twice).keep(network, network, BEST, history, 1.0)
    np.testing.assert_array_equal(network.get_weights(), before)


def test_without_a_taker_no_copy_is_made(
    network: keras.Model, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN", 0.0)
    made: list[keras.Model] = []
    Checkpoints(None, lambda model: made.append(model) or model).keep(network, network, BEST, history, 1.0)
    assert not made
