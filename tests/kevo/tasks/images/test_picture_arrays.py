from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError
from kevo.tasks.images import datasets, picture_arrays
from kevo.tasks.images.datasets.reading import read


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing counts as little of the memory; returns the folder of the cache."""
    monkeypatch.setattr(picture_arrays, "_MEMORY_SHARE", 0.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "kevo"


def mapped(folder: Path) -> list[str]:
    """The files of a folder that this process has mapped into memory."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in lines if f" {folder.resolve()}/" in line]


def test_what_memory_holds_easily_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert picture_arrays.empty((3, 8, 8, 3)).shape == (3, 8, 8, 3)
    assert list(tmp_path.iterdir()) == []
    # A few hundred photographs are more.
    photographs = picture_arrays.empty((300, 224, 224, 3))
    assert len(mapped(tmp_path / "kevo")) == 1 and photographs.shape == (300, 224, 224, 3)


def test_what_is_large_is_on_disk_while_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_arrays, "_MOST_BYTES", 100)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    array = picture_arrays.empty((3, 8, 8, 3))
    assert len(mapped(tmp_path / "kevo")) == 1
    # Where there is none, it is in memory.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    assert picture_arrays.empty(array.shape).shape == array.shape
    assert len(mapped(tmp_path / "kevo")) == 1


def test_what_memory_does_not_hold_is_on_disk_until_nobody_needs_it(no_memory: Path) -> None:
    array = picture_arrays.empty((3, 8, 8, 3))
    array[:] = np.arange(8)[:, None]
    assert len(mapped(no_memory)) == 1
    assert (array[2, 5, :, 1] == np.arange(8)).all()
    assert list(no_memory.iterdir()) == []
    del array
    assert mapped(no_memory) == []


def test_pictures_are_the_same_on_disk(no_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_disk = datasets.load("digits", image_size=16, seed=3)
    assert len(mapped(no_memory)) == 3
    monkeypatch.setattr(picture_arrays, "_MEMORY_SHARE", 1.0)
    in_memory = datasets.load("digits", image_size=16, seed=3)
    for split in ("train", "validation", "test"):
        there, here = getattr(on_disk, split), getattr(in_memory, split)
        np.testing.assert_array_equal(there.pictures, here.pictures)
        np.testing.assert_array_equal(there.labels, here.labels)


def test_arrays_in_a_file_are_never_whole_in_memory(no_memory: Path, tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (60, 12, 12, 3), np.uint8)
    labels = np.arange(60) % 2
    for name, given in (("plain", pictures), ("grey", pictures[..., 0]), ("floats", (pictures / 255).astype("f4"))):
        for save in (np.savez, np.savez_compressed):
            save(tmp_path / f"{name}.npz", x=given, y=labels)
            found = read(tmp_path / f"{name}.npz").pictures["train"]
            expected = np.broadcast_to(given.reshape(60, 12, 12, -1), pictures.shape)
            np.testing.assert_array_equal(found, pictures if name == "floats" else expected)
    with np.load(tmp_path / "plain.npz") as stored, stored.zip.open("x.npy") as file:
        on_disk = picture_arrays.from_npy(file)
    assert on_disk is not None and len(mapped(no_memory)) >= 1
    np.testing.assert_array_equal(on_disk, pictures)


def test_a_picture_that_is_skipped_brings_the_others_into_no_memory(no_memory: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(12):
        folder = tmp_path / "pictures" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")
    (tmp_path / "pictures" / "a" / "broken.png").write_bytes(b"no picture")
    found = read(tmp_path / "pictures")
    assert len(found.skipped) == 1 and len(found.pictures["train"]) == 12
    assert len(mapped(no_memory)) == 1


def test_splits_that_are_put_together_are_on_disk_too(no_memory: Path) -> None:
    parts = [np.full((2, 8, 8, 3), value, np.uint8) for value in (1, 2)]
    whole = picture_arrays.joined(parts)
    assert len(mapped(no_memory)) == 1 and whole[:, 0, 0, 0].tolist() == [1, 1, 2, 2]


def test_rows_are_taken_in_their_order(no_memory: Path) -> None:
    pictures = np.arange(2500, dtype=np.uint16).astype(np.uint8)[:, None, None, None]
    rows = np.random.default_rng(0).permutation(2500)[:2000].tolist()
    np.testing.assert_array_equal(picture_arrays.taken(pictures, rows), pictures[rows])


def test_what_has_no_room_anywhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"2,000 pictures of 90000 x 90000 px take 48\.6 TB, .* No space left .* Use a"):
        picture_arrays.empty((2000, 90_000, 90_000, 3))
    assert list((tmp_path / "kevo").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(no_memory: Path) -> None:
    no_memory.write_text("in the way")
    with pytest.raises(DataError, match=f"cannot be kept in {no_memory}: File exists"):
        picture_arrays.empty((1, 8, 8, 3))
