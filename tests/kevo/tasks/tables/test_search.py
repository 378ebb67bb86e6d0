"""Whole searches, from a CSV file to a model that takes its raw columns."""

import csv
import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sklearn.datasets import load_breast_cancer, load_wine

import kevo
from kevo.errors import SettingsError
from kevo.result import SearchResult
from kevo.runs import layout
from kevo.tasks.outputs import reference
from kevo.tasks.tables import contract, importance
from kevo.tasks.tables.predictor import TablePredictor
from tests.support.searches import Diary
from tests.support.stranger import Stranger

SETTINGS = kevo.Settings(
    options={"target": "kind"}, max_trials=2, epochs=8, num_finalists=1, population=2, space="small", workers=0
)
LOADERS = {"breast_cancer": load_breast_cancer, "wine": load_wine}


class Search(NamedTuple):
    """A search that has ended, its CSV file, and what it said."""

    data: Path
    result: SearchResult
    notes: list[str]


def write_csv(path: Path, data: Any) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "kind"])
        for row, label in zip(data.data.tolist(), data.target, strict=True):
            writer.writerow([*row, data.target_names[label]])
    return path


@pytest.fixture(scope="module", params=["breast_cancer", pytest.param("wine", marks=pytest.mark.long)])
def search(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Search:
    folder = tmp_path_factory.mktemp(request.param)
    path, diary = write_csv(folder / f"{request.param}.csv", LOADERS[request.param]()), Diary()
    return Search(path, kevo.search(path, SETTINGS, out=folder / "run", listener=diary), diary.notes)


def test_a_search_finds_a_good_network(search: Search) -> None:
    assert search.result.test.accuracy > 0.85
    assert search.result.validation.accuracy > 0.85
    assert search.notes[0].startswith(f"{search.data.stem}: ")
    assert any(note.startswith("HistGradientBoosting has accuracy") for note in search.notes)
    assert not any(note.startswith("No model card") for note in search.notes)


def test_the_model_takes_the_raw_columns_of_the_file(search: Search, stranger: Stranger, tmp_path: Path) -> None:
    # The lines of the model card, where nothing of kevo is to be had.
    card = (search.result.run_folder / layout.MODEL_CARD).read_text(encoding="utf-8")
    script = card.partition("```python\n")[2].partition("```")[0]
    for name in (layout.MODEL, layout.TASK):
        (tmp_path / name).write_bytes((search.result.run_folder / name).read_bytes())
    (tmp_path / "new.csv").write_bytes(search.data.read_bytes())
    printed = stranger.run(script, folder=tmp_path)
    with search.data.open(encoding="utf-8", newline="") as file:
        true = [row["kind"] for row in csv.DictReader(file)]
    answers = [line.rsplit(" ", 1) for line in printed.splitlines()]
    assert len(answers) == len(true)
    hits = sum(label == kind for (label, _), kind in zip(answers, true, strict=True))
    assert hits > 0.85 * len(true)
    # kevo answers the same.
    predicted = list(TablePredictor.open(search.result.run_folder).predict(search.data))
    assert [one.label for one in predicted] == [label for label, _ in answers]
    assert [one.probability for one in predicted] == pytest.approx([float(share) for _, share in answers], abs=1e-5)


def test_what_is_known_beside_the_model_is_in_the_run_folder(search: Search) -> None:
    folder = search.result.run_folder
    known = contract.read(folder)
    assert known.target == "kind"
    assert known.output.names == tuple(search.result.test.support)
    found = importance.read(folder / layout.EXPLANATION)
    assert {one.column for one in found} == {column.name for column in known.columns}
    assert found[0].loss > 0
    trees, linear = reference.read(folder, search.result.kind.parse_scores)
    assert trees.test.num_examples == linear.test.num_examples == search.result.test.num_examples


def test_the_report_tells_of_columns_and_of_the_references(search: Search, tmp_path: Path) -> None:
    path = search.result.report(tmp_path / "report.html")
    html = path.read_text(encoding="utf-8")
    for words in ("Against other models", "Columns that matter", "HistGradientBoosting", "Confusion matrix"):
        assert words in html
    assert importance.read(search.result.run_folder / layout.EXPLANATION)[0].column in html


@pytest.mark.parametrize("search", ["breast_cancer"], indirect=True)
def test_a_search_may_be_taken_up_again(search: Search) -> None:
    again = kevo.resume(search.result.run_folder)
    assert again.test == search.result.test
    assert again.genome == search.result.genome


@pytest.mark.parametrize("search", ["breast_cancer"], indirect=True)
def test_the_same_seed_finds_the_same(search: Search, tmp_path: Path) -> None:
    again = kevo.search(search.data, SETTINGS, out=tmp_path / "run")
    assert (again.genome, again.validation, again.test) == (
        search.result.genome,
        search.result.validation,
        search.result.test,
    )


@pytest.mark.long
def test_a_search_whose_weights_evolve(tmp_path: Path) -> None:
    short = dataclasses.replace(SETTINGS, max_trials=1, epochs=5, final_epochs=5)
    data = write_csv(tmp_path / "wine.csv", load_wine())
    result = kevo.search(data, dataclasses.replace(short, space="evolved"), out=tmp_path / "run")
    assert result.words.startswith("dense ") and "evolution" in result.words
    assert result.test.accuracy > 0.8
    wide = {"num_layers": [1], "units": [2000], "optimizers": ["evolution"]}
    settings = kevo.Settings.from_json({**short.to_json(), "task": "tables", "space": wide})
    with pytest.raises(SettingsError, match="At most 5,000 weights can be evolved. The smallest network"):
        kevo.search(data, settings, out=tmp_path / "none")
