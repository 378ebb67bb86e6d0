"""The row of the table of tasks."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kevo
from kevo.errors import DataError, ExportError, SettingsError, SpaceError
from kevo.tasks.masks.kind import KIND
from kevo.tasks.masks.space import PRESETS
from kevo.tasks.registry import choose, kind_of
from tests.support.masks import GENOME, ON_BACKBONE, disks, write_folder


def test_loads_no_tensorflow(tmp_path: Path) -> None:
    script = """
import sys
import kevo
from kevo.tasks.registry import choose
kind, note = choose("auto", sys.argv[1], {})
print(note)
print(kind.load(sys.argv[1], kevo.Settings(task=kind.name)).summary())
print(kind.describe(%r))
print(sorted({"tensorflow", "keras", "keras_tuner"} & sys.modules.keys()))
"""
    path = write_folder(tmp_path / "disks")
    done = subprocess.run([sys.executable, "-c", script % GENOME, path], capture_output=True, text=True, check=True)
    note, summary, words, loaded = done.stdout.splitlines()
    assert note == "images/ and masks/: segmentation; --task classification for classes."
    assert summary.startswith("disks: 24 pictures of 32 x 32 px, masks of 1 class")
    assert words.startswith("U-Net 8 > 16, conv")
    assert loaded == "[]"


def test_sources(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "disks", 4, splits=("train", "test"))
    for data in (folder, disks(4), {"train": disks(4), "test": disks(4)}):
        assert choose("auto", data, {})[0] is KIND is kind_of("segmentation")
        assert choose("segmentation", data, {})[0] is KIND
    assert choose("auto", "digits", {})[0].name == "images"
    kind, _ = choose("classification", folder, {})
    with pytest.raises(DataError, match="for segmentation .--task segmentation."):
        kind.load(folder, kevo.Settings())
    assert KIND.source(folder) == str(folder.resolve()) and KIND.source(disks(4)) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"space": 7}, "a Space for masks. Received: 7"),
        ({"weights": {"xception": "none"}}, "The maps of xception have no halves"),
        ({"folds": 3}, "Leave --folds out"),
        ({"objective": "r3"}, "dice, iou, loss"),
    ],
)
def test_settings_that_masks_have_not(options: dict[str, Any], words: str) -> None:
    with pytest.raises((SettingsError, SpaceError), match=words):
        kevo.Settings(task="segmentation", **options)


def test_settings() -> None:
    settings = kevo.Settings(task="segmentation", space=PRESETS["small"], objective="iou")
    assert kevo.Settings.from_json(settings.to_json()) == settings
    assert KIND.varied(settings)["blocks"] == ("conv", "separable")
    names = [KIND.network_name({**GENOME, "unet/block": block}) for block in ("conv", "separable", "residual")]
    assert names == ["U-Net", "separable U-Net", "residual U-Net"]
    assert KIND.network_name(ON_BACKBONE) == "mobilenet_v2"
    assert KIND.network_kind(ON_BACKBONE).words == "pretrained U-Net"


def test_backbones() -> None:
    settings = kevo.Settings(task="segmentation", space="small", weights={"ResNet50": "none"})
    varied = KIND.varied(settings)
    assert varied["backbones"] == ("resnet50",) and varied["families"] == ("unet", "pretrained_unet")
    assert KIND.varied(kevo.Settings(task="segmentation", space="small"))["families"] == ("unet",)
    names = [one.name for one in KIND.pretrained()]
    assert "mobilenet_v2" in names and "xception" not in names
    assert KIND.absolute({"MobileNetV2": "none"}) == {"mobilenet_v2": "none"}


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="written in no other format yet"):
        KIND.exportable(tmp_path / "best.keras")
    with pytest.raises(SettingsError, match="says what it answers"):
        KIND.predictor(tmp_path, labels=tmp_path / "labels.json")
