"""Whole searches for a number, from a CSV file to a model that takes its raw columns."""

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import kevo
from kevo.cli import main
from kevo.errors import ExportError, SettingsError
from kevo.export import export
from kevo.result import SearchResult
from kevo.runs import layout
from kevo.tasks.registry import kind_of
from kevo.tasks.tables.contract import read
from kevo.tasks.tables.predictor import TablePredictor
from kevo.tasks.tables.space import PRESETS
from kevo.tasks.tables.trainer import TableTrainer
from kevo.training.effort import Effort
from kevo.training.loop import Loop
from kevo.training.mean_network import num_networks
from kevo.training.stage import StageSpec
from tests.support.searches import Diary
from tests.support.stranger import Stranger
from tests.support.tables import GENOME

SETTINGS = kevo.Settings(
    options={"target": "price"}, max_trials=2, epochs=15, num_finalists=1, population=2, space="small", workers=0
)


class Search(NamedTuple):
    """A search that has ended, its CSV file, and what it said."""

    data: Path
    result: SearchResult
    notes: list[str]


def write_csv(path: Path, num_rows: int = 300, *, seed: int = 0) -> Path:
    """Writes boats whose price follows from their length and kind; `euros` is the price in another unit."""
    rng = np.random.default_rng(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["boat_id", "length", "kind", "euros", "price"])
        for row in range(num_rows):
            length, kind = rng.normal(10, 3), ["sail", "motor"][int(rng.integers(2))]
            price = 1000 * (length + 5 * (kind == "motor")) + 500 * rng.normal()
            shown = "" if row % 20 == 7 else f"{length:.4f}"
            writer.writerow([7 * row % num_rows, shown, kind, f"{price * 0.9:.5f}", f"{price:.4f}"])
    return path


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    folder = tmp_path_factory.mktemp("boats")
    path, diary = write_csv(folder / "boats.csv"), Diary()
    return Search(path, kevo.search(path, SETTINGS, out=folder / "run", listener=diary), diary.notes)


def test_a_search_decides_for_numbers_and_says_so(search: Search) -> None:
    assert search.result.task == "table-regression"
    assert search.result.test.r2 > 0.5
    words = "holds 300 different numbers: amounts, for regression. Take them for classes with --task classification."
    assert any(words in note for note in search.notes)
    assert any(note.startswith("Ridge regression has R2 0.") for note in search.notes)
    assert "Left out 'euros': its numbers lie on a line with the target's: it repeats the target." in search.notes
    assert not any(note.startswith("No model card") for note in search.notes)
    assert search.result.summary().startswith("test       R2 0.")


def test_the_model_takes_raw_columns_where_kevo_is_not(search: Search, stranger: Stranger, tmp_path: Path) -> None:
    card = (search.result.run_folder / layout.MODEL_CARD).read_text(encoding="utf-8")
    assert "mean absolute error" in card
    script = card.partition("```python\n")[2].partition("```")[0]
    for name in (layout.MODEL, layout.TASK):
        (tmp_path / name).write_bytes((search.result.run_folder / name).read_bytes())
    (tmp_path / "new.csv").write_bytes(write_csv(tmp_path / "others.csv", 40, seed=1).read_bytes())
    answers = [float(line) for line in stranger.run(script, folder=tmp_path).splitlines()]
    predicted = [one.value for one in TablePredictor.open(search.result.run_folder).predict(tmp_path / "new.csv")]
    assert predicted == pytest.approx(answers, rel=1e-5)
    with (tmp_path / "new.csv").open(encoding="utf-8") as file:
        true = [float(row["price"]) for row in csv.DictReader(file)]
    assert np.corrcoef(true, answers)[0, 1] > 0.8
    assert read(search.result.run_folder).output.names == ("price",)


def test_commands(search: Search, tmp_path: Path) -> None:
    run, runner = str(search.result.run_folder), CliRunner()

    def said(*words: str) -> str:
        done = runner.invoke(main, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    first = json.loads(said("predict", run, str(search.data), "--json").splitlines()[0])
    assert set(first) == {"path", "row", "value"}
    assert "R2                   " in said("evaluate", run, str(search.data))
    assert json.loads(said("evaluate", run, str(search.data), "--json"))["r2"] == search.result.test.r2
    assert "test R2" in said("compare", run, run, "--all")
    said("report", run, "--out", str(tmp_path / "report.html"))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    for words in ("Against other models", "Columns that matter", "Predicted and true numbers", "Numbers by split"):
        assert words in html
    assert "R2" in said("status", run)


def test_what_is_missing_is_refused(search: Search) -> None:
    with pytest.raises(ExportError, match="takes the columns of a table, and is written in no other format"):
        export(search.result.run_folder, format="onnx")
    with pytest.raises(SettingsError, match="'accuracy' cannot judge .* Expected one of: r2, mae, rmse"):
        kevo.search(search.data, objective="accuracy", options={"target": "price"})
    with pytest.raises(SettingsError, match="Grad-CAM draws on pictures"):
        next(TablePredictor.open(search.result.run_folder).predict(search.data, grad_cam=Path("x")))


def test_a_search_may_be_taken_up_again(search: Search) -> None:
    again = kevo.resume(search.result.run_folder)
    assert again.test == search.result.test


def test_the_model_may_be_the_mean_of_several_networks(
    search: Search, stranger: Stranger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kevo.engine.budget._NETWORKS_SHARE", 1e6)
    space = dataclasses.replace(PRESETS["small"], num_layers=(1,))
    # After so few epochs more rows teach more, whatever chance says.
    settings = dataclasses.replace(SETTINGS, space=space, max_trials=1, epochs=2, final_epochs=2)
    result = kevo.search(search.data, settings, out=tmp_path / "run")
    assert result.is_refit and result.words.startswith("the mean of 4 networks: dense ")
    model = keras.models.load_model(result.model_path)
    assert num_networks(model) == 4 and model.count_params() == result.num_parameters
    assert "the mean of 4 networks" in (result.run_folder / layout.MODEL_CARD).read_text(encoding="utf-8")
    assert "the mean of 4 networks" in result.report().read_text(encoding="utf-8")
    # Where kevo is not installed it answers the same.
    code = (
        "import keras, tensorflow as tf; model = keras.models.load_model('best.keras'); "
        "print(float(model({'length': tf.constant([[12.0]]), 'kind': tf.constant([['sail']])})[0, 0]))"
    )
    printed = float(stranger.run(code, folder=result.run_folder).splitlines()[-1])
    (tmp_path / "one.csv").write_text("length,kind\n12,sail\n", encoding="utf-8")
    (found,) = TablePredictor.open(result.run_folder).predict(tmp_path / "one.csv")
    assert found.value == pytest.approx(printed, rel=1e-4)


def test_means_are_of_networks_with_layers(search: Search) -> None:
    kind, settings = kind_of("table-regression"), dataclasses.replace(SETTINGS, task="table-regression")
    task = kind.open(kind.load(search.data, settings), settings)
    assert [task.mean_members([{"num_layers": num}]) for num in (0, 1, 3)] == [(), (0, 0, 0), (0, 0, 0)]


@pytest.mark.parametrize(
    ("task", "num_examples"), [("table-regression", None), ("table-regression", 100), ("tables", None)]
)
def test_an_epoch_goes_through_few_rows_several_times(
    task: str, num_examples: int | None, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loop(self: StageSpec, network: Any, inputs: Any, answers: Any, *, seed: int) -> Loop:
        seen.append((self.num_passes, len(answers.targets)))
        return own(self, network, inputs, answers, seed=seed)

    seen: list[tuple[int, int]] = []
    own = StageSpec.loop
    monkeypatch.setattr(StageSpec, "loop", loop)
    target = "kind" if task == "tables" else "price"
    settings = dataclasses.replace(SETTINGS, task=task, options={"target": target})
    dataset = kind_of(task).load(search.data, settings)
    TableTrainer(dataset, settings).train(GENOME, Effort(num_epochs=1, num_examples=num_examples))
    ((num_passes, num),) = seen
    assert num == (num_examples or len(dataset.train))
    assert num_passes == (1 if task == "tables" else math.ceil(1024 / num))
