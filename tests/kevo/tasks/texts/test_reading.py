"""Texts in tables, folders and arrays, hostile ones among them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kevo.errors import DataError
from kevo.tasks.tables.reading import Limits
from kevo.tasks.texts import reading
from kevo.tasks.texts.reading import Found, drop_missing, is_of_arrays, read, texts_of
from tests.support.texts import reviews, write_csv

TEXTS = ["a fine film it is", "a dull film it is", "the very best of all", "the very worst of all"]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_a_table(tmp_path: Path) -> None:
    found = read(write_csv(tmp_path / "my reviews.csv", 30))
    texts, kinds, _ = reviews(30)
    assert (found.name, found.text, found.target) == ("my_reviews", "review", "kind")
    assert found.splits == {"train": Found(texts, kinds)}
    assert "To be predicted is the column 'kind'; name another with --target." in found.notes
    assert "Only the texts are learned from, not 'id'." in found.notes


def test_columns_may_be_named(tmp_path: Path) -> None:
    rows = "\n".join(f"{text}\t{text} indeed\t{n % 2}\tg{n}" for n, text in enumerate(TEXTS))
    path = write(tmp_path / "a.tsv", f"title\tbody\tkind\tauthor\n{rows}\n")
    assert read(path, target="kind").text == "body"
    found = read(path, text="title", target="kind", groups="author")
    assert found.splits["train"] == Found(TEXTS, ["0", "1", "0", "1"], ["g0", "g1", "g2", "g3"])
    for options, words in (
        ({"target": "stars"}, "no column 'stars' beside its texts"),
        ({"target": "kind", "groups": "writer"}, "no column 'writer'"),
        ({"text": "summary"}, "no column 'summary'. Expected one of: 'title'"),
        ({"text": "body", "target": "body"}, "no column 'body' beside its texts"),
    ):
        with pytest.raises(DataError, match=words):
            read(path, **options)


def test_the_target_must_be_clear(tmp_path: Path) -> None:
    rows = "\n".join(f"{text},{n % 2},{n // 2}" for n, text in enumerate(TEXTS))
    with pytest.raises(DataError, match="Which column of .* is to be predicted from 'body'"):
        read(write(tmp_path / "a.csv", f"body,kind,other\n{rows}\n"))
    with pytest.raises(DataError, match="none: it has only texts"):
        read(write(tmp_path / "b.csv", "body\n" + "\n".join(TEXTS)))


def test_a_usual_name_is_the_target(tmp_path: Path) -> None:
    rows = "\n".join(f"{text},{n % 2},{n}" for n, text in enumerate(TEXTS))
    assert read(write(tmp_path / "a.csv", f"text,Label,length\n{rows}\n")).target == "Label"


def test_json_lines(tmp_path: Path) -> None:
    lines = [f'{{"text": "{text}", "label": {n % 2}, "odd": null}}' for n, text in enumerate(TEXTS)]
    found = read(write(tmp_path / "a.jsonl", "\n\n".join(lines)), target="label")
    assert found.splits["train"] == Found(TEXTS, ["0", "1", "0", "1"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"text": "a"}\n{"text": ', "Line 2 of .* is no JSON"),
        ("[1, 2]", "no object of plain values"),
        ('{"text": ["a"]}', "no object of plain values"),
        ('{"text": "a\0"}', "NUL characters"),
        ("\n", "is empty"),
        ("{}", "is empty"),
    ],
)
def test_lines_that_are_no_rows(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(write(tmp_path / "a.jsonl", content))


def test_a_table_without_texts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column of texts.*--task tables"):
        read(write(tmp_path / "a.csv", "a,b\n1,2\n3,4\n"))


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for number, text in enumerate(TEXTS):
        write(tmp_path / "data" / ("pos" if number % 2 else "neg") / f"{number}.txt", text)
    write(tmp_path / "data" / "neg" / "notes.md", "no text to learn from")
    write(tmp_path / "data" / "loose.txt", "left out")
    (tmp_path / "data" / "neg" / "bad.txt").write_bytes(b"\0\1\2")
    (tmp_path / "data" / "pos" / "latin.txt").write_bytes(b"caf\xe9")
    found = read(tmp_path / "data")
    assert found.splits["train"] == Found([TEXTS[0], TEXTS[2], TEXTS[1], TEXTS[3], "café"], ["neg"] * 2 + ["pos"] * 3)
    assert [(one.path, one.reason) for one in found.skipped] == [("neg/bad.txt", "is no text: it holds NUL characters")]
    assert any("left out: 'loose.txt'" in note for note in found.notes)
    assert any("read as Windows-1252: 'pos/latin.txt'" in note for note in found.notes)


def test_folders_of_splits(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for kind in ("a", "b"):
            write(tmp_path / split / kind / "1.txt", f"{split} {kind}")
    found = read(tmp_path).splits
    assert list(found) == ["test", "train", "validation"]
    assert found["validation"] == Found(["val a", "val b"], ["a", "b"])


def test_a_file_for_each_class(tmp_path: Path) -> None:
    # Only a line feed ends a text.
    (tmp_path / "r.neg").write_bytes(b"a dull\x85 film\x0c here\r\n\nno\n")
    (tmp_path / "r.pos").write_bytes(b"yes\nvery much\n so")
    found = read(tmp_path)
    assert found.splits["train"].texts == ["a dull… film\x0c here", "no", "yes", "very much", " so"]
    assert found.splits["train"].answers == ["neg"] * 2 + ["pos"] * 3
    assert "Each line of a file is a text, and the files are the classes: 'neg', 'pos'." in found.notes


def test_folders_without_texts(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="There are no texts in"):
        read(tmp_path)
    with pytest.raises(DataError, match="Cannot read texts from .*nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match="Groups of texts are a column of a table"):
        read(tmp_path, groups="author")


def test_long_texts_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_LETTERS", 5)
    write(tmp_path / "a" / "1.txt", "123456789")
    found = read(tmp_path)
    assert found.splits["train"].texts == ["12345"]
    assert any("Of 1 texts only the first 5 letters are read" in note for note in found.notes)


def test_too_many_bytes_are_refused(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "a" / f"{number}.txt", "x" * 10)
    with pytest.raises(DataError, match="too many: more than 15 bytes"):
        read(tmp_path, limits=Limits(max_bytes=15))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ((TEXTS, [0, 1, 0, 1]), True),
        ((np.array(TEXTS), np.arange(4)), True),
        ((np.array(TEXTS, object), np.arange(4)), True),
        ({"train": (TEXTS, [0, 1, 0, 1])}, True),
        ((np.zeros((4, 2)), np.arange(4)), False),
        (([1, 2], [0, 1]), False),
        (("ab", "cd"), False),
        (([], []), False),
        (None, False),
    ],
)
def test_arrays_of_texts(data: Any, expected: bool) -> None:
    assert is_of_arrays(data) is expected


def test_arrays() -> None:
    found = read({"train": (TEXTS, [0.0, 1.0, 0.0, 1.0]), "val": (TEXTS[:1], [["x"]])})
    assert found.splits["train"].answers == ["0", "1", "0", "1"]
    assert found.splits["validation"] == Found(TEXTS[:1], ["x"])
    for data, words in (
        ((TEXTS, [1, 2]), "answers of shape"),
        ((TEXTS,), "Cannot read texts from tuple"),
        ({"test": (TEXTS, [1] * 4)}, "Expected train"),
        (([1, 2], [1, 2]), "Received list for texts"),
    ):
        with pytest.raises(DataError, match=words):
            read(data)


def test_a_missing_text_is_empty_and_left_out() -> None:
    assert texts_of([None, "a", "\ud800"]) == ["", "a", "?"]
    found = read((["a film", None, " ", "NA", "b"], [1, 2, 3, 4, 5]))
    drop_missing(found)
    assert found.splits["train"] == Found(["a film", "b"], ["1", "5"])
    assert found.notes == ["3 of 5 train rows have no text and are left out."]
