"""Data sets of pictures and masks."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError, SettingsError
from kevo.tasks.images.datasets import ImageDataset, pairs
from kevo.tasks.masks.loading import load, read
from kevo.tasks.outputs.masks.output import PixelClasses
from kevo.tasks.registry import choose
from kevo.tasks.sampling import Sampling
from tests.support.masks import disks, small_dataset, write_folder


def test_a_folder(tmp_path: Path) -> None:
    dataset = load(write_folder(tmp_path / "disks"))
    assert dataset.summary() == (
        "disks: 24 pictures of 32 x 32 px, masks of 1 class (15 train, 5 validation*, 4 test*; * from train)"
    )
    assert dataset.output == PixelClasses(("foreground",), (0, 255))
    assert dataset.train.labels.shape == (15, 32, 32, 1)
    assert dataset.notes[0].startswith("The masks hold 0 (background, ")
    # Every picture keeps its own mask.
    pictures, masks = disks()
    for split in (dataset.train, dataset.validation, dataset.test):
        for picture, mask in zip(split.pictures, split.labels, strict=True):
            place = next(place for place, one in enumerate(pictures) if (one == picture).all())
            assert (mask[..., 0] == masks[place]).all()
    assert load(tmp_path / "disks").fingerprint() == dataset.fingerprint()
    assert load(tmp_path / "disks", seed=1).fingerprint() != dataset.fingerprint()


def test_splits_of_the_source_stay(tmp_path: Path) -> None:
    dataset = load(write_folder(tmp_path / "disks", 10, splits=("train", "val", "test"), white=1))
    assert [dataset.num_examples(split) for split in ("train", "validation", "test")] == [10, 10, 10]
    assert dataset.made_splits == () and dataset.output.to_json()["masks"]["values"] == [0, 1]


def test_an_archive(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "disks")
    with zipfile.ZipFile(tmp_path / "disks.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path))
    assert load(tmp_path / "disks.zip").fingerprint() == load(folder).fingerprint()


def test_arrays() -> None:
    pictures, masks = disks(20, classes=2)
    dataset = load({"train": (pictures[:12], masks[:12]), "test": (pictures[12:], masks[12:, ..., np.newaxis])})
    assert dataset.output.classes == ("class 1", "class 2")
    assert dataset.num_examples("test") == 8 and (dataset.test.labels[..., 0] == masks[12:]).all()
    assert load((pictures, masks.astype(np.float64))).output == dataset.output
    one_hot = load({"train": (pictures[:12], np.eye(3)[masks[:12]]), "test": (pictures[12:], np.eye(3)[masks[12:]])})
    assert one_hot.output == dataset.output and (one_hot.test.labels == dataset.test.labels).all()
    colors = np.array([[0, 0, 0, 255], [200, 0, 0, 255], [0, 99, 0, 0]], np.uint8)[masks]
    assert load((pictures, colors)).output.classes == ("#006300", "#c80000")
    with pytest.raises(DataError, match="5 numbers for each pixel, from 0 to 1. Expected one number, 1 at the place"):
        load((pictures, np.eye(5)[masks] + np.eye(5)[masks + 1]))
    with pytest.raises(DataError, match="^There are too few different pictures: 2. Expected .* test. Add pictures.$"):
        load((pictures[:2], masks[:2]))
    with pytest.raises(DataError, match="A mask holds 0.5, which is no whole number. Expected the number of a class"):
        load((pictures, masks / 2))
    with pytest.raises(DataError, match="a pair of arrays"):
        load((pictures, masks[:, :5]))
    with pytest.raises(SettingsError, match="arrays have no paths"):
        load((pictures, masks), groups="p")


def test_arrays_in_a_file_and_by_the_names_of_keras(tmp_path: Path) -> None:
    pictures, masks = disks(24)
    given = {"train": (pictures[:16], masks[:16]), "val": (pictures[16:20], masks[16:20])}
    dataset = load({**given, "test": (pictures[20:], masks[20:])})
    assert [dataset.num_examples(split) for split in ("train", "validation", "test")] == [16, 4, 4]
    np.savez(
        tmp_path / "disks.npz",
        **{f"{kind}_{split}": part for split, pair in given.items() for kind, part in zip("xy", pair, strict=True)},
        x_test=pictures[20:],
        y_test=masks[20:],
    )
    assert choose("auto", tmp_path / "disks.npz", {})[0].name == "segmentation"
    found = load(tmp_path / "disks.npz")
    assert found.name == "disks" and found.fingerprint() == dataset.fingerprint()
    two = ((pictures[:20], masks[:20]), (pictures[20:], masks[20:]))
    assert choose("auto", two, {})[0].name == "segmentation" and load(two).num_examples("test") == 4
    np.savez(tmp_path / "classes.npz", x=pictures, y=np.arange(24) % 2)
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    assert [pairs.described(tmp_path / f"{name}.npz") for name in ("classes", "broken")] == [None, None]
    with pytest.raises(DataError, match="Received the splits 'train', 'other'. Expected train"):
        load({"train": two[0], "other": two[1]})
    with pytest.raises(SettingsError, match="arrays have no paths"):
        load(tmp_path / "disks.npz", groups="p")


def test_pictures_of_any_size_become_squares(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "disks")
    for kind in ("images", "masks"):
        with Image.open(folder / kind / "p0.png") as image:
            image.resize((64, 50), Image.Resampling.NEAREST).save(folder / kind / "p0.png")
    dataset = load(folder)
    assert dataset.image_size == 32 and dataset.skipped == ()
    assert read(folder, side=64).masks["train"].shape == (24, 64, 64, 1)


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "disks")
    Image.new("L", (20, 32)).save(folder / "masks" / "p0.png")
    (folder / "images" / "p1.png").write_bytes(b"no picture")
    (folder / "masks" / "p2.png").unlink()
    reasons = {one.path: one.reason for one in load(folder).skipped}
    assert reasons["masks/p0.png"] == "is of 20 x 32 px, and its picture of 32 x 32 px"
    assert reasons["images/p2.png"] == "has no mask of its name in masks/"
    assert len(reasons) == 3 and "images/p1.png" in reasons


def test_patients_stay_together(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "disks")
    dataset = load(folder, groups=r"p(\d)")
    assert any("groups by the expression" in note for note in dataset.notes)
    assert load(folder, sampling=Sampling(12)).max_examples == 12


def test_masks_without_any_class_teach_nothing() -> None:
    pictures, masks = disks(12)
    with pytest.raises(DataError, match="one value only: 0"):
        load((pictures, 0 * masks))
    with pytest.raises(DataError, match="has any class"):
        load({"train": (pictures, 0 * masks), "test": (pictures, masks)})


def test_another_process_reads_the_same(tmp_path: Path) -> None:
    dataset = small_dataset()
    dataset.write(tmp_path / "work")
    again = ImageDataset.read(tmp_path / "work")
    assert again.output == dataset.output and (again.train.labels == dataset.train.labels).all()
