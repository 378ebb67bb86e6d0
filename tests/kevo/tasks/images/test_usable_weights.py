"""Which weights a search uses, goes on with, and shares with its workers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kevo.errors import WeightsError
from kevo.tasks.images import usable_weights
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.space import Space

SPACE = Space(backbones=("mobilenet_v3_small", "vgg16"))
RANDOM = {"mobilenet_v3_small": "none", "vgg16": "none"}
USABLE = {
    "mobilenet_v3_small": tuple(Weights("mobilenet_v3_small", "none", alpha=alpha) for alpha in (0.75, 1.0)),
    "vgg16": (Weights("vgg16", "none"),),
}


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache of Keras's that nothing can be downloaded to."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))


def test_what_was_asked_for_is_found_however_small_the_pictures() -> None:
    assert usable_weights.find(SPACE, RANDOM, image_size=8) == (USABLE, [])


def test_small_pictures_leave_out_backbones_that_nobody_asked_for() -> None:
    usable, notes = usable_weights.find(SPACE, {}, image_size=31)
    assert usable == {} and len(notes) == 1 and "pictures of 31 px" in notes[0]
    assert usable_weights.find(replace(SPACE, families=("conv",)), RANDOM, image_size=224) == ({}, [])


def test_backbones_without_weights_are_left_out_together_or_refuse_the_search(offline: None) -> None:
    usable, notes = usable_weights.find(SPACE, {}, image_size=32)
    assert usable == {} and len(notes) == 1 and notes[0].startswith("Left out mobilenet_v3_small, vgg16: no ImageNet")
    with pytest.raises(WeightsError, match=r"^Nothing is left to search\. Left out mobilenet_v3_small, vgg16: no"):
        usable_weights.find(replace(SPACE, families=("pretrained",)), {}, image_size=8)


def test_a_search_goes_on_with_the_widths_it_began_with() -> None:
    began_with = {"mobilenet_v3_small": [1.0]}
    usable, _ = usable_weights.find_again(began_with, SPACE, RANDOM, image_size=64)
    assert usable == {"mobilenet_v3_small": USABLE["mobilenet_v3_small"][1:]}
    with pytest.raises(WeightsError, match=r"weights of mobilenet_v3_small \(alpha 0\.5\) from none, which cannot be"):
        usable_weights.find_again({"mobilenet_v3_small": [0.5]}, SPACE, RANDOM, image_size=64)


def test_a_search_does_not_go_on_without_the_weights_it_began_with(offline: None) -> None:
    with pytest.raises(
        WeightsError, match=r"vgg16 from imagenet, which cannot be had .* Left out mobilenet_v3_small, vg"
    ):
        usable_weights.find_again({"vgg16": [None]}, SPACE, {}, image_size=64)


def test_workers_of_the_same_machine_read_what_the_search_found(tmp_path: Path) -> None:
    usable = {**USABLE, "mobilenet_v2": (Weights("mobilenet_v2", "file", tmp_path / "own.weights.h5", 0.35),)}
    assert usable_weights.from_json(json.loads(json.dumps(usable_weights.to_json(usable)))) == usable
