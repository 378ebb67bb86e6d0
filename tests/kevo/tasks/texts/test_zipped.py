"""Texts in zip archives."""

import zipfile
from pathlib import Path

import pytest

import kevo
from kevo.errors import DataError
from kevo.tasks.registry import choose
from kevo.tasks.texts import reading
from kevo.tasks.texts.reading import Found
from kevo.tasks.texts.zipped import unpacked
from tests.support.texts import reviews, write_csv


def pack(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def class_folders(root: str = "", num: int = 20) -> dict[str, str | bytes]:
    texts, kinds, _ = reviews(num)
    return {f"{root}{kind}/{place}.txt": text for place, (text, kind) in enumerate(zip(texts, kinds, strict=True))}


@pytest.mark.parametrize("root", ["", "corpus/", "a/b/"])
def test_class_folders(tmp_path: Path, root: str) -> None:
    litter: dict[str, str | bytes] = {"__MACOSX/good/._1.txt": b"\0\1", ".DS_Store": b"\0"}
    path = pack(tmp_path / "my reviews.zip", class_folders(root) | litter)
    kind, note = choose("auto", path, {})
    assert (kind.name, note) == ("texts", "")
    found = reading.read(path)
    texts, kinds, _ = reviews(20)
    assert found.name == "my_reviews"
    assert sorted(zip(found.splits["train"].texts, found.splits["train"].answers, strict=True)) == sorted(
        zip(texts, kinds, strict=True)
    )
    assert kind.source(path) == str(path)
    assert kind.load(path, kevo.Settings(task="texts")).class_names == tuple(sorted(set(kinds)))


def test_splits(tmp_path: Path) -> None:
    members: dict[str, str | bytes] = {f"{split}/{kind}/1.txt": split for split in ("train", "test") for kind in "ab"}
    found = reading.read(pack(tmp_path / "a.zip", members))
    assert found.splits == {
        "test": Found(["test", "test"], ["a", "b"]),
        "train": Found(["train", "train"], ["a", "b"]),
    }


def test_one_table(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "reviews.csv", 30)
    path = pack(tmp_path / "packed.zip", {"data/reviews.csv": table.read_bytes()})
    assert choose("auto", path, {})[0].name == "texts"
    found, plain = reading.read(path), reading.read(table)
    assert (found.name, found.text, found.target, found.splits) == ("packed", "review", "kind", plain.splits)


def test_one_table_with_amounts(tmp_path: Path) -> None:
    texts, _, stars = reviews(30)
    rows = "\n".join(f"{text},{one}" for text, one in zip(texts, stars, strict=True))
    path = pack(tmp_path / "a.zip", {"a.csv": f"review,stars\n{rows}\n"})
    assert choose("auto", path, {})[0].name == "text-regression"


def test_what_holds_pictures_is_no_archive_of_texts(tmp_path: Path) -> None:
    members: dict[str, str | bytes] = {"a/1.png": b"", "b/1.png": b"", "a/readme.txt": "of pictures"}
    assert choose("auto", pack(tmp_path / "a.zip", members), {})[0].inputs == "images"
    assert choose("auto", pack(tmp_path / "b.zip", {"a/1.md": ""}), {})[0].inputs == "images"


def test_a_table_without_texts_is_learned_from_as_a_table(tmp_path: Path) -> None:
    rows = "\n".join(f"{number / 7},{number % 2}" for number in range(40))
    path = pack(tmp_path / "a.zip", {"numbers.csv": f"size,kind\n{rows}\n"})
    assert choose("auto", path, {"target": "kind"})[0].name == "tables"
    assert choose("auto", path, {"target": "size"})[0].name == "table-regression"


def test_errors_name_the_archive(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"numbers.csv": "a,b\n1,2\n3,4\n"})
    with pytest.raises(DataError, match=r"a\.zip has no column of texts") as raised:
        reading.read(path)
    assert "kevo-texts-" not in str(raised.value)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a/1.txt": "one", "../b.txt": "two"}, "lies outside of its folder"),
        ({"a/1.txt": "one", "/b/1.txt": "two"}, "lies outside of its folder"),
        ({"a": "one", "a/1.txt": "two"}, "Cannot unpack 'a/1.txt'"),
        ({"a/1.txt": "one" * 50}, "At most 100 bytes are allowed"),
    ],
)
def test_what_is_refused(tmp_path: Path, members: dict[str, str | bytes], words: str) -> None:
    path = pack(tmp_path / "a.zip", members)
    with pytest.raises(DataError, match=words), unpacked(path, max_bytes=100):
        raise AssertionError
    assert [one.name for one in tmp_path.iterdir()] == ["a.zip"]


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("no archive")
    with pytest.raises(DataError, match="as a zip archive"):
        reading.read(tmp_path / "a.zip")
