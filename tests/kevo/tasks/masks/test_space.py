"""The genes of U-Nets."""

import json

import numpy as np
import pytest

from kevo.errors import SettingsError, SpaceError
from kevo.tasks.masks import space
from kevo.tasks.masks.space import Space, declare, preset
from tests.support.masks import GENOME
from tuners.genome import SearchSpace


@pytest.mark.parametrize("name", space.PRESETS)
@pytest.mark.parametrize("side", [32, 96, 512])
def test_every_genome_is_one(name: str, side: int) -> None:
    found = preset(name)
    genes = SearchSpace.from_hyperparameters(declare(found, side=side, num_pictures=20))
    rng = np.random.default_rng(0)
    sampled = [genes.sample(rng) for _ in range(20)]
    for genome in (*sampled, *map(genes.default, (*space.seeds(found), *space.narrowest(found)))):
        space.check_genome(genome)
        assert genome["crop"] <= side and genome["crop"] >> genome["unet/depth"] >= 2
        assert space.describe(genome).startswith("U-Net ")


def test_values_are_checked() -> None:
    for values, words in (
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


def test_cheaper_networks() -> None:
    genome = {**GENOME, "unet/width": 16}
    found = space.cheaper(genome, Space(), side=128)
    assert [(one["unet/width"], one["reduce"]) for one in found] == [(8, 1), (4, 1), (4, 2)]
    assert [one["reduce"] for one in space.cheaper(genome, Space(), side=32)] == [1, 1, 2]
    assert space.cheaper({**GENOME, "unet/width": 4}, preset("small"), side=128) == []
