"""The searches of the README: what they run, and the table of what they found."""

import csv
import json
from pathlib import Path

import keras
import pytest

from benchmarks.first_searches import __main__ as first_searches
from benchmarks.first_searches.__main__ import Case, Finding, cases, check_without_kevo, table


def finding(title: str, accuracy: float) -> Finding:
    return Finding(title, 0, accuracy, 0.5, 1234, 7, 1, 90.0, "a network", "2 cores")


def test_table_has_what_was_found_in_the_order_of_the_searches() -> None:
    searches = [Case("first", ()), Case("second", ()), Case("third", ())]
    lines = table(searches, [finding("third", 0.25), finding("first", 0.75), finding("gone", 0.1)]).splitlines()
    assert lines[2:] == [
        "| first | 0.750 | 0.500 | 1,234 | 7 + 1 failed | a network |",
        "| third | 0.250 | 0.500 | 1,234 | 7 + 1 failed | a network |",
    ]


@pytest.mark.long
def test_what_a_search_found_is_kept_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme, results = tmp_path / "README.md", tmp_path / "results.jsonl"
    readme.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n")
    quick = ("digits", "--space", "small", "--max-trials", "1", "--epochs", "2", "--workers", "0", "--quiet")
    searches = [Case("quick", quick), Case("without data", ("nowhere",), (tmp_path / "nowhere",))]
    monkeypatch.setattr(first_searches, "README", readme)
    monkeypatch.setattr(first_searches, "cases", lambda data, folder: searches)
    first_searches.main(["--results", str(results), "--write"])
    found = json.loads(results.read_text())
    assert found["title"] == "quick" and found["num_completed"] == 1 and found["accuracy"] > 0.3
    (row,) = readme.read_text().removeprefix(f"before\n<!-- results -->\n{first_searches.HEAD}\n").splitlines()[:-2]
    assert row.startswith(f"| quick | {found['accuracy']:.3f} | ")
    assert readme.read_text().endswith(f"{row}\n<!-- end of results -->\nafter\n")


def test_table_is_a_csv_file_with_its_classes_as_words(tmp_path: Path) -> None:
    arguments = cases(tmp_path, tmp_path)[1].arguments
    assert arguments[1:3] == ("--target", "diagnosis")
    with Path(arguments[0]).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 569 and {row["diagnosis"] for row in rows} == {"malignant", "benign"}


@pytest.mark.long
def test_models_of_tables_load_without_kevo(tmp_path: Path) -> None:
    columns = {name: keras.Input((1,), name=name) for name in ("age", "height")}
    together = keras.layers.Concatenate()(list(columns.values()))
    keras.Model(columns, keras.layers.Dense(3, "softmax")(together)).save(tmp_path / "table.keras")
    check_without_kevo(tmp_path / "table.keras")
