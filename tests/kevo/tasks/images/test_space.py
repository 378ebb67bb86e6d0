"""The genes of an image classifier."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from kevo.errors import SpaceError, UnknownBackboneError
from kevo.tasks.images import backbones, space
from kevo.tasks.images.describe import describe
from tests.support.samples import CONV_GENOME, FINE_TUNED, pretrained_genome
from tuners.genome import SearchSpace

ALPHAS = {"mobilenet_v2": (0.35, 1.0), "vgg16": (None,), "resnet50": (None,)}


def declared(name: str = "default", **options: object) -> SearchSpace:
    options = {"image_size": 64, "num_pictures": 1000, "alphas": ALPHAS, **options}
    return SearchSpace.from_hyperparameters(space.declare(space.preset(name), **options))


@pytest.mark.parametrize("name", space.PRESETS)
def test_every_genome_of_a_preset_is_valid_and_can_be_said_in_words(name: str) -> None:
    genes = declared(name)
    rng = np.random.default_rng(0)
    families = set()
    for _ in range(200):
        genome = genes.sample(rng)
        families.add(genome["family"])
        space.check_genome(genome)
        words = describe(genome)
        assert ("conv stack" in words) == (genome["family"] == "conv")
        json.dumps(dict(genome))
    assert families == {"conv", "pretrained"}


@pytest.mark.parametrize("name", space.PRESETS)
def test_inactive_genes_are_absent(name: str) -> None:
    genes = declared(name)
    rng = np.random.default_rng(1)
    for _ in range(200):
        genome = genes.sample(rng)
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
    hp = space.declare(space.preset("default"), image_size=160, num_pictures=1000, alphas=ALPHAS)
    assert hp.get("family") == "pretrained"
    assert hp.get("pretrained/image_size") == 224
    assert hp.get("mobilenet_v2/cut" if hp.get("backbone") == "mobilenet_v2" else "vgg16/cut") in (
        "out_relu",
        "block5_pool",
    )
    assert hp.get("learning_rate") == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("name", "ladder"),
    [
        ("small", [(160, False), (160, True)]),
        ("default", [(160, False), (224, False), (224, True), (288, True)]),
        ("wide", [(192, False), (256, True), (320, True)]),
    ],
)
def test_seeds_climb_from_cheap_to_expensive(name: str, ladder: list[tuple[int, bool]]) -> None:
    genes = declared(name)
    seeds = [genes.default(seed) for seed in space.seeds(space.preset(name), image_size=64)]
    *pretrained, strong, plain, reference, conv = seeds
    if name != "small":
        tuned = pretrained.pop()
        assert (tuned["pretrained/tuning"], tuned["pretrained/image_size"]) == ("fine_tune", ladder[-1][0])
    assert [(one["pretrained/image_size"], one.get("augment/flip") == "horizontal") for one in pretrained] == ladder
    assert [one["mirror"] for one in pretrained] == [mirror and name != "small" for _, mirror in ladder]
    assert all(one["head/num_dense"] == 0 and one["head/l2"] in (0.01, 0.03) for one in pretrained)
    shape = ("family", "conv/image_size", "conv/num_blocks", "conv/block_1/filters", "conv/block_2/filters")
    assert [reference[gene] for gene in shape] == ["conv", 32, 2, 16, 32]
    assert conv == genes.default({"family": "conv"})
    assert strong["augment"] and not plain["augment"] and strong["schedule"] == plain["schedule"] == "one_cycle"
    assert len({genes.key(one) for one in seeds}) == len(seeds)


def test_seeds_of_small_pictures_and_of_one_family_are_genomes_too() -> None:
    genes = declared("small", image_size=20, alphas={})
    seeds = [genes.default(seed) for seed in space.seeds(space.preset("small"), image_size=20, leading=[])]
    assert {(one["family"], one["conv/image_size"]) for one in seeds} == {("conv", 16)}
    assert len({genes.key(one) for one in seeds}) == 4


@pytest.mark.parametrize(
    ("name", "size", "filters"),
    [("default", 32, (32, 64, 128)), ("default", 160, (32, 64, 128, 128)), ("small", 32, (32, 64, 64))],
)
def test_the_recipe_is_a_genome_of_the_space(name: str, size: int, filters: tuple[int, ...]) -> None:
    genes = declared(name, image_size=size)
    wanted = space.recipe(space.preset(name), image_size=size)
    found = genes.default(wanted)
    same = [gene for gene, value in wanted.items() if found.get(gene) == value]
    # Where nothing is mirrored, or there is but one value, the space decides.
    assert set(wanted) - set(same) <= {"mirror"}
    assert found["conv/image_size"] <= size and found["conv/num_blocks"] == len(filters)
    assert tuple(found[f"conv/block_{block}/filters"] for block in range(1, len(filters) + 1)) == filters
    assert (found["optimizer"], found["learning_rate"], found["schedule"]) == ("adam", 4e-3, "one_cycle")


def test_a_frozen_genome_may_be_fine_tuned_as_deep_as_the_space_says() -> None:
    genes = declared()
    frozen = genes.default({"family": "pretrained", "pretrained/tuning": "frozen"})
    tuned = space.fine_tuned(frozen, space.preset("default"))
    assert [one["fine_tune/num_blocks"] for one in tuned] == [3, 2, 1]
    assert all(genes.default(one) == one and one["fine_tune/learning_rate"] == pytest.approx(1e-4) for one in tuned)
    assert space.fine_tuned(tuned[0], space.preset("default")) == space.fine_tuned(frozen, space.preset("small")) == []


def test_a_genome_has_others_on_smaller_pictures() -> None:
    options = {"image_size": 32, "num_pictures": 1000, "alphas": ALPHAS}
    hyperparameters = space.declare(space.preset("default"), **options)
    genes = SearchSpace.from_hyperparameters(hyperparameters)
    frozen, conv = genes.default({"family": "pretrained"}), genes.default({"family": "conv"})
    smaller = space.on_smaller_pictures(frozen, hyperparameters)
    assert [one["pretrained/image_size"] for one in smaller] == [192, 160, 128, 96]
    assert all({**one, "pretrained/image_size": 224} == frozen for one in smaller)
    sizes = [one["conv/image_size"] for one in space.on_smaller_pictures(conv, hyperparameters)]
    assert conv["conv/image_size"] == 32 and sizes == [24, 16, 8]
    fixed = dataclasses.replace(space.preset("default"), pretrained_image_sizes=(224,))
    assert space.on_smaller_pictures(frozen, space.declare(fixed, **options)) == []


def test_conv_stacks_see_no_more_pixels_than_there_are() -> None:
    genes = declared(image_size=28, alphas={})
    rng = np.random.default_rng(0)
    assert {genes.sample(rng)["conv/image_size"] for _ in range(100)} == {8, 16, 24}
    assert genes.default()["conv/image_size"] == 24


def test_pictures_below_every_size_get_the_smallest() -> None:
    assert declared(image_size=4, alphas={}).default()["conv/image_size"] == 8


def test_batches_fit_the_pictures() -> None:
    rng = np.random.default_rng(0)
    genes = declared(num_pictures=150)
    assert {genes.sample(rng)["batch_size"] for _ in range(100)} == {16, 32}
    assert declared(num_pictures=10).default()["batch_size"] == 16


def test_without_weights_only_conv_stacks_are_left() -> None:
    genes = declared(alphas={})
    rng = np.random.default_rng(0)
    assert {genes.sample(rng)["family"] for _ in range(50)} == {"conv"}


def test_nothing_left_is_refused() -> None:
    only_pretrained = dataclasses.replace(space.preset("default"), families=("pretrained",))
    with pytest.raises(SpaceError, match="Nothing is left to search"):
        space.declare(only_pretrained, image_size=64, num_pictures=100, alphas={})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filters": ()}, "`filters` must be a tuple with at least one value"),
        ({"filters": (8, "16")}, "`filters` must hold finite values of type int only. Received: '16'"),
        ({"num_blocks": (True,)}, "`num_blocks` must hold finite values of type int only. Received: True"),
        ({"dropout": (0.1, float("nan"))}, "`dropout` must hold finite values of type float only. Received: nan"),
        ({"families": ("transformer",)}, "holds 'transformer'. Expected some of: conv, pretrained"),
        ({"learning_rate": (0.1, 0.01)}, r"`learning_rate` must be \(lowest, highest\)"),
        ({"sgd_learning_rate": (0.0, 0.01)}, r"`sgd_learning_rate` must be \(lowest, highest\)"),
    ],
)
def test_a_wrong_space_says_what_is_wrong(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        dataclasses.replace(space.preset("small"), **change)


def test_whole_numbers_stand_for_floats_too() -> None:
    changed = dataclasses.replace(space.preset("small"), dropout=(0, 0.5))
    assert changed == dataclasses.replace(space.preset("small"), dropout=(0.0, 0.5))
    space.declare(changed, image_size=32, num_pictures=1000, alphas={})


def test_an_unknown_backbone_or_preset_is_named() -> None:
    with pytest.raises(UnknownBackboneError, match="Did you mean 'resnet50'"):
        dataclasses.replace(space.preset("small"), backbones=("resnet5",))
    with pytest.raises(SpaceError, match="Unknown space 'smal'. Did you mean 'small'"):
        space.preset("smal")


def test_single_values_are_fixed_and_never_vary() -> None:
    one = dataclasses.replace(
        space.preset("small"), families=("conv",), conv_image_sizes=(8,), batch_norm=(True,), optimizers=("sgd",)
    )
    genes = SearchSpace.from_hyperparameters(space.declare(one, image_size=8, num_pictures=1000, alphas={}))
    rng = np.random.default_rng(0)
    for _ in range(30):
        genome = genes.sample(rng)
        assert (genome["conv/batch_norm"], genome["optimizer"], genome["conv/image_size"]) == (True, "sgd", 8)


FROZEN = {**pretrained_genome("mobilenet_v2", "out_relu"), "mobilenet_v2/alpha": 0.35}


@pytest.mark.parametrize("genome", [CONV_GENOME, FROZEN, pretrained_genome("vgg16", "block4_pool", **FINE_TUNED)])
def test_a_genome_has_all_of_its_genes(genome: Mapping[str, Any]) -> None:
    space.check_genome(genome)
    for gene in genome.keys() - {"mobilenet_v2/alpha"}:
        with pytest.raises(ValueError, match=f"The gene '{gene}' is missing"):
            space.check_genome({name: value for name, value in genome.items() if name != gene})


@pytest.mark.parametrize(
    "gene", ["color", "fine_tune/num_blocks", "augment/flip", "head/units", "weight_decay", "conv/block_3/filters"]
)
def test_a_genome_has_no_other_genes(gene: str) -> None:
    with pytest.raises(ValueError, match=f"The gene '{gene}' is unknown, or not active here"):
        space.check_genome({**CONV_GENOME, gene: 1})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"conv/num_blocks": 10**12}, "'conv/block_3/filters' is missing"),
        ({"conv/num_blocks": True}, "an integer"),
        ({"conv/batch_norm": 1}, "true or false"),
        ({"conv/activation": None}, "a word"),
        ({"learning_rate": "fast"}, "a finite number"),
        ({"learning_rate": float("nan")}, "a finite number"),
        ({"learning_rate": False}, "a finite number"),
        ({"optimizer": "lion"}, "one of: adam, adamw, sgd, rmsprop"),
        ({"optimizer": ["adam"]}, "one of: adam, adamw, sgd, rmsprop"),
    ],
)
def test_a_gene_has_a_value_of_its_kind(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        space.check_genome({**CONV_GENOME, **changes})


def test_a_backbone_and_its_cut_must_be_known() -> None:
    with pytest.raises(ValueError, match="'backbone' is 'resnet5'. Expected one of: "):
        space.check_genome({**FROZEN, "backbone": "resnet5"})
    with pytest.raises(ValueError, match="'mobilenet_v2/cut' is 'block1_pool'. Expected one of: "):
        space.check_genome({**FROZEN, "mobilenet_v2/cut": "block1_pool"})


def test_every_backbone_has_a_place_in_the_default_space() -> None:
    assert set(space.preset("default").backbones) == set(backbones.BACKBONES)
