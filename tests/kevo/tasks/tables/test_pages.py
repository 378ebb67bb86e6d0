"""What pages about a search for tables say, and whether the code on them runs."""

import csv
import dataclasses
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import kevo
from kevo.report import data
from kevo.report.files import write
from kevo.report.repeating import how_to_repeat
from kevo.result import SearchResult
from kevo.runs import reader


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A short search of a table with numbers, gaps, codes and texts."""
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    with (folder / "boats.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["length / m", "deck", "sail", "kind"])
        for number in range(150):
            kind = number % 2
            length = "" if number % 9 == 0 else f"{10 * kind + rng.normal(5, 1):.2f}"
            writer.writerow([length, 1 + number % 3, ["red", "white"][(number + kind) % 2], ["barge", "ship"][kind]])
    settings = kevo.Settings(max_trials=1, epochs=3, num_finalists=1, workers=0, options={"target": "kind"})
    return kevo.search(folder / "boats.csv", settings, out=folder / "run")


def test_the_code_on_the_card_predicts_a_row_without_kevo(found: SearchResult) -> None:
    card = (found.run_folder / "model_card.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    (found.run_folder / "new.csv").write_text("deck,length / m,sail\n2,,red\n", encoding="utf-8")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=found.run_folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    name, probability = done.stdout.split()
    assert name in ("barge", "ship") and 0.5 <= float(probability) <= 1
    assert "kevo" not in code


def test_the_report_compares_with_boosted_trees_and_counts_rows(found: SearchResult) -> None:
    facts = reader.read(found.run_folder)
    sections = {one.key: one for one in facts.kind.pages().sections(data.read(facts))}
    assert list(sections) == ["reference", "confusion", "balance", "skipped"]
    (_, table) = sections["reference"].blocks
    assert [row[0] for row in table.rows] == ["This network", "HistGradientBoosting"]
    page = write(found.run_folder).read_text(encoding="utf-8")
    assert "rows that played no part in the search" in page and "picture" not in page.split("</style>")[1]


def test_the_options_of_the_task_repeat_the_search(found: SearchResult) -> None:
    facts = reader.read(found.run_folder)
    assert facts.search is not None
    # In Python, since the command has no option for the number of finalists; then as a command.
    assert "options={'target': 'kind'}" in how_to_repeat(facts) and "task=" not in how_to_repeat(facts)
    command = how_to_repeat(dataclasses.replace(facts, search=dataclasses.replace(facts.search, num_finalists=3)))
    assert "--target kind" in command and "--task" not in command


def test_a_damaged_baseline_costs_only_its_section(found: SearchResult) -> None:
    path = found.run_folder / "baseline.json"
    content = path.read_text()
    try:
        path.write_text("[]")
        page = write(found.run_folder).read_text(encoding="utf-8")
    finally:
        path.write_text(content)
    assert "does not tell how good another kind of model is" in page and "Confusion matrix" in page


def test_a_result_counts_rows(found: SearchResult) -> None:
    assert f"on {found.test.num_examples:,} rows" in repr(found)
