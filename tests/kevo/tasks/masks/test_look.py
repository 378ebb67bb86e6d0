"""A look into an uploaded zip of pictures and masks."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError
from kevo.tasks.masks import look as looking
from tests.support.masks import write_folder


def zipped(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


def test_splits_classes_and_shares_are_told(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "disks", 5, splits=("train", "test"))
    (folder / "train/masks/p0.png").write_bytes(b"no picture")
    Image.new("L", (32, 32)).save(folder / "test/masks/p1.png")
    (folder / "test/images/alone.png").write_bytes((folder / "test/images/p0.png").read_bytes())
    thumbs = tmp_path / "thumbs"
    thumbs.mkdir()
    found = looking.look(zipped(folder), name="mine.zip", thumbnails=thumbs)
    assert found.sizes == {"train": 5, "test": 5} and found.counts == {"foreground": {"train": 4, "test": 4}}
    assert 0.02 < found.shares["foreground"] < 0.2
    skipped = {one.path.rpartition("/")[2]: one.reason for one in found.skipped}
    assert skipped.keys() == {"alone.png", "p0.png"} and "has no mask" in skipped["alone.png"]
    assert len(found.notes) == 1 and found.notes[0].startswith("The masks hold 0 (background,")
    assert len(found.thumbnails) == 9
    with Image.open(thumbs / found.thumbnails[0][1]) as image:
        assert image.size == (320, 160)
        # Where a disk is, the right half is red; the left half is as the picture is.
        left, right = np.split(np.asarray(image).astype(int), 2, axis=1)
    changed = right[(left != right).any(axis=-1)]
    assert 100 < len(changed) < 160 * 80 and (changed[:, 0] > changed[:, 2] + 40).all()


def test_of_many_masks_some_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_MOST_READ", 4)
    found = looking.look(zipped(write_folder(tmp_path / "disks", 10)), name="mine.zip")
    assert found.sizes == {"train": 10} and found.counts == {"foreground": {"train": 4}} and not found.thumbnails
    assert found.notes[1] == "So far 4 of 10 masks were read; the search reads all."


def test_what_is_refused_names_no_path_of_the_machine(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "disks", 4, white=0)
    with pytest.raises(DataError, match="one value only: 0") as refused:
        looking.look(zipped(folder), name="mine.zip")
    assert str(tmp_path) not in str(refused.value)
    shutil.rmtree(folder / "masks")
    with pytest.raises(DataError, match=r"mine\.zip holds no pictures with masks"):
        looking.look(zipped(folder), name="mine.zip")
