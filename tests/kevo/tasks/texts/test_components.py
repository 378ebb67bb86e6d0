"""Principal components of counts of tokens, and networks on them whose weights evolve."""

from pathlib import Path

import keras
import numpy as np
import pytest

import kevo
from kevo.errors import SettingsError
from kevo.tasks.texts import components, networks
from kevo.tasks.texts.genomes import has_components
from kevo.tasks.texts.networks import network, num_in_vectors, num_parameters
from kevo.tasks.texts.space import check_genome, declare, describe, preset
from kevo.tasks.texts.stages import PreparedTexts
from kevo.tasks.texts.task import TextTask
from tests.support.outputs import classes
from tests.support.stranger import Stranger
from tests.support.texts import BAG, CONV, GENOME, small_dataset, write_csv
from tuners.genome import SearchSpace

EVOLVED = {
    **{name: value for name, value in BAG.items() if name != "bag/activation"},
    "bag/vectors": "components",
    "optimizer": "evolution",
    "evolution/spread": 0.05,
    "evolution/grow": False,
}


def test_components_are_those_of_the_weighed_texts() -> None:
    numbers = np.array([[2, 3, 0], [2, 2, 0], [4, 3, 0], [4, 4, 1]], np.int32)
    weights = np.array([0, 0, 1, 0.5, 2], np.float32)
    found = components.find(numbers, weights, num=2)
    matrix = np.zeros((4, 5))
    for row, tokens in enumerate(numbers):
        np.add.at(matrix[row], tokens, weights[tokens] / np.linalg.norm(weights[tokens]))
    expected = np.linalg.svd(matrix)[2][:2].T
    assert np.abs(np.sum(found.vectors * expected, axis=0)) == pytest.approx([1, 1], abs=1e-4)
    features = matrix @ found.vectors
    assert found.mean == pytest.approx(features.mean(axis=0), abs=1e-5)
    assert found.variance == pytest.approx(features.var(axis=0), rel=1e-4)


def test_components_that_are_not_there_say_nothing() -> None:
    # One kind of text only: the one component never varies.
    found = components.find(np.array([[2], [2]], np.int32), np.array([0, 0, 1, 1], np.float32), num=3)
    assert not found.vectors.any() and found.mean == (0, 0, 0) and found.variance == (1, 1, 1)
    # A text whose words are all unknown has no length.
    assert np.isfinite(components.find(np.ones((3, 2), np.int32), np.zeros(4, np.float32), num=2).vectors).all()


def test_a_network_on_components_sees_them_scaled_and_trains_the_rest_only() -> None:
    dataset = small_dataset()
    texts = PreparedTexts(dataset)
    built = texts.network(EVOLVED)
    (scaled,) = [layer for layer in built.layers if isinstance(layer, keras.layers.Normalization)]
    seen = keras.Model(built.inputs, scaled.output).predict(texts.features(EVOLVED, "train")[0], verbose=0)
    assert seen.mean(axis=0) == pytest.approx(0, abs=1e-3) and seen.std(axis=0) == pytest.approx(1, abs=1e-3)
    task = TextTask(dataset, kevo.Settings(task="texts", space="evolved"))
    trained = sum(int(np.prod(one.shape)) for one in built.trainable_weights)
    assert task.num_evolved(EVOLVED) == trained == 4 * 2 + 2
    # What is no component is not trained either where weights evolve, but is by gradients.
    for genome in (BAG, CONV, GENOME):
        for optimizer, is_trained in (("adam", True), ("evolution", False)):
            found = texts.network({**genome, "optimizer": optimizer}).get_layer("embedding")
            assert found.trainable is is_trained


def test_parameters_are_those_of_the_network() -> None:
    genes = SearchSpace.from_hyperparameters(declare(preset("evolved"), num_texts=1000))
    weights = np.array([0, 0, 1, 1, 2], np.float32)
    counts = networks.Counts(weights, weights, np.zeros((5, 3), np.float32))
    rng = np.random.default_rng(0)
    for _ in range(5):
        genome = genes.sample(rng)
        check_genome(genome)
        assert "evolution" in describe(genome) and "noise 0." in describe(genome)
        units = genome["bag/units"]
        found = None
        if has_components(genome):
            found = components.Components(np.zeros((5, units), np.float32), (0.0,) * units, (1.0,) * units)
        built = network(genome, length=6, counts=counts, output=classes(3), components=found)
        arguments = {"num_tokens": 5, "num_outputs": 3}
        assert num_parameters(genome, **arguments) == built.count_params()
        trained = sum(int(np.prod(one.shape)) for one in built.trainable_weights)
        assert num_parameters(genome, **arguments) - num_in_vectors(genome, **arguments) == trained


@pytest.mark.long
def test_a_search_whose_weights_evolve_ends_with_a_plain_model(stranger: Stranger, tmp_path: Path) -> None:
    settings = kevo.Settings(
        space="evolved", max_trials=1, epochs=8, final_epochs=8, num_finalists=1, population=2, workers=0
    )
    result = kevo.search(write_csv(tmp_path / "reviews.csv"), settings, out=tmp_path / "run")
    assert result.kind.name == "texts" and "128 principal components" in result.words
    assert "evolution" in result.words and result.test.accuracy > 0.7
    script = (
        "import keras, tensorflow as tf\n"
        "model = keras.models.load_model('run/best.keras')\n"
        "print(*model.predict(tf.constant(['a great film', 'an awful film']), verbose=0).argmax(axis=1))\n"
    )
    first, second = stranger.run(script, folder=tmp_path).split()
    assert first != second


def test_where_nothing_is_small_enough_the_limit_is_named() -> None:
    space = {**{"families": ["bag"], "optimizers": ["evolution"]}, "bag_vectors": ["components"], "bag_units": [6000]}
    settings = kevo.Settings.from_json({"task": "texts", "space": space, "max_trials": 1})
    with pytest.raises(SettingsError, match=r"At most 5,000 weights can be evolved.*12,002.*trained by gradients"):
        TextTask(small_dataset(), settings)
    task = TextTask(small_dataset(), kevo.Settings(task="texts", space="evolved", max_trials=1))
    assert task.obstacle(EVOLVED) is None
    obstacle = task.obstacle({**EVOLVED, "num_layers": 1, "layer_1/units": 2000, "activation": "relu", "dropout": 0.0})
    assert obstacle == "more than the 5,000 weights that can be evolved"
