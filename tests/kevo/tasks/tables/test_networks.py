"""Networks for tables, and the contract of the saved model."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kevo.system import model_files
from kevo.tasks.tables.dataset import TableDataset
from kevo.tasks.tables.encoding import Encoding, Features, plan
from kevo.tasks.tables.loading import load
from kevo.tasks.tables.networks import deployable, network, weighted_mean
from kevo.tasks.tables.preparing import forward, prepare, preprocessing
from tests.support.outputs import classes
from tests.support.stranger import Stranger
from tests.support.tables import GENOME, small_dataset

ODD_NAMES = (
    *("mean radius", "a/b", "1", "größe ☃", "", "x:y", "a.b", "[UNK]", " a", "A", "a", "column_2", "kevo_network"),
    *("_x", "dense", "features", "probabilities", 'quote"d', "it's", "two\nlines", "where", "name", "a" * 300, "{x}"),
)


def built(dataset: TableDataset, **changes: Any) -> tuple[keras.Model, keras.Model, np.ndarray]:
    """A random network, its deployable model, and its prepared validation rows."""
    genome = {**GENOME, **changes}
    how = Encoding.of(genome)
    prepares = preprocessing(dataset, how)
    features = prepare(prepares, dataset.columns, dataset.inputs(dataset.validation))
    trained = network(genome, features=plan(dataset, how).features, output=dataset.output)
    return trained, deployable(trained, prepares, dataset.columns), features


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> TableDataset:
    return small_dataset(tmp_path_factory.mktemp("table"))


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, ["Dense", "BatchNormalization", "Activation", "Dense"]),
        ({"num_layers": 0}, ["Dense"]),
        (
            {"num_layers": 2, "layer_2/units": 8, "batch_norm": False, "dropout": 0.5, "activation": "silu"},
            ["Dense", "Activation", "Dropout", "Dense", "Activation", "Dropout", "Dense"],
        ),
        (
            {"num_layers": 2, "layer_2/units": 16, "body": "residual", "batch_norm": False},
            ["Dense", "Activation", "Dense", "Add", "Dense", "Activation", "Add", "Dense"],
        ),
        ({"body": "wide_and_deep"}, ["Dense", "BatchNormalization", "Activation", "Concatenate", "Dense"]),
    ],
)
def test_layers(changes: dict[str, Any], kinds: list[str]) -> None:
    model = network({**GENOME, **changes}, features=Features(5), output=classes(3))
    assert [type(layer).__name__ for layer in model.layers[1:]] == kinds
    assert model.output.shape == (None, 3)
    assert [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1] == 3


def test_regularization_counts_for_all_weights() -> None:
    model = network({**GENOME, "l2": 0.5}, features=Features(5), output=classes(3))
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert float(sum(model.losses)) == pytest.approx(sum(0.5 * float((one.numpy() ** 2).sum()) for one in kernels))


def test_categories_of_many_values_become_vectors() -> None:
    genome = {**GENOME, "categories": "embedding", "embedding/units": 2, "num_layers": 0}
    model = network(genome, features=Features(9, ((1, 3), (3, 7))), output=classes(2))
    first, last = (layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
    first.set_weights([np.arange(8.0).reshape(4, 2)])
    last.set_weights([np.eye(7)[:, :2] + np.eye(7)[:, 3:5], np.zeros(2)])
    # The last layer sees the first three inputs, a vector of two, and the last two: here the first two and the vector.
    rows = np.zeros((4, 9), np.float32)
    rows[:, 3:7] = np.eye(4)
    logits = np.log(np.asarray(model(rows)))
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], np.ones(4), atol=1e-4)


def test_pairs_begin_with_saying_nothing(dataset: TableDataset) -> None:
    trained, _, features = built(dataset, crosses=True)
    other = features.copy()
    other[:, -1] = 3
    np.testing.assert_array_equal(np.asarray(trained(features)), np.asarray(trained(other)))
    (table,) = (layer for layer in trained.layers if isinstance(layer, keras.layers.Embedding))
    table.set_weights([np.random.default_rng(0).normal(size=(1021, 2))])
    assert not np.array_equal(np.asarray(trained(features)), np.asarray(trained(other)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"numbers": "quantile"},
        {"numbers": "piecewise", "body": "wide_and_deep", "crosses": True},
        {"numbers": "bins", "body": "residual", "categories": "embedding", "embedding/units": 2, "least_rows": 60},
    ],
)
def test_the_deployable_model_answers_as_the_network(dataset: TableDataset, changes: dict[str, Any]) -> None:
    trained, whole, features = built(dataset, **changes)
    found = forward(whole, dataset.inputs(dataset.validation))
    np.testing.assert_allclose(found, trained.predict(features, verbose=0), atol=1e-5)


def test_a_saved_model_needs_nothing_of_kevo(dataset: TableDataset, stranger: Stranger, tmp_path: Path) -> None:
    every_gene = {"crosses": True, "least_rows": 60, "categories": "embedding", "embedding/units": 2}
    trained, whole, features = built(dataset, numbers="piecewise", body="wide_and_deep", **every_gene)
    whole.save(tmp_path / "model.keras")
    inputs = dataset.inputs(dataset.validation)
    np.savez(tmp_path / "inputs.npz", **{name: values.astype(str) for name, values in inputs.items()})
    script = """
import keras, numpy, tensorflow
model = keras.models.load_model("model.keras", safe_mode=True)
raw = numpy.load("inputs.npz")
inputs = {name: tensorflow.constant(raw[name] if name == "color" else raw[name].astype("float32")) for name in raw}
numpy.save("found.npy", model.predict(inputs, verbose=0))
odd = {name: tensorflow.constant([["purple"]] if name == "color" else [[float("nan")]]) for name in raw}
numpy.save("odd.npy", model.predict(odd, verbose=0))
"""
    stranger.run(script, folder=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), trained.predict(features, verbose=0), atol=1e-5)
    odd = np.load(tmp_path / "odd.npy")
    assert odd.shape == (1, 2)
    assert np.isfinite(odd).all()
    assert odd.sum() == pytest.approx(1)


def odd_dataset(names: tuple[str, ...]) -> TableDataset:
    """A table whose columns have these names, numbers and categories in turn."""
    rng = np.random.default_rng(0)
    columns = [
        [str(value) for value in (rng.choice(["x", "y", "z"], 60) if place % 2 else rng.normal(size=60))]
        for place in range(len(names))
    ]

    class Frame:
        def __init__(self) -> None:
            self.columns = names

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return np.array(columns, object).T

    return load((Frame(), rng.integers(2, size=60)))


def test_columns_may_have_any_name(tmp_path: Path) -> None:
    dataset = odd_dataset(ODD_NAMES)
    assert [column.name for column in dataset.columns] == list(ODD_NAMES)
    trained, whole, features = built(dataset)
    whole.save(tmp_path / "model.keras")
    # Warnings are errors here: this one is silenced.
    loaded = model_files.load(tmp_path / "model.keras")
    assert set(loaded.input) == set(ODD_NAMES)
    inputs = dataset.inputs(dataset.validation)
    expected = trained.predict(features, verbose=0)
    np.testing.assert_allclose(forward(loaded, inputs), expected, atol=1e-5)
    # The order of a mapping says nothing.
    np.testing.assert_allclose(forward(loaded, dict(reversed(inputs.items()))), expected, atol=1e-5)


def test_ordinary_names_are_no_cause_for_a_warning(tmp_path: Path) -> None:
    _, whole, _ = built(odd_dataset(("mean radius", "größe", "1", "dense")))
    whole.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [tensor.name for tensor in loaded.inputs] == sorted(("mean radius", "größe", "1", "dense"))


def test_an_ensemble_is_the_weighted_mean_of_its_members(dataset: TableDataset, tmp_path: Path) -> None:
    paths = [tmp_path / f"{place}.keras" for place in range(3)]
    for path, changes in zip(paths, ({}, {"numbers": "quantile"}, {"num_layers": 0}), strict=True):
        built(dataset, **changes)[1].save(path)
    members = [keras.models.load_model(path) for path in paths]
    weights = [0.5, 0.3, 0.2]
    weighted_mean(members, weights, dataset.columns).save(tmp_path / "ensemble.keras")
    inputs = dataset.inputs(dataset.validation)
    expected = sum(weight * forward(member, inputs) for weight, member in zip(weights, members, strict=True))
    ensemble = keras.models.load_model(tmp_path / "ensemble.keras")
    np.testing.assert_allclose(forward(ensemble, inputs), expected, atol=1e-6)
