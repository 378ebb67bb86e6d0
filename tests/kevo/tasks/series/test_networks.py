"""Networks for series: what they see, what they begin with, how many weights they have."""

from pathlib import Path

import keras
import numpy as np
import pytest

from kevo.tasks.series import networks, references
from kevo.tasks.series.dataset import SeriesDataset
from kevo.tasks.series.linear import ridge
from kevo.tasks.series.stages import PreparedWindows
from kevo.tasks.series.task import forward
from tests.support.series import GENOME, MLP, small_dataset

FAMILIES = {
    "linear": GENOME,
    "mlp": MLP,
    "tcn": {**MLP, "family": "tcn", "tcn/blocks": 2, "tcn/filters": 4, "tcn/kernel": 3, "tcn/activation": "relu"},
    "lstm": {**MLP, "family": "lstm", "lstm/units": 4},
}


@pytest.fixture(scope="module")
def dataset() -> SeriesDataset:
    return small_dataset()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_is_saved_as_it_is(family: str, dataset: SeriesDataset, tmp_path: Path) -> None:
    genome = {**FAMILIES[family], "transform": "log"}
    model = PreparedWindows(dataset).network(genome)
    facts = {"window": dataset.window, "season": 4, "num_columns": 1, "horizon": 4}
    assert model.count_params() == networks.num_parameters(genome, **facts)
    found = forward(model, dataset.test.inputs)
    assert found.shape == (len(dataset.test), 4) and np.isfinite(found).all()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(forward(again, dataset.test.inputs), found)


def test_every_network_begins_with_its_linear_part(dataset: SeriesDataset) -> None:
    windows = PreparedWindows(dataset)
    expected = forward(windows.network(GENOME), dataset.test.inputs)
    for genome in (FAMILIES["mlp"], FAMILIES["lstm"]):
        np.testing.assert_allclose(forward(windows.network(genome), dataset.test.inputs), expected, rtol=1e-5)


@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize(("base", "season"), [("seasonal", 4), ("last", 1)])
def test_without_weights_a_network_answers_with_its_base(
    dataset: SeriesDataset, base: str, season: int, transform: str
) -> None:
    genome = {**MLP, "linear_part": False, "base": base, "inputs": "relative", "transform": transform}
    found = forward(PreparedWindows(dataset).network(genome), dataset.test.inputs)
    np.testing.assert_allclose(found, references.repeated(dataset.test, season), rtol=1e-4)


def test_a_horizon_longer_than_a_season_goes_on_with_the_last_known_one() -> None:
    window = np.arange(1.0, 7.0, dtype=np.float32).reshape(1, 6, 1)
    scale = networks.Scale.of(window[0], "none")
    x = networks.raw_windows(6, 1)
    seen = networks.seen(x, {"base": "seasonal", "inputs": "values", "steps": 6}, scale=scale, season=3, horizon=7)
    base = np.asarray(keras.Model(x, seen.base)(window)) * scale.deviation[0] + scale.mean[0]
    np.testing.assert_allclose(base, [[4, 5, 6, 4, 5, 6, 4]], rtol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("values", [5, 1, 7, 9]),
        ("relative", [-4, -8, -2, 0]),
        ("differences", [3, -4, 6, 2]),
        # A window of six steps holds three values of the season before.
        ("seasonal", [1, 5, 4]),
    ],
)
def test_what_a_network_sees(inputs: str, expected: list[float]) -> None:
    window = np.array([0, 2, 5, 1, 7, 9], np.float32).reshape(1, 6, 1)
    scale = networks.Scale(np.zeros(1, np.float32), np.ones(1, np.float32), 0.0, 9.0, "none")
    x = networks.raw_windows(6, 1)
    genome = {"base": "none", "inputs": inputs, "steps": 4}
    seen = networks.seen(x, genome, scale=scale, season=3, horizon=1)
    assert seen.base is None
    assert np.asarray(keras.Model(x, seen.steps)(window))[0, :, 0].tolist() == expected
    assert networks.num_inputs(genome, window=6, season=3, num_columns=1) == (len(expected), 1)


def test_ridge_by_hand() -> None:
    x, y = np.array([[-1.0], [1.0]]), np.array([[0.0], [4.0]])
    # The slope is 4 / (2 + penalty).
    np.testing.assert_allclose(ridge(x, y, penalty=2.0), [[1.0], [2.0]])


def test_a_refit_begins_with_the_newest_windows(dataset: SeriesDataset) -> None:
    windows = PreparedWindows(dataset)
    model = windows.network(GENOME)
    before = model.get_layer(networks.LINEAR).get_weights()[0]
    windows.start(model, GENOME, "train+validation")
    after = model.get_layer(networks.LINEAR).get_weights()[0]
    assert abs(after - before).max() > 1e-4
    assert len(windows.features(GENOME, "train+validation")) == 2
