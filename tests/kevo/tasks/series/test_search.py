"""A whole search by the command, from a file of a series to a model that forecasts what follows it."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner

import kevo
from kevo.cli import main
from kevo.errors import DataError, SettingsError
from kevo.result import SearchResult
from kevo.runs import layout
from kevo.tasks.outputs import reference
from kevo.tasks.series.predictor import SeriesPredictor
from tests.support.searches import Diary
from tests.support.series import quarters, values, write_csv
from tests.support.stranger import Stranger

SETTINGS = kevo.Settings(
    task="series",
    options={"target": "sales"},
    max_trials=3,
    epochs=3,
    num_finalists=1,
    population=2,
    space="small",
    workers=0,
)


class Search(NamedTuple):
    """A search that has ended, its data, and what it said."""

    data: Path
    result: SearchResult
    notes: list[str]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    folder = tmp_path_factory.mktemp("series")
    path, diary = write_csv(folder / "shop.csv"), Diary()
    return Search(path, kevo.search(path, SETTINGS, out=folder / "run", listener=diary), diary.notes)


def test_a_search_is_better_than_the_season_before(search: Search) -> None:
    result = search.result
    assert result.kind.name == "series"
    found = {one.name: one for one in reference.read(result.run_folder, result.kind.parse_scores)}
    assert list(found) == ["Linear autoregression", "Last value", "Seasonal last value"]
    assert result.test.value("mase") < found["Seasonal last value"].test.mase < found["Last value"].test.mase
    assert search.notes[0].startswith("shop: 120 steps of 3 months")
    for words in ("Times are in 'quarter'", "'sales' repeats after 4 steps", "Divided by time", "Last value has MASE"):
        assert any(note.startswith(words) for note in search.notes), words
    assert not any(note.startswith("No model card") for note in search.notes)


def test_the_model_takes_windows_by_the_lines_of_its_card(search: Search, stranger: Stranger, tmp_path: Path) -> None:
    card = (search.result.run_folder / layout.MODEL_CARD).read_text(encoding="utf-8")
    script = card.partition("```python\n")[2].partition("```")[0]
    for name in (layout.MODEL, layout.TASK):
        (tmp_path / name).write_bytes((search.result.run_folder / name).read_bytes())
    (tmp_path / "past.csv").write_bytes(search.data.read_bytes())
    printed = [float(line) for line in stranger.run(script, folder=tmp_path).split()]
    expected = [one.to_json()["value"] for one in SeriesPredictor.open(search.result.run_folder).predict(search.data)]
    assert printed == pytest.approx(expected, rel=1e-4) and len(printed) == 4


def test_what_follows_is_forecast_with_its_times(search: Search, tmp_path: Path) -> None:
    predictor = SeriesPredictor.open(search.result.run_folder)
    past = write_csv(tmp_path / "past.csv", 100)
    found = [one.to_json() for one in predictor.predict([past])]
    assert [one["time"] for one in found] == quarters(104)[-4:]
    assert all(one["path"] == str(past) for one in found)
    errors = np.array([one["value"] for one in found]) - values(120)[100:104]
    assert abs(errors).max() < 8
    skipped = []
    short = write_csv(tmp_path / "short.csv", 10)
    assert not list(predictor.predict([short], skip=skipped.append))
    assert "short has 10 steps. Expected the 24 before the forecast at least" in skipped[0].reason
    months = tmp_path / "months.csv"
    months.write_text("month,sales,visitors\n" + "".join(f"2020-{place:02d},{place},1.5\n" for place in range(1, 13)))
    with pytest.raises(DataError, match="lacks 'quarter'|no column 'quarter'"):
        list(predictor.predict(months))
    months.write_text(months.read_text().replace("month,", "quarter,"))
    with pytest.raises(DataError, match="months has steps of 1 month, and the model has learned steps of 3 months"):
        list(predictor.predict(months))
    with pytest.raises(SettingsError, match="takes a series"):
        list(predictor.predict([past], grad_cam=tmp_path))


def test_the_scores_are_found_again(search: Search, tmp_path: Path) -> None:
    predictor = SeriesPredictor.open(search.result.run_folder)
    scored = predictor.evaluate(search.data)
    assert scored.to_json()["mase"] == pytest.approx(search.result.test.value("mase"))
    assert predictor.evaluate(search.data, split="validation").is_familiar
    others = write_csv(tmp_path / "others.csv", 60, seed=3)
    scored = predictor.evaluate(others)
    assert scored.split == "all" and scored.scores.num_examples == 60 - 24 - 4 + 1 and not scored.is_familiar
    with pytest.raises(DataError, match="others has no test split"):
        predictor.evaluate(others, split="test")
    with pytest.raises(DataError, match="is followed by 4 known values"):
        predictor.evaluate(write_csv(tmp_path / "short.csv", 25))


def test_the_report_shows_the_forecast_and_the_references(search: Search, tmp_path: Path) -> None:
    html = search.result.report(tmp_path / "report.html").read_text(encoding="utf-8")
    for said in (
        "Against other models",
        "Seasonal last value",
        "Forecast and true values",
        "Errors by step ahead",
        "Forecasts from the last window",
        "2019-10-01",
        "Divided by time",
    ):
        assert said in html, said
    card = (search.result.run_folder / layout.MODEL_CARD).read_text(encoding="utf-8")
    assert "divided by time" in card and "by chance out of" not in card
    assert "MASE" in card and "Linear autoregression" in card and "1996-01-01 to 2009-04-01" in card


def test_a_search_may_be_taken_up_again(search: Search) -> None:
    again = kevo.resume(search.result.run_folder)
    assert (again.test, again.genome) == (search.result.test, search.result.genome)


def test_commands(search: Search, tmp_path: Path) -> None:
    run, data = str(search.result.run_folder), str(search.data)
    predicted = CliRunner().invoke(main, ["predict", run, data])
    assert predicted.exit_code == 0 and [line[:10] for line in predicted.stdout.splitlines()] == quarters(124)[-4:]
    predicted = CliRunner().invoke(main, ["predict", run, data, "--json"])
    assert json.loads(predicted.stdout.splitlines()[0])["time"] == "2020-01-01"
    assert CliRunner().invoke(main, ["predict", run, data, "--csv", str(tmp_path / "next.csv")]).exit_code == 0
    with (tmp_path / "next.csv").open(encoding="utf-8") as file:
        assert [list(row) for row in csv.DictReader(file)] == [["path", "time", "value"]] * 4
    other = str(tmp_path / "other")
    arguments = ["--task", "series", "--target", "sales", "--max-trials", "1", "--epochs", "1", "--workers", "0"]
    done = CliRunner().invoke(main, ["search", data, *arguments, "--space", "small", "--out", other, "--json"])
    assert done.exit_code == 0, done.output
    for arguments, code, words in (
        (["evaluate", run, data, "--confusion", str(tmp_path / "forecast.png")], 0, "MASE  "),
        (["compare", run, other], 0, "test MASE"),
        (["export", run, "--format", "onnx"], 1, "written in no other format yet"),
        (["search", data, "--task", "series", "--folds", "3"], 2, "Leave --folds out"),
        (["search", data, "--task", "series", "--horizon", "soon"], 2, "--horizon must be a number of steps"),
        (["search", data, "--target", "sales", "--horizon", "3"], 2, "--task series"),
    ):
        done = CliRunner().invoke(main, arguments)
        assert (done.exit_code, words in done.output) == (code, True), done.output
    assert (tmp_path / "forecast.png").stat().st_size > 1000
