"""The genes of U-Nets."""

import json

import numpy as np
import pytest

from kevo.errors import SettingsError, SpaceError
from kevo.tasks.masks import recipes, space
from kevo.tasks.masks.declaration import declare
from kevo.tasks.masks.space import Space, preset
from tests.support.masks import GENOME, ON_BACKBONE
from tuners.genome import SearchSpace

TUNED = {**ON_BACKBONE, "encoder/tuning": "fine_tune", "fine_tune/num_levels": 1, "fine_tune/learning_rate": 1e-3}


@pytest.mark.parametrize("name", space.PRESETS)
@pytest.mark.parametrize("side", [32, 96, 512])
def test_every_genome_is_one(name: str, side: int) -> None:
    found = preset(name)
    alphas = {"mobilenet_v2": (0.35, 0.5), "resnet50": (None,)}
    genes = SearchSpace.from_hyperparameters(declare(found, side=side, num_pictures=20, alphas=alphas))
    rng = np.random.default_rng(0)
    sampled = [genes.sample(rng) for _ in range(20)]
    seeds = recipes.seeds(found, has_backbone=True)
    for genome in (*sampled, *map(genes.default, (*seeds, *recipes.narrowest(found)))):
        space.check_genome(genome)
        assert genome["crop"] <= side and genome["crop"] >> space.depth(genome) >= 2
        assert space.describe(genome).startswith("U-Net ")


def test_families() -> None:
    alone = Space(families=("pretrained_unet",), backbones=("resnet50", "mobilenet_v2"))
    genes = SearchSpace.from_hyperparameters(
        declare(alone, side=64, num_pictures=20, alphas={"mobilenet_v2": (0.35,), "resnet50": ()})
    )
    (seed,) = map(genes.default, recipes.seeds(alone, has_backbone=True))
    assert seed == genes.default() | {"unet/width": 16, "unet/growth": 1.5, "unet/block": "separable"}
    assert (seed["backbone"], seed["mobilenet_v2/alpha"], seed["encoder/depth"]) == ("mobilenet_v2", 0.35, 4)
    assert "unet/depth" not in seed
    with pytest.raises(SpaceError, match="pretrained U-Nets only, and no backbone has usable weights"):
        declare(alone, side=64, num_pictures=20)
    scratch = SearchSpace.from_hyperparameters(declare(Space(), side=64, num_pictures=20))
    assert scratch.default()["family"] == "unet" and "backbone" not in scratch.default()
    assert all(one["family"] == "unet" for one in recipes.seeds(Space()))
    assert space.describe(ON_BACKBONE).startswith("U-Net on mobilenet_v2 0.35, 8 > 16 > 32 > 64, separable 3x3, relu; ")


def test_values_are_checked() -> None:
    for values, words in (
        ({"families": ("conv",)}, "unet, pretrained_unet"),
        ({"backbones": ("xception",)}, "The maps of xception have no halves"),
        ({"encoder_depth": (5,)}, "from 2 to 4"),
        ({"fine_tune_levels": (0,)}, "`fine_tune_levels` must be from 1 to 4"),
        ({"tunings": ("thawed",)}, "frozen, fine_tune"),
        ({"crops": (50,)}, "multiples of 32"),
        ({"depth": (5,)}, "from 1 to 4"),
        ({"blocks": ("dense",)}, "conv, separable, residual"),
        ({"losses": ()}, "at least one value"),
    ):
        with pytest.raises(SpaceError, match=words):
            Space(**values)
    with pytest.raises(SettingsError, match="a Space for masks"):
        space.from_json(7)
    assert space.from_json(json.loads(json.dumps({"crops": [64]}))).crops == (64,)
    for name, value in (("loss", "huber"), ("crop", 3.5), ("unet/skip", None)):
        with pytest.raises(SpaceError, match=name):
            space.check_genome({**GENOME, name: value})
    for name, value in (("backbone", "xception"), ("mobilenet_v2/alpha", "a"), ("encoder/depth", 5)):
        with pytest.raises(SpaceError, match=str(value) if name == "backbone" else name):
            space.check_genome({**ON_BACKBONE, name: value})
    for name, value in (("encoder/tuning", "thawed"), ("fine_tune/num_levels", 5), ("fine_tune/learning_rate", "a")):
        with pytest.raises(SpaceError, match=name):
            space.check_genome({**TUNED, name: value})


def test_a_backbone_may_be_tuned() -> None:
    found = Space(families=(space.PRETRAINED,), tunings=("fine_tune",), fine_tune_levels=(2, 1))
    genes = SearchSpace.from_hyperparameters(declare(found, side=96, num_pictures=20, alphas={"mobilenet_v2": (0.35,)}))
    genome = genes.default()
    space.check_genome(genome)
    assert space.fine_tunes(genome) and genome["fine_tune/num_levels"] == 2
    assert not space.fine_tunes(ON_BACKBONE) and not space.fine_tunes(GENOME)
    assert space.describe(TUNED).startswith("U-Net on mobilenet_v2 0.35, levels tuned: 1, 8 > ")


def test_cheaper_networks() -> None:
    genome = {**GENOME, "unet/width": 16}
    found = recipes.cheaper(genome, Space(), side=128)
    assert [(one["unet/width"], one["reduce"]) for one in found] == [(8, 1), (4, 1), (4, 2)]
    assert [one["reduce"] for one in recipes.cheaper(genome, Space(), side=32)] == [1, 1, 2]
    assert recipes.cheaper({**GENOME, "unet/width": 4}, preset("small"), side=128) == []
