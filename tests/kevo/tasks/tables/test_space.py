"""The genes of a network for tables."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from kevo.errors import SpaceError
from kevo.tasks.tables.dataset import TableDataset
from kevo.tasks.tables.loading import load
from kevo.tasks.tables.space import PRESETS, Space, check_genome, declare, describe, fitting, preset, seeds
from tests.support.tables import GENOME
from tuners.genome import SearchSpace


@pytest.mark.parametrize("name", PRESETS)
def test_whatever_is_sampled_is_a_genome(name: str) -> None:
    genes = SearchSpace.from_hyperparameters(declare(preset(name), num_rows=1000))
    rng = np.random.default_rng(0)
    for genome in (genes.default(), *(genes.sample(rng) for _ in range(200))):
        check_genome(genome)
        describe(genome)
        assert sum(gene.startswith("layer_") for gene in genome) == genome["num_layers"]
        assert ("sgd/learning_rate" in genome) == (genome["optimizer"] == "sgd") != ("learning_rate" in genome)


@pytest.mark.parametrize("name", PRESETS)
def test_seeds_are_in_the_space(name: str) -> None:
    genes = SearchSpace.from_hyperparameters(declare(preset(name), num_rows=1000))
    whole = [genes.default(seed) for seed in seeds(preset(name))]
    for seed, genome in zip(seeds(preset(name)), whole, strict=True):
        check_genome(genome)
        assert {name: genome[name] for name in seed if name in genome} == {
            name: value for name, value in seed.items() if name in genome
        }
    assert len({describe(genome) for genome in whole}) == len(whole) == 4


def test_a_space_without_linear_models_has_no_linear_seed() -> None:
    assert [seed["num_layers"] for seed in seeds(Space(num_layers=(1, 2)))] == [1, 1, 1]
    assert [seed["num_layers"] for seed in seeds(Space(num_layers=(0,)))] == [0, 0, 0, 0]


def test_batches_fit_the_rows() -> None:
    sizes = next(gene.values for gene in declare(Space(), num_rows=150).space if gene.name == "batch_size")
    assert list(sizes) == [16, 32]
    assert declare(Space(), num_rows=10).get("batch_size") == 16
    assert declare(Space(), num_rows=10_000).get("batch_size") == 32


def table(*columns: list[str]) -> TableDataset:
    return load((np.array(columns, object).T, np.random.default_rng(0).integers(2, size=len(columns[0]))))


def test_genes_that_mean_nothing_for_the_columns_are_left_out() -> None:
    numbers, halves = [str(number / 7) for number in range(80)], ["a", "b"] * 40
    many = [str("abcdefgh"[number // 10]) for number in range(80)]
    only_numbers = fitting(Space(), table(numbers))
    assert (only_numbers.least_rows, only_numbers.categories, only_numbers.crosses) == ((1,), ("one_hot",), (False,))
    assert only_numbers.numbers == Space().numbers
    halved = fitting(Space(), table([*halves[1:], "a"], numbers))
    assert (halved.least_rows, halved.categories, halved.crosses) == ((1,), ("one_hot",), (False,))
    assert fitting(Space(), table(many, halves[::-1])) == dataclasses.replace(Space(), numbers=("standardize",))


def test_balanced_classes_leave_nothing_to_balance() -> None:
    assert declare(Space(), num_rows=100).space[-1].name == "balance_classes"
    assert type(declare(Space(), num_rows=100).space[-1]).__name__ == "Fixed"
    assert type(declare(Space(), num_rows=100, are_balanced=False).space[-1]).__name__ == "Boolean"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"units": ()}, "at least one value"),
        ({"units": 7}, "at least one value"),
        ({"units": (8, 0.5)}, "type int only. Received: 0.5"),
        ({"units": (True,)}, "type int only. Received: True"),
        ({"dropout": (float("nan"),)}, "finite values"),
        ({"numbers": ("log",)}, "holds 'log'. Expected some of: standardize, quantile, piecewise, bins"),
        ({"optimizers": ("lion",)}, "holds 'lion'"),
        ({"learning_rate": (1e-2, 1e-3)}, "0 < lowest <= highest"),
    ],
)
def test_what_is_no_space_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        Space(**change)


def test_json_makes_the_same_space() -> None:
    values = {name: list(genes) for name, genes in dataclasses.asdict(preset("small")).items()}
    assert Space(**values) == preset("small")


def test_an_unknown_preset() -> None:
    with pytest.raises(SpaceError, match="'smal' for tables. Did you mean 'small'"):
        preset("smal")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_layers": 2}, "lacks the gene 'layer_2/units'"),
        ({"optimizer": "sgd"}, "lacks the gene 'sgd/learning_rate'"),
        ({"batch_norm": 1}, "'batch_norm' must be true or false"),
        ({"layer_1/units": True}, "'layer_1/units' must be a whole number"),
        ({"l2": "x"}, "'l2' must be a number"),
        ({"l2": float("nan")}, "'l2' must be finite"),
        ({"dropout": -0.1}, "'dropout' must be finite and not negative"),
        ({"numbers": "log"}, "'numbers' must be one of standardize, quantile, piecewise, bins"),
        ({"optimizer": "lion"}, "'optimizer' must be one of"),
        ({"body": "tree"}, "'body' must be one of mlp, residual, wide_and_deep"),
        ({"categories": "embedding"}, "lacks the gene 'embedding/units'"),
        ({"crosses": 1}, "'crosses' must be true or false"),
        ({"schedule": 7}, "'schedule' must be a word"),
    ],
)
def test_what_is_no_genome_is_refused(change: dict[str, Any], words: str) -> None:
    check_genome(GENOME)
    with pytest.raises(SpaceError, match=words):
        check_genome({**GENOME, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "dense 16, relu, batch norm, standardized numbers; adam 0.01, cosine, batch 16"),
        ({"num_layers": 0, "l2": 0.001}, "linear, L2 0.001, standardized numbers; adam 0.01, cosine, batch 16"),
        (
            {
                "optimizer": "sgd",
                "sgd/learning_rate": 0.1,
                "weight_decay": 1e-4,
                "label_smoothing": 0.05,
                "balance_classes": True,
            },
            "dense 16, relu, batch norm, standardized numbers; sgd 0.1, weight decay 0.0001, cosine, batch 16, label "
            "smoothing 0.05, balanced classes",
        ),
        (
            {
                "numbers": "piecewise",
                "least_rows": 10,
                "categories": "embedding",
                "embedding/units": 4,
                "crosses": True,
                "body": "wide_and_deep",
            },
            "wide and deep 16, relu, batch norm, piecewise numbers, categories as 4 numbers, those of fewer than 10 "
            "rows as one, pairs of categories; adam 0.01, cosine, batch 16",
        ),
    ],
)
def test_genomes_in_words(change: dict[str, Any], words: str) -> None:
    assert describe({**GENOME, **change}) == words
