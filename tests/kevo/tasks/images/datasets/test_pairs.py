"""Pictures find their masks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError
from kevo.tasks.images.datasets.pairs import described, find, opened_pairs
from tests.kevo.tasks.images.datasets.test_masks import NUM, blob, pairs, photo, planted


@pytest.mark.parametrize(
    ("image", "mask", "where"),
    [
        ("images/*.jpg", "masks/*.png", "images/ and masks/"),
        ("data/Images/*.jpg", "data/Labels/*.png", "Images/ and Labels/"),
        ("leftImg8bit/ulm_*_leftImg8bit.png", "gtFine/ulm_*_gtFine_labelIds.png", "leftImg8bit/ and gtFine/"),
        ("A/*.png", "B/*.png", "A/ and B/"),
        ("*.png", "*_mask.png", "files such as 0.png and 0_mask.png"),
    ],
)
def test_pairs_are_found_by_names(image: str, mask: str, where: str) -> None:
    found = find(planted(pairs(image, mask)))
    assert found is not None
    assert found.where == where
    names = [(pair.picture.path, pair.mask.path, pair.split) for pair in found.found]
    assert names == [(image.replace("*", str(one)), mask.replace("*", str(one)), None) for one in range(NUM)]


@pytest.mark.parametrize(
    ("image", "mask"),
    [("{}/images/*.png", "{}/masks/*.png"), ("images/{}/*.png", "masks/{}/*.png"), ("{}/*.png", "{}/*_mask.png")],
)
def test_splits_stand_around_pairs_or_inside_of_them(image: str, mask: str) -> None:
    files = {}
    for split in ("train", "val", "test"):
        files |= pairs(image.format(split), mask.format(split))
    found = find(planted(files))
    assert found is not None
    assert [pair.split for pair in found.found].count("validation") == NUM
    assert {pair.split for pair in found.found} == {"train", "validation", "test"}


def test_what_has_no_counterpart_is_told() -> None:
    files = pairs("images/*.png", "masks/*.png") | {"masks/lonely.png": blob()}
    files |= {f"masks_2nd/{number}.png": blob() for number in range(NUM)}
    found = find(planted(files))
    assert found is not None
    assert len(found.found) == NUM and found.where == "images/ and masks/"
    reasons = {one.path: one.reason for one in found.skipped}
    assert reasons == {
        "masks/lonely.png": "has no picture of its name in images/",
        "masks_2nd/": "stands beside images/ and masks/",
    }


@pytest.mark.parametrize(
    "files",
    [
        pairs("with_mask/*.png", "without_mask/*.png", photo()),
        pairs("images/train/*.jpg", "labels/train/*.txt", b"0 0.5 0.5 0.2 0.2"),
        {f"{name}/{number}.png": blob() for name in ("circle", "square") for number in range(NUM)},
    ],
    ids=["classes", "words", "drawings"],
)
def test_other_sources_have_none(files: dict[str, Image.Image | bytes]) -> None:
    assert find(planted(files)) is None


def test_arrays_and_paths(tmp_path: Path) -> None:
    pictures, masks = np.zeros((3, 8, 9, 3), np.uint8), np.zeros((3, 8, 9), np.uint8)
    assert described((pictures, masks)) == "Arrays of pictures and of masks: segmentation"
    assert described({"train": (pictures, masks[..., np.newaxis])}) is not None
    # Masks may be in colors, or have a number for each class.
    assert described((pictures, pictures)) is not None
    deeper = masks[..., np.newaxis, np.newaxis]
    for other in ((pictures, np.zeros(3)), (pictures, masks[:, :4]), (pictures, deeper), tmp_path, "digits", None):
        assert described(other) is None
    with pytest.raises(DataError, match="holds no pictures with masks"), opened_pairs(tmp_path):
        pass
