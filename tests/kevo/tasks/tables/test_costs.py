"""Parameters and seconds before anything is built."""

from pathlib import Path

import keras
import numpy as np
import pytest

from kevo.objective import COSTS
from kevo.tasks.tables.costs import Forecast, flops, measure, num_parameters, scoring_seconds
from kevo.tasks.tables.networks import network
from kevo.tasks.tables.space import Space, declare
from tests.support.outputs import classes
from tests.support.tables import GENOME
from tuners.genome import SearchSpace


def test_parameters_are_those_of_the_network() -> None:
    genes = SearchSpace.from_hyperparameters(declare(Space(), num_rows=1000))
    rng = np.random.default_rng(0)
    for _ in range(20):
        genome = genes.sample(rng)
        built = network(genome, num_features=7, output=classes(3))
        assert num_parameters(genome, num_features=7, num_outputs=3) == built.count_params()


def test_flops_are_two_for_each_weight() -> None:
    model = network({**GENOME, "layer_1/units": 8}, num_features=5, output=classes(3))
    outer = keras.Model(model.input, model(keras.layers.Rescaling(2.0)(model.input)))
    assert flops(outer) == flops(model) == 2 * (5 * 8 + 8 * 3)


def test_what_a_model_costs(tmp_path: Path) -> None:
    model = network(GENOME, num_features=5, output=classes(3))
    found = measure(model, COSTS, seconds=2.5)
    model.save(tmp_path / "model.keras")
    assert found["bytes"] == pytest.approx((tmp_path / "model.keras").stat().st_size, abs=100)
    assert (found["params"], found["seconds"], found["flops"]) == (model.count_params(), 2.5, flops(model))
    assert measure(model, (), seconds=2.5) == {}


def test_the_end_takes_longer_for_more_columns() -> None:
    assert 0 < scoring_seconds(num_columns=1) < scoring_seconds(num_columns=1000)


@pytest.fixture
def forecast() -> Forecast:
    return Forecast(num_train=1000, num_features=10, num_outputs=2)


def test_what_is_more_work_takes_longer(forecast: Forecast) -> None:
    small, large = GENOME, {**GENOME, "layer_1/units": 4096}
    assert forecast.seconds(small, num_epochs=10) < forecast.seconds(large, num_epochs=10)
    assert forecast.seconds(small, num_epochs=10) < forecast.seconds(small, num_epochs=20)
    assert forecast.seconds({**small, "batch_size": 256}, num_epochs=10) < forecast.seconds(small, num_epochs=10)


def test_forecasts_learn_from_what_trainings_took(forecast: Forecast) -> None:
    expected = forecast.seconds(GENOME, num_epochs=10)
    for factor in (3.0, 3.0, 50.0):
        forecast.learn(GENOME, num_epochs=10, seconds=factor * expected)
    assert forecast.seconds(GENOME, num_epochs=10) == pytest.approx(3 * expected)
    assert forecast.error == pytest.approx(3)
