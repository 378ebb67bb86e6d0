"""Whole searches for numbers and for labels of pictures, to a model that takes raw pixels."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

import kevo
from kevo.cli import main
from kevo.errors import SettingsError
from kevo.export import export
from kevo.result import SearchResult
from kevo.runs import layout
from kevo.tasks.images.predictor import PicturePredictor
from tests.support.answers import write_pictures
from tests.support.searches import Diary
from tests.support.stranger import Stranger

SETTINGS: dict[str, Any] = {
    "max_trials": 2,
    "epochs": 12,
    "num_finalists": 1,
    "population": 2,
    "space": "small",
    "workers": 0,
}


class Search(NamedTuple):
    """A search that has ended, its list of pictures, and what it said."""

    data: Path
    result: SearchResult
    notes: list[str]


@pytest.fixture(scope="module", params=["brightness", pytest.param("labels", marks=pytest.mark.long)])
def search(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Search:
    folder = tmp_path_factory.mktemp(request.param)
    path, diary = write_pictures(folder, 160, request.param), Diary()
    result = kevo.search(path, kevo.Settings(**SETTINGS), out=folder / "run", listener=diary)
    return Search(path, result, diary.notes)


def is_of_numbers(search: Search) -> bool:
    return search.result.task == "image-regression"


def test_a_search_decides_by_the_answers_and_says_so(search: Search) -> None:
    words = "holds numbers: regression" if is_of_numbers(search) else "holds labels: several labels at once"
    assert any(words in note and "--task classification" in note for note in search.notes)
    score = search.result.test.r2 if is_of_numbers(search) else search.result.test.average_precision
    assert score > 0.6
    assert not any(note.startswith("No model card") for note in search.notes)


def test_a_linear_model_stands_beside_it(search: Search) -> None:
    name = "Ridge regression" if is_of_numbers(search) else "Logistic regression"
    assert any(note.startswith(f"{name} has ") for note in search.notes)
    assert name in search.result.summary()


def test_the_model_takes_raw_pixels_where_kevo_is_not(search: Search, stranger: Stranger, tmp_path: Path) -> None:
    card = (search.result.run_folder / layout.MODEL_CARD).read_text(encoding="utf-8")
    script = card.partition("```python\n")[2].partition("```")[0].replace("picture.jpg", "picture.png")
    for name in (layout.MODEL, layout.TASK):
        (tmp_path / name).write_bytes((search.result.run_folder / name).read_bytes())
    picture = search.data.parent / "pictures" / "0-0.png"
    (tmp_path / "picture.png").write_bytes(picture.read_bytes())
    printed = stranger.run(script, folder=tmp_path).split()
    (found,) = PicturePredictor.open(search.result.run_folder).predict(picture)
    values = found.to_json()
    if is_of_numbers(search):
        assert float(printed[0]) == pytest.approx(values["value"], rel=1e-4)
    else:
        shown = dict(zip(printed[::2], map(float, printed[1::2]), strict=True))
        assert shown == pytest.approx(values["probabilities"], abs=1e-4)


def test_commands(search: Search, tmp_path: Path) -> None:
    run, runner = str(search.result.run_folder), CliRunner()

    def said(*words: str) -> str:
        done = runner.invoke(main, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    picture = search.data.parent / "pictures" / "0-0.png"
    first = json.loads(said("predict", run, str(picture), "--json"))
    assert set(first) == ({"path", "value"} if is_of_numbers(search) else {"path", "labels", "probabilities"})
    score = "r2" if is_of_numbers(search) else "average_precision"
    scored = json.loads(said("evaluate", run, str(search.data), "--json"))
    assert scored["split"] == "test" and scored[score] == pytest.approx(search.result.test.value(score))
    others = write_pictures(tmp_path, 30, search.data.read_text().partition("\n")[0].removeprefix("path,"), seed=1)
    assert "all pictures: 30 pictures" in said("evaluate", run, str(others))
    name = "R2" if is_of_numbers(search) else "average precision"
    # Longer names are wrapped.
    assert f"test {name.split()[0]}" in said("compare", run, run, "--all")
    said("report", run, "--out", str(tmp_path / "report.html"))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    for words in ("Against other models", "Numbers by split" if is_of_numbers(search) else "F1 by threshold"):
        assert words in html
    assert name.casefold() in said("status", run).casefold()


def test_an_export_answers_the_same(search: Search) -> None:
    found = export(search.result.run_folder, format="savedmodel")
    assert found.difference <= 1e-3
    with pytest.raises(SettingsError, match="Only classifiers are quantized"):
        export(search.result.run_folder, format="tflite", quantize="int8")


def test_what_is_missing_is_refused(search: Search) -> None:
    predictor = PicturePredictor.open(search.result.run_folder)
    with pytest.raises(SettingsError, match="Grad-CAM draws what speaks for one class of several"):
        next(predictor.predict(search.data.parent / "pictures", grad_cam=search.data.parent / "drawings"))


def test_a_search_may_be_taken_up_again(search: Search) -> None:
    assert kevo.resume(search.result.run_folder).test == search.result.test
