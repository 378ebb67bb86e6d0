"""A look into an uploaded file: classes, splits and counts, without decoding its pictures."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError
from kevo.tasks import looking
from kevo.tasks.images.datasets import load
from kevo.tasks.images.datasets.look import Look

CAT = (200, 0, 0)


def picture(color: tuple[int, int, int] = CAT, side: int = 12) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (side, side), color).save(content, "PNG")
    return content.getvalue()


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def looked_at(path: Path, *, name: str, thumbnails: Path | None = None) -> Look:
    found = looking.look(path, name=name, thumbnails=thumbnails)
    assert isinstance(found.look, Look) and found.examples == "pictures"
    return found.look


def test_classes_splits_and_counts_are_told(tmp_path: Path) -> None:
    members = {f"pets/train/cat/{one}.png": picture() for one in range(6)}
    members |= {f"pets/train/dog/{one}.png": picture() for one in range(3)}
    members |= {"pets/test/cat/1.png": picture(), "pets/test/dog/1.png": b"no picture", "pets/notes.txt": b"?"}
    found = looked_at(zipped(tmp_path / "a.zip", members), name="pets.zip", thumbnails=tmp_path)
    assert found.counts == {"cat": {"train": 6, "test": 1}, "dog": {"train": 3, "test": 1}}
    assert ("pets/notes.txt", "stands beside the folders of the splits") in [
        (one.path, one.reason) for one in found.skipped
    ]
    assert [label for label, _ in found.thumbnails] == ["cat"] * 4 + ["dog"] * 3
    with Image.open(tmp_path / found.thumbnails[0][1]) as small:
        assert small.size == (160, 160) and small.getpixel((9, 9)) == CAT


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    members = {"cat/1.png": b"%PDF-1.7", "cat/2.png": picture(), "dog/1.png": picture()}
    found = looked_at(zipped(tmp_path / "a.zip", members), name="a.zip", thumbnails=tmp_path)
    assert [(one.path, one.reason) for one in found.skipped] == [("cat/1.png", "is a PDF: convert it to JPEG or PNG")]
    assert looked_at(tmp_path / "a.zip", name="a.zip").thumbnails == ()


def test_arrays_are_counted(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "a.npz", x=pixels, y=[0, 1, 0, 1, 0, 0, 1], class_names=["cat", "dog"])
    found = looked_at(tmp_path / "a.npz", name="a.npz", thumbnails=tmp_path)
    assert found.counts == {"cat": {"train": 4}, "dog": {"train": 3}} and len(found.thumbnails) == 7
    assert load(tmp_path / "a.npz").class_names == tuple(found.counts)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"../cat/1.png": b"", "dog/1.png": b""}, "lies outside of its folder"),
        ({"cat/1.png": b""}, "at least two classes"),
        ({"1.png": b""}, "has no class folders"),
        ({"test/cat/1.png": b"", "test/dog/1.png": b""}, "stand without a train/ folder"),
        ({"train/cat/1.png": b"", "train/dog/1.png": b"", "test/owl/1.png": b"", "test/cat/1.png": b""}, "'owl'"),
    ],
)
def test_what_is_refused_names_no_path_of_the_machine(tmp_path: Path, members: dict[str, bytes], words: str) -> None:
    path = zipped(tmp_path / "a.zip", members)
    with pytest.raises(DataError, match=words) as refused:
        looking.look(path, name="pets.zip")
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.csv", "names files, which are not sent with it"),
        ("a.zip.csv", "names files, which are not sent with it"),
        ("a.keras", "cannot be uploaded"),
        ("a", "cannot be uploaded"),
    ],
)
def test_only_files_that_name_no_others_are_looked_into(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_text("path,label\n/etc/passwd,x\n")
    with pytest.raises(DataError, match=words):
        looking.look(tmp_path / name, name=name)
