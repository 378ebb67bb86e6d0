"""Folders of texts, told from folders of pictures."""

from pathlib import Path

import pytest

from kevo.errors import DataError
from kevo.tasks.text_files import class_files, decode, holds_texts, read_bytes


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


LINES = b"one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"pos/1.txt": b"x", "neg/2.txt": b"y"}, True),
        ({"train/pos/1.TXT": b"x"}, True),
        ({"pos/1.txt": b"x", "neg/2.jpg": b"y"}, False),
        ({"cats/1.png": b"x"}, False),
        ({"reviews.neg": LINES, "reviews.pos": LINES, "README": b"about"}, True),
        ({"neg.txt": LINES, "pos.txt": LINES}, True),
        ({"reviews.neg": LINES, "reviews.pos": b"\0\n\n\n"}, False),
        ({"a.neg": LINES, "b.pos": LINES}, False),
        ({".hidden/1.txt": b"x"}, False),
        ({}, False),
    ],
)
def test_which_folders_hold_texts(tmp_path: Path, files: dict[str, bytes], expected: bool) -> None:
    assert holds_texts(write(tmp_path, files)) is expected


def test_files_that_are_classes(tmp_path: Path) -> None:
    write(tmp_path, {"reviews.neg": LINES, "reviews.pos": LINES, "README.md": LINES})
    assert class_files(tmp_path) == {"neg": tmp_path / "reviews.neg", "pos": tmp_path / "reviews.pos"}
    assert class_files(tmp_path / "nowhere") == {}
    (tmp_path / "more").mkdir()
    assert class_files(tmp_path) == {}


def test_what_is_no_unicode_is_read_all_the_same() -> None:
    assert decode("ﬁn".encode("utf-8-sig")) == ("ﬁn", True)
    assert decode(b"wait\x85 \x81") == ("wait… \ufffd", False)
    assert decode("día".encode()[:2]) == ("dÃ", False)
    assert decode("día".encode()[:2], is_cut=True) == ("d", True)


def test_only_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")
    assert read_bytes(tmp_path / "a.txt", 2) == b"ab"
    with pytest.raises(DataError, match="There is no file"):
        read_bytes(tmp_path, 2)
