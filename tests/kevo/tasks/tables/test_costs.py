"""Parameters and seconds before anything is built."""

import numpy as np
import pytest

from kevo.tasks.prepared.costs import Forecast
from kevo.tasks.tables import costs
from kevo.tasks.tables.costs import num_parameters, scoring_seconds
from kevo.tasks.tables.encoding import Features
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
        features = Features(20, ((3, 8), (9, 20)), num_pairs=int(genome["crosses"]))
        built = network(genome, features=features, output=classes(3))
        assert num_parameters(genome, features=features, num_outputs=3) == built.count_params()


def test_the_end_takes_longer_for_more_columns() -> None:
    assert 0 < scoring_seconds(num_columns=1) < scoring_seconds(num_columns=1000)


@pytest.fixture
def forecast() -> Forecast:
    return costs.forecast(num_train=1000, features=lambda genome: Features(10), num_outputs=2)


def test_what_is_more_work_takes_longer(forecast: Forecast) -> None:
    small, large = GENOME, {**GENOME, "layer_1/units": 4096}
    assert forecast.seconds(small, num_epochs=10) < forecast.seconds(large, num_epochs=10)
    assert forecast.seconds(small, num_epochs=10) < forecast.seconds(small, num_epochs=20)
    assert forecast.seconds({**small, "batch_size": 256}, num_epochs=10) < forecast.seconds(small, num_epochs=10)


def test_weights_that_evolve_take_longer_than_by_gradients(forecast: Forecast) -> None:
    evolved = {**GENOME, "optimizer": "evolution"}
    assert forecast.seconds(GENOME, num_epochs=10) < forecast.seconds(evolved, num_epochs=10)


def test_forecasts_learn_from_what_trainings_took(forecast: Forecast) -> None:
    expected = forecast.seconds(GENOME, num_epochs=10)
    for factor in (3.0, 3.0, 50.0):
        forecast.learn(GENOME, num_epochs=10, seconds=factor * expected)
    assert forecast.seconds(GENOME, num_epochs=10) == pytest.approx(3 * expected)
    assert forecast.error == pytest.approx(3)


def test_an_epoch_of_few_rows_takes_as_long_as_one_of_a_thousand() -> None:
    def seconds(num_train: int, num_epochs: int) -> float:
        found = costs.forecast(
            num_train=num_train, features=lambda genome: Features(10), num_outputs=1, repeats_few=True
        )
        return found.seconds(GENOME, num_epochs=num_epochs)

    def epoch(num_train: int) -> float:
        return seconds(num_train, 11) - seconds(num_train, 10)

    assert epoch(128) == pytest.approx(epoch(1024))
    assert epoch(4096) == pytest.approx(4 * epoch(1024))
