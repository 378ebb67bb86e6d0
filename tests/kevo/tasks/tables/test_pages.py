"""What pages about a search for tables say, and whether the code on them runs."""

import csv
import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kevo
from kevo.report import data
from kevo.report.files import write
from kevo.report.repeating import how_to_repeat
from kevo.result import SearchResult
from kevo.runs import layout, reader
from kevo.runs.folder import Run
from kevo.tasks.outputs import reference
from kevo.tasks.outputs.classes.evaluation import Evaluation, evaluate
from kevo.tasks.outputs.reference import Reference
from kevo.tasks.pages import Known, Paragraph, Section, Table
from kevo.tasks.tables import importance, pages
from kevo.tasks.tables.dataset import TableDataset
from kevo.tasks.tables.importance import Importance
from tests.support.stranger import Stranger
from tests.support.tables import small_dataset

PAGES = pages.PAGES["classification"]


@pytest.fixture
def dataset(tmp_path: Path) -> TableDataset:
    return small_dataset(tmp_path)


@pytest.fixture
def known(dataset: TableDataset, tmp_path: Path) -> Known:
    """A search that has ended, with all its files."""
    run = Run.create(tmp_path / "run", {})
    run.write_json(
        layout.BASELINE, reference.to_json([Reference("Trees", "of a wood", scores(0.8), scores(0.7), seconds=1.0)])
    )
    found = [Importance("color", 0.25, 0.5, 0.01), Importance("noise", -0.01, -0.002, 0.01)]
    (run.path / layout.EXPLANATION).write_text(importance.dumps(found))
    return Known(run_folder=run.path, validation=scores(0.9), test=scores(0.6), dataset=dataset, reason="")


def scores(accuracy: float) -> Evaluation:
    labels = np.arange(10) % 2
    right = np.arange(10) < 10 * accuracy
    probabilities = np.where((labels == 1) == right, 0.9, 0.1)
    return evaluate(np.stack([1 - probabilities, probabilities], axis=1), labels, class_names=["heavy", "light"])


def section(known: Known, key: str) -> Section:
    (found,) = (one for one in PAGES.sections(known) if one.key == key)
    return found


def table(known: Known, key: str) -> tuple[tuple[Any, ...], ...]:
    return next(block.rows for block in section(known, key).blocks if isinstance(block, Table))


def words(known: Known, key: str) -> str:
    return " ".join(block.text for block in section(known, key).blocks if isinstance(block, Paragraph))


def test_boosted_trees_stand_beside_the_network(known: Known) -> None:
    first, second = table(known, "reference")
    assert first[0] == "This network"
    assert (first[1], first[3], second[1], second[3]) == ("90.0%", "60.0%", "80.0%", "70.0%")
    assert second[0] == "Trees"
    assert words(known, "reference").startswith("Trees (of a wood) is ahead on the same test split: accuracy 0.7000")


def test_before_the_end_nobody_sees_test_scores(known: Known) -> None:
    running = dataclasses.replace(known, test=None, validation=None)
    assert table(running, "reference") == (("Trees", "80.0%", table(running, "reference")[0][2], "", ""),)


def test_columns_stand_by_their_importance(known: Known) -> None:
    rows = table(known, "importance")
    assert [row[:4] for row in rows] == [
        ("color", "+0.250", "+0.5", "0.01"),
        ("noise", "-0.010", "-0.002", "0.01"),
    ]
    assert [row[4].value for row in rows] == [1.0, 0.0]


def test_columns_stand_with_their_kinds(known: Known) -> None:
    weight, _, noise = known.dataset.train.numbers.T
    low, high = np.nanmin(weight), np.nanmax(weight)
    assert table(known, "columns") == (
        ("weight", "number", f"{low:g} to {high:g}; some rows have none"),
        ("color", "category", "NA, blue, green, red"),
        ("grade", "number that stands for a category", "1, 2, 3"),
        ("noise", "number", f"{noise.min():g} to {noise.max():g}"),
    )
    assert words(known, "columns").startswith("2 numbers, 1 coded category, 1 category. Left out 'number'")


def test_what_is_missing_is_said(known: Known) -> None:
    for name in (layout.BASELINE, layout.EXPLANATION):
        (known.run_folder / name).unlink()
    without = dataclasses.replace(known, dataset=None, reason="The rows are gone.")
    assert not any(one.key == "reference" for one in PAGES.sections(without))
    assert "measured at the end" in words(without, "importance")
    assert words(without, "columns") == "The rows are gone."


def test_classes_of_different_sizes(known: Known) -> None:
    assert "count the same in training only where the genome says so" in words(known, "balance")


def test_how_to_use(tmp_path: Path) -> None:
    python, commands = PAGES.how_to_use(tmp_path, tmp_path / "best.keras")
    assert f"model = keras.models.load_model({str(tmp_path / 'best.keras')!r})" in python
    assert [command[0] for command in commands] == ["predict", "evaluate"]


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


def test_the_code_on_the_card_predicts_a_row_without_kevo(found: SearchResult, stranger: Stranger) -> None:
    card = (found.run_folder / "model_card.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    (found.run_folder / "new.csv").write_text("deck,length / m,sail\n2,,red\n", encoding="utf-8")
    name, probability = stranger.run(code, folder=found.run_folder).split()
    assert name in ("barge", "ship") and 0.5 <= float(probability) <= 1
    assert "kevo" not in code


def test_the_report_compares_with_other_models_and_counts_rows(found: SearchResult) -> None:
    facts = reader.read(found.run_folder)
    sections = {one.key: one for one in facts.kind.pages().sections(data.read(facts))}
    assert list(sections) == ["reference", "importance", "confusion", "balance", "skipped", "columns"]
    (*_, table) = sections["reference"].blocks
    assert [row[0] for row in table.rows] == ["This network", "HistGradientBoosting", "Logistic regression"]
    page = write(found.run_folder).read_text(encoding="utf-8")
    assert "rows of the test split" in page and "picture" not in page.split("</style>")[1]


def test_the_options_of_the_task_repeat_the_search(found: SearchResult) -> None:
    facts = reader.read(found.run_folder)
    assert facts.search is not None
    command = how_to_repeat(facts)
    assert "--target kind" in command and "--task" not in command
    # The command has no option for genomes to begin with.
    seeded = dataclasses.replace(facts.search, seeds=({"body": "residual"},))
    script = how_to_repeat(dataclasses.replace(facts, search=seeded))
    assert "options={'target': 'kind'}" in script and "task=" not in script


def test_damaged_references_cost_only_their_section(found: SearchResult) -> None:
    path = found.run_folder / "baseline.json"
    content = path.read_text()
    try:
        path.write_text("[]")
        page = write(found.run_folder).read_text(encoding="utf-8")
    finally:
        path.write_text(content)
    assert "Against other models" not in page and "Confusion matrix" in page


def test_a_result_counts_rows(found: SearchResult) -> None:
    assert f"on {found.test.num_examples:,} rows" in repr(found)
