"""The genes of networks for texts."""

from typing import Any

import numpy as np
import pytest

from kevo.errors import SettingsError, SpaceError
from kevo.tasks.texts.initial_population import seeds
from kevo.tasks.texts.space import (
    PRESETS,
    Space,
    characters_first,
    check_genome,
    declare,
    describe,
    from_json,
    without_classes,
    without_vectors,
)
from tests.support.texts import BAG, CONV, GENOME, RECURRENT, VECTORS
from tuners.genome import SearchSpace


@pytest.mark.parametrize("name", PRESETS)
def test_every_genome_is_one_of_a_network(name: str) -> None:
    genes = SearchSpace.from_hyperparameters(declare(PRESETS[name], num_texts=1000, are_balanced=False))
    rng = np.random.default_rng(0)
    for genome in [genes.sample(rng) for _ in range(50)] + list(map(genes.default, seeds(PRESETS[name]))):
        check_genome(genome)
        assert describe(genome)


@pytest.mark.parametrize("genome", [GENOME, BAG, CONV, RECURRENT, VECTORS])
def test_genomes_that_lack_something(genome: dict[str, Any]) -> None:
    check_genome(genome)
    for name in genome:
        with pytest.raises((SpaceError, KeyError)):
            check_genome({key: value for key, value in genome.items() if key != name})


@pytest.mark.parametrize(
    "changes", [{"family": "cloud"}, {"bag/weights": "none"}, {"bag/tokens": "lines"}, {"bag/units": -1}]
)
def test_genomes_of_no_network(changes: dict[str, Any]) -> None:
    with pytest.raises(SpaceError):
        check_genome({**GENOME, **changes})


def test_words() -> None:
    assert describe(CONV).startswith("1,000 words as 8 numbers, conv 1+3 x 4, both pooling, relu; adam")
    assert describe(VECTORS).startswith(
        "mean and maximum of the vectors of 1,000 words, common ones less, pretrained, frozen; adam"
    )
    assert describe({**CONV, "sequence/pretrained": "tuned"}).startswith(
        "1,000 words as 8 numbers, conv 1+3 x 4, both pooling, pretrained, tuned, relu; adam"
    )
    assert describe({**RECURRENT, "sequence/length": 0.5, "token_dropout": 0.2}).startswith(
        "1,000 words as 8 numbers, GRU 4, 50% of the length, 20% left out; adam"
    )
    assert describe(
        {**GENOME, "num_layers": 1, "layer_1/units": 8, "activation": "relu", "dropout": 0.4, "l2": 0.1}
    ).startswith("linear model of 1,000 rows of 1 to 2 words, TF-IDF, dense 8, relu, dropout 0.4, L2 0.1")


def test_a_genome_has_the_genes_that_count_for_it_and_no_others() -> None:
    genes = SearchSpace.from_hyperparameters(declare(Space(), num_texts=1000))
    linear = genes.default({"num_layers": 0, "bag/units": 0})
    assert not {"activation", "dropout", "bag/activation", "bag/dropout"} & set(linear)
    assert {"bag/activation", "bag/dropout"} <= set(genes.default({"num_layers": 0, "bag/units": 16}))
    assert {"activation", "dropout"} <= set(genes.default({"num_layers": 1, "bag/units": 0}))


def test_small_spaces() -> None:
    one = Space(families=("conv",), tokens=("words",), bag_units=(8,))
    assert SearchSpace.from_hyperparameters(declare(one, num_texts=100)).default()["family"] == "conv"
    assert without_classes(Space()).label_smoothing == (0.0,)
    assert characters_first(Space()).tokens[0] == "characters"


def test_without_pretrained_vectors_nothing_is_said_of_them() -> None:
    genes = SearchSpace.from_hyperparameters(declare(without_vectors(Space()), num_texts=1000))
    sampled = [genes.sample(np.random.default_rng(seed)) for seed in range(20)]
    assert {genome["family"] for genome in sampled} == {"bag", "conv", "recurrent"}
    assert not any("pretrained" in name for genome in sampled for name in genome)
    with pytest.raises(SpaceError, match="--vectors"):
        without_vectors(Space(families=("vectors",)))


def test_pretrained_vectors_are_of_words() -> None:
    genes = SearchSpace.from_hyperparameters(declare(Space(families=("conv",)), num_texts=1000))
    assert genes.default({"sequence/tokens": "words"})["sequence/pretrained"] == "frozen"
    assert "sequence/pretrained" not in genes.default({"sequence/tokens": "characters"})


def test_spaces_of_json() -> None:
    assert from_json("small") is PRESETS["small"]
    assert from_json({"bag_units": [0, 8]}) == Space(bag_units=(0, 8))
    for value, error in (("smal", SpaceError), (7, SettingsError), ({"vocabulary": [0]}, SpaceError)):
        with pytest.raises(error):
            from_json(value)
    with pytest.raises(SpaceError, match="vocabulary.* from 1 to 100,000"):
        Space(vocabulary=(1_000_000,))
