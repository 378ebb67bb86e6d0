"""The pretrained table: what it holds, and how a row is found."""

import pytest

from kevo.errors import UnknownBackboneError
from kevo.tasks.images import backbones
from kevo.tasks.images.backbones import BACKBONES


def test_every_backbone_of_the_table_is_there() -> None:
    assert sorted(BACKBONES) == [
        "densenet121",
        "efficientnet_b0",
        "efficientnet_v2_b0",
        "inception_v3",
        "mobilenet",
        "mobilenet_v2",
        "mobilenet_v3_large",
        "mobilenet_v3_small",
        "resnet50",
        "resnet50_v2",
        "vgg16",
        "vgg19",
        "xception",
    ]
    assert all(backbones.get(name).name == name for name in BACKBONES)


def test_alphas_are_those_that_keras_publishes() -> None:
    assert {name: row.alphas for name, row in BACKBONES.items() if row.alphas} == {
        "mobilenet": (0.25, 0.5, 0.75, 1.0),
        "mobilenet_v2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
        "mobilenet_v3_small": (0.75, 1.0),
        "mobilenet_v3_large": (0.75, 1.0),
    }


def test_names_are_found_as_keras_writes_them() -> None:
    for row in BACKBONES.values():
        function = row.builder.rpartition(":")[2]
        assert backbones.named(row.name) == backbones.named(function) == row.name
    assert backbones.named("Mobilenet-V2") == "mobilenet_v2"
    with pytest.raises(UnknownBackboneError, match="Unknown backbone 'MobileNet9'"):
        backbones.named("MobileNet9")


def test_an_unknown_name_gets_the_nearest_one_offered() -> None:
    with pytest.raises(UnknownBackboneError, match=r"^Unknown backbone 'resnet5'. Did you mean 'resnet50'\? Expected"):
        backbones.get("resnet5")
    with pytest.raises(UnknownBackboneError, match=r"^Unknown backbone 'qqq'. Expected one of: vgg16, .*xception.$"):
        backbones.get("qqq")
