"""Networks for texts, as they are trained and as they are saved."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kevo.errors import SpaceError
from kevo.tasks.outputs.numbers.output import Numbers
from kevo.tasks.prepared.combining import weighted_mean
from kevo.tasks.texts.networks import Counts, deployable, network, num_parameters, raw_texts
from kevo.tasks.texts.space import Space, declare
from kevo.tasks.texts.stages import PreparedTexts, count
from kevo.tasks.texts.tokens import forward
from tests.support.outputs import classes
from tests.support.stranger import Stranger
from tests.support.texts import BAG, CONV, GENOME, RECURRENT, VECTORS, dataset_with_vectors, small_dataset
from tuners.genome import SearchSpace

COUNTS = Counts(
    np.array([0, 0, 1, 1, 2], np.float32), np.array([0, 0, 1, 1, 1], np.float32), np.zeros((5, 3), np.float32)
)
TABLE = np.array([[0, 0], [0, 0], [1, -1], [3, 1], [0, 2]], np.float32)


def test_parameters_are_those_of_the_network() -> None:
    genes = SearchSpace.from_hyperparameters(declare(Space(recurrent_units=(3,)), num_texts=1000))
    rng = np.random.default_rng(0)
    for _ in range(15):
        genome = genes.sample(rng)
        built = network(genome, length=6, counts=COUNTS, output=classes(3), vectors=TABLE)
        assert num_parameters(genome, num_tokens=5, num_outputs=3, vector_size=2) == built.count_params(), genome


def test_a_linear_model_starts_with_naive_bayes() -> None:
    # Two texts of each class; token 2 is only in the first class, token 3 in all.
    numbers = np.array([[2, 3, 0], [2, 3, 3], [4, 3, 0], [3, 1, 0]], np.int32)
    counts = count(numbers, np.array([0, 0, 1, 1]), classes(2), num_tokens=5)
    # (0 + 1) / (2 + 2) against (2 + 1) / (2 + 2), centered.
    assert counts.evidence[2].tolist() == pytest.approx([np.log(3) / 2, -np.log(3) / 2])
    assert counts.evidence[3].tolist() == pytest.approx([0, 0])
    assert not counts.evidence[:2].any() and not counts.weights[:2].any()
    assert counts.weights[4] == pytest.approx(np.log(5 / 2) + 1)
    model = network({**GENOME, "bag/weights": "equal"}, length=3, counts=counts, output=classes(2))
    answered = np.asarray(model(numbers, training=False))
    # The squares of two equal weights sum to 1.
    assert answered[0, 0] == pytest.approx(1 / (1 + np.exp(-np.log(3) / np.sqrt(2))), 1e-5)
    assert answered[3].tolist() == pytest.approx([0.5, 0.5])


def test_numbers_start_with_what_texts_with_a_word_have() -> None:
    numbers = np.array([[2, 0], [2, 0], [3, 0], [3, 0]], np.int32)
    output = Numbers("stars", 3.0, 1.0)
    counts = count(numbers, np.array([4, 4, 2, 2], np.float32), output, num_tokens=4)
    assert counts.evidence[2:].tolist() == [[pytest.approx(2 / 7)], [pytest.approx(-2 / 7)]]
    model = network(GENOME, length=2, counts=counts, output=output)
    assert np.asarray(model(numbers)).reshape(-1).tolist() == pytest.approx([3 + 2 / 7] * 2 + [3 - 2 / 7] * 2)


def test_words_that_are_common_count_less_beside_their_vectors() -> None:
    # Of eight words token 2 is six, token 3 is one and one is unknown.
    numbers = np.array([[2, 2, 2, 0], [2, 2, 2, 0], [3, 1, 0, 0]], np.int32)
    rarities = count(numbers, np.array([0, 0, 1]), classes(2), num_tokens=5).rarities
    assert rarities.tolist() == pytest.approx([0, 0, 1 / 751, 1 / 126, 1])


@pytest.mark.parametrize(
    ("pooling", "weights", "expected"),
    [
        # Tokens 2 and 3: their vectors' sum over the root of 2; with weights of 1 and 2, over the root of 5.
        ("average", "equal", [4 / np.sqrt(2), 0]),
        ("average", "rarity", [7 / np.sqrt(5), 1 / np.sqrt(5)]),
        ("max", "equal", [3, 1]),
        ("both", "equal", [4 / np.sqrt(2), 0, 3, 1]),
    ],
)
def test_pretrained_vectors_are_pooled(pooling: str, weights: str, expected: list[float]) -> None:
    counts = Counts(COUNTS.weights, np.array([0, 0, 1, 2, 1], np.float32), COUNTS.evidence)
    genome = {**VECTORS, "vectors/pooling": pooling, "vectors/weights": weights}
    model = network(genome, length=4, counts=counts, output=classes(3), vectors=TABLE)
    pooled = keras.Model(model.input, model.layers[-2].output)
    found = np.asarray(pooled(np.array([[2, 3, 0, 0]], np.int32), training=False))[0]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("genome", [VECTORS, CONV], ids=["vectors", "conv"])
def test_pretrained_vectors_are_learned_further_where_a_genome_says_so(genome: dict[str, Any], tuned: bool) -> None:
    prefix = "vectors" if genome is VECTORS else "sequence"
    genome = {**genome, f"{prefix}/pretrained": "tuned" if tuned else "frozen"}
    model = network(genome, length=4, counts=COUNTS, output=classes(3), vectors=TABLE)
    embedding = model.get_layer("embedding")
    np.testing.assert_array_equal(embedding.get_weights()[0], TABLE)
    assert bool(embedding.trainable_variables) is tuned


def test_a_network_of_vectors_needs_some() -> None:
    with pytest.raises(SpaceError, match="--vectors"):
        network(VECTORS, length=4, counts=COUNTS, output=classes(3))


def test_a_text_without_known_words_has_an_answer() -> None:
    for genome in (GENOME, CONV, RECURRENT, VECTORS):
        model = network(genome, length=3, counts=COUNTS, output=classes(3), vectors=TABLE)
        assert np.isfinite(np.asarray(model(np.zeros((1, 3), np.int32)))).all()


@pytest.mark.parametrize(
    "genome",
    [
        GENOME,
        {**BAG, "bag/tokens": "characters", "bag/character_ngrams": 3, "token_dropout": 0.2, "bag/dropout": 0.2},
        {**CONV, "token_dropout": 0.2, "sequence/dropout": 0.2},
        RECURRENT,
        VECTORS,
        {**CONV, "sequence/pretrained": "frozen"},
    ],
    ids=["linear", "characters", "conv", "recurrent", "vectors", "conv of vectors"],
)
def test_the_saved_model_takes_texts_where_kevo_is_not_installed(
    genome: dict[str, Any], stranger: Stranger, tmp_path: Path
) -> None:
    dataset = dataset_with_vectors(tmp_path)
    texts = PreparedTexts(dataset)
    trained = texts.network(genome)
    model = deployable(trained, texts.reader(genome))
    odd = ["", "never seen words", "GREAT film!", "día 好 \x00 \u202e", "x " * 5000]
    expected = forward(model, [*dataset.validation.texts, *odd])
    np.testing.assert_allclose(
        np.asarray(trained(texts.features(genome, "validation")[0], training=False)), expected[: -len(odd)], atol=1e-6
    )
    model.save(tmp_path / "best.keras")
    script = """
import json, keras
model = keras.models.load_model("best.keras", safe_mode=True)
texts = keras.ops.convert_to_tensor(json.load(open("texts.json")))
print(json.dumps(model.predict(texts, verbose=0).tolist()))
"""
    (tmp_path / "texts.json").write_text(json.dumps([*dataset.validation.texts, *odd]))
    np.testing.assert_allclose(json.loads(stranger.run(script, folder=tmp_path)), expected, atol=1e-5)


def test_a_weighted_mean(tmp_path: Path) -> None:
    dataset = small_dataset(60)
    texts = PreparedTexts(dataset)
    members = [deployable(texts.network(genome), texts.reader(genome)) for genome in (GENOME, CONV)]
    mean = weighted_mean(members, [0.25, 0.75], raw_texts())
    mean.save(tmp_path / "mean.keras")
    loaded = keras.models.load_model(tmp_path / "mean.keras")
    some = tf.constant(dataset.test.texts)
    first, second = (np.asarray(member(some)) for member in members)
    np.testing.assert_allclose(np.asarray(loaded(some)), 0.25 * first + 0.75 * second, atol=1e-6)
