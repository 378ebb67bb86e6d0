"""The genes of an image classifier."""

import dataclasses
import json

import numpy as np
import pytest

from kevo.errors import SpaceError
from kevo.tasks.images import genes
from kevo.tasks.images.describe import describe
from kevo.tasks.images.genome_check import check_genome
from kevo.tasks.images.space import PRESETS, preset
from tests.support.search_spaces import ALPHAS, declared
from tuners.genome import SearchSpace


@pytest.mark.parametrize("name", PRESETS)
def test_every_genome_of_a_preset_is_valid_and_can_be_said_in_words(name: str) -> None:
    search_space = declared(name)
    rng = np.random.default_rng(0)
    families = set()
    for _ in range(200):
        genome = search_space.sample(rng)
        families.add(genome["family"])
        check_genome(genome)
        words = describe(genome)
        assert ("conv stack" in words) == (genome["family"] == "conv")
        json.dumps(dict(genome))
    assert families == set(preset(name).families)


@pytest.mark.parametrize("name", PRESETS)
def test_inactive_genes_are_absent(name: str) -> None:
    search_space = declared(name)
    rng = np.random.default_rng(1)
    for _ in range(200):
        genome = search_space.sample(rng)
        conv = {gene for gene in genome if gene.startswith("conv/")}
        blocks = {gene.split("/")[1] for gene in conv if "block_" in gene}
        if genome["family"] == "conv":
            assert blocks == {f"block_{block}" for block in range(1, genome["conv/num_blocks"] + 1)}
            assert "backbone" not in genome
        else:
            assert not conv
            others = [backbone for backbone in ALPHAS if backbone != genome["backbone"]]
            assert not any(gene.startswith(tuple(others)) for gene in genome)
            assert ("fine_tune/num_blocks" in genome) == (genome["pretrained/tuning"] == "fine_tune")
        assert ("learning_rate" in genome) != ("sgd/learning_rate" in genome)
        assert ("augment/flip" in genome) == genome["augment"]


def test_the_search_starts_from_the_first_values() -> None:
    hp = genes.declare(preset("default"), image_size=160, num_pictures=1000, alphas=ALPHAS)
    assert hp.get("family") == "pretrained"
    assert hp.get("pretrained/image_size") == 224
    assert hp.get("mobilenet_v2/cut" if hp.get("backbone") == "mobilenet_v2" else "vgg16/cut") in (
        "out_relu",
        "block5_pool",
    )
    assert hp.get("learning_rate") == pytest.approx(1e-3)


def test_conv_stacks_see_no_more_pixels_than_there_are() -> None:
    search_space = declared(image_size=28, alphas={})
    rng = np.random.default_rng(0)
    assert {search_space.sample(rng)["conv/image_size"] for _ in range(100)} == {8, 16, 24}
    assert search_space.default()["conv/image_size"] == 24


def test_pictures_below_every_size_get_the_smallest() -> None:
    assert declared(image_size=4, alphas={}).default()["conv/image_size"] == 8


def test_boards_are_seen_as_they_are() -> None:
    declared = genes.declare(preset("default"), image_size=7, num_pictures=1000, shape=(6, 7), alphas={})
    search_space = SearchSpace.from_hyperparameters(declared)
    rng = np.random.default_rng(0)
    for genome in [search_space.default(), *(search_space.sample(rng) for _ in range(50))]:
        check_genome(genome)
        assert genes.picture_shape(genome) == (6, 7)
        assert " at 7 x 6 px" in describe(genome)
    assert search_space.default()["conv/pooling"] == "none" and "not pooled" in describe(search_space.default())
    assert {search_space.sample(rng)["conv/block_1/kernel_size"] for _ in range(100)} == {1, 3, 5}


def test_squares_are_pooled() -> None:
    search_space = declared(image_size=28, alphas={})
    rng = np.random.default_rng(0)
    assert genes.picture_shape(search_space.default()) == (24, 24)
    assert "none" not in {search_space.sample(rng)["conv/pooling"] for _ in range(50)}


def test_batches_fit_the_pictures() -> None:
    rng = np.random.default_rng(0)
    search_space = declared(num_pictures=150)
    assert {search_space.sample(rng)["batch_size"] for _ in range(100)} == {16, 32}
    assert declared(num_pictures=10).default()["batch_size"] == 16


def test_without_weights_only_conv_stacks_are_left() -> None:
    search_space = declared(alphas={})
    rng = np.random.default_rng(0)
    assert {search_space.sample(rng)["family"] for _ in range(50)} == {"conv"}


def test_nothing_left_is_refused() -> None:
    only_pretrained = dataclasses.replace(preset("default"), families=("pretrained",))
    with pytest.raises(SpaceError, match="Nothing is left to search"):
        genes.declare(only_pretrained, image_size=64, num_pictures=100, alphas={})


def test_single_values_are_fixed_and_never_vary() -> None:
    one = dataclasses.replace(
        preset("small"), families=("conv",), conv_image_sizes=(8,), batch_norm=(True,), optimizers=("sgd",)
    )
    search_space = SearchSpace.from_hyperparameters(genes.declare(one, image_size=8, num_pictures=1000, alphas={}))
    rng = np.random.default_rng(0)
    for _ in range(30):
        genome = search_space.sample(rng)
        assert (genome["conv/batch_norm"], genome["optimizer"], genome["conv/image_size"]) == (True, "sgd", 8)


def test_a_head_may_learn_from_what_another_learns_from() -> None:
    plain = {"family": "pretrained", "head/l2": 0.1, "augment": False, "mirror": False}
    turned = {"family": "pretrained", "head/l2": 0.0, "augment": True, "augment/flip": "horizontal", "mirror": True}
    assert genes.with_inputs_of(plain, turned) == {**turned, "head/l2": 0.1}
    assert genes.with_inputs_of(turned, plain) == {**plain, "head/l2": 0.0}
