"""What may be searched for pictures."""

import dataclasses
from pathlib import Path

import pytest

import kevo
from kevo.errors import SpaceError, UnknownBackboneError
from kevo.tasks.images import backbones, genes
from kevo.tasks.images.space import preset
from tests.support.samples import stripes


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
        dataclasses.replace(preset("small"), **change)


def test_whole_numbers_stand_for_floats_too() -> None:
    changed = dataclasses.replace(preset("small"), dropout=(0, 0.5))
    assert changed == dataclasses.replace(preset("small"), dropout=(0.0, 0.5))
    genes.declare(changed, image_size=32, num_pictures=1000, alphas={})


def test_an_unknown_backbone_or_preset_is_named() -> None:
    with pytest.raises(UnknownBackboneError, match="Did you mean 'resnet50'"):
        dataclasses.replace(preset("small"), backbones=("resnet5",))
    with pytest.raises(SpaceError, match="Unknown space 'smal'. Did you mean 'small'"):
        preset("smal")


def test_every_backbone_has_a_place_in_the_default_space() -> None:
    assert set(preset("default").backbones) == set(backbones.BACKBONES)


@pytest.mark.long
def test_a_search_with_the_genes_of_deepga(tmp_path: Path) -> None:
    short = {"max_trials": 1, "epochs": 1, "final_epochs": 1, "num_finalists": 1, "population": 2, "workers": 0}
    settings = kevo.Settings(space="deepga", max_params=9000, minimize=("params",), **short)
    result = kevo.search(stripes(30), settings, out=tmp_path / "run")
    assert result.words.startswith("conv stack") and result.num_parameters <= 9000
    assert result.best_model.count_params() == result.num_parameters
