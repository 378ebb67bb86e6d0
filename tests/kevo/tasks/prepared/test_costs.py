"""What deployed models cost."""

from pathlib import Path

import keras
import pytest

from kevo.objective import COSTS
from kevo.tasks.prepared.costs import flops, measure
from kevo.tasks.tables.encoding import Features
from kevo.tasks.tables.networks import network
from tests.support.outputs import classes
from tests.support.tables import GENOME


def test_flops_are_two_for_each_weight() -> None:
    model = network({**GENOME, "layer_1/units": 8}, features=Features(5), output=classes(3))
    outer = keras.Model(model.input, model(keras.layers.Rescaling(2.0)(model.input)))
    assert flops(outer) == flops(model) == 2 * (5 * 8 + 8 * 3)


def test_what_a_model_costs(tmp_path: Path) -> None:
    model = network(GENOME, features=Features(5), output=classes(3))
    found = measure(model, COSTS, seconds=2.5)
    model.save(tmp_path / "model.keras")
    assert found["bytes"] == pytest.approx((tmp_path / "model.keras").stat().st_size, abs=100)
    assert (found["params"], found["seconds"], found["flops"]) == (model.count_params(), 2.5, flops(model))
    assert measure(model, (), seconds=2.5) == {}


def test_flops_of_what_reads_a_sequence_are_counted_at_every_place() -> None:
    inputs = keras.Input((10, 4))
    x = keras.layers.Conv1D(8, 3)(inputs)
    model = keras.Model(inputs, keras.layers.GRU(5)(x))
    assert flops(model) == 2 * (8 * 3 * 4 * 8 + 8 * 3 * 5 * (8 + 5))
