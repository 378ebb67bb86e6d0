"""Which tables are about texts."""

import json
from pathlib import Path

import numpy as np
import pytest

from kevo.tasks.registry import choose
from kevo.tasks.tables.free_text import is_of_texts, num_words, text_columns
from tests.support import tables, texts

REVIEWS = [f"a {word} film about the {word} {number}" for number, word in enumerate(["good", "bad", "long"] * 4)]
KINDS = ["yes", "no"] * 6


def write(path: Path, columns: dict[str, list[str]]) -> Path:
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    path.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"review": REVIEWS, "kind": KINDS}, True),
        ({"id": list(map(str, range(12))), "review": REVIEWS, "kind": KINDS, "language": ["en"] * 12}, True),
        ({"title": [f"{text} again" for text in REVIEWS], "review": REVIEWS, "kind": KINDS}, True),
        ({"review": REVIEWS, "stars": [f"{number / 7:.2f}" for number in range(12)]}, True),
        ({"review": REVIEWS}, True),
        ({"film": [f"film {number}" for number in range(12)], "review": REVIEWS, "kind": KINDS}, True),
        ({"review": REVIEWS, "age": list("345634563456"), "kind": KINDS}, False),
        ({"word": list("abcdefghijkl"), "kind": KINDS}, False),
        ({"review": REVIEWS, "huge": [f"1e4{number:02}" for number in range(12)], "kind": KINDS}, False),
        ({"answer": ["I do not know this"] * 12, "kind": KINDS}, False),
    ],
)
def test_a_table_is_about_texts_if_nothing_else_is_to_be_learned_from(
    tmp_path: Path, columns: dict[str, list[str]], expected: bool
) -> None:
    assert is_of_texts(write(tmp_path / "table.csv", columns)) is expected


def test_what_is_no_table_is_none_of_texts(tmp_path: Path) -> None:
    (tmp_path / "broken.csv").write_bytes(b"a,b\n\xff\n")
    assert not any(map(is_of_texts, [tmp_path / "broken.csv", tmp_path / "none.csv", tmp_path, None, [REVIEWS, KINDS]]))


def test_other_kinds_of_files(tmp_path: Path) -> None:
    lines = [json.dumps({"text": text, "label": kind}) for text, kind in zip(REVIEWS, KINDS, strict=True)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "b.tsv").write_text("\n".join(map("\t".join, zip(REVIEWS, KINDS, strict=True))), encoding="utf-8")
    assert is_of_texts(tmp_path / "a.jsonl") and is_of_texts(tmp_path / "b.tsv")


def test_the_longest_texts_come_first() -> None:
    columns = {"title": [f"the title of film {n}" for n in range(5)], "n": np.arange(5.0), "review": REVIEWS[:5]}
    assert text_columns(columns) == ["review", "title"]


def test_words_are_counted_where_no_spaces_are() -> None:
    assert num_words("这是一部好看的电影") >= 4


@pytest.mark.parametrize(
    ("task", "expected"),
    [("auto", "texts"), ("classification", "texts"), ("regression", "text-regression"), ("tables", "tables")],
)
def test_the_task_is_decided_by_the_file(tmp_path: Path, task: str, expected: str) -> None:
    assert choose(task, texts.write_csv(tmp_path / "reviews.csv", 20), {"target": "kind"})[0].name == expected


def test_a_table_with_other_columns_stays_one(tmp_path: Path) -> None:
    assert choose("auto", tables.write_csv(tmp_path / "things.csv", 20), {"target": "kind"})[0].name == "tables"
