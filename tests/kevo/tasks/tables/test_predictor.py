"""A saved model in use."""

import dataclasses
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import kevo
from kevo.errors import DataError, ModelError, SettingsError
from kevo.runs import layout
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.tables import contract
from kevo.tasks.tables.contract import Contract
from kevo.tasks.tables.dataset import TableDataset
from kevo.tasks.tables.encoding import PLAIN, Features
from kevo.tasks.tables.networks import deployable, network
from kevo.tasks.tables.predictor import TablePredictor
from kevo.tasks.tables.preparing import forward, prepare, preprocessing
from kevo.tasks.tables.reading import Limits
from tests.support.outputs import classes
from tests.support.tables import GENOME, small_dataset, write_csv


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and what it takes."""
    folder = tmp_path_factory.mktemp("run")
    dataset = small_dataset(folder)
    prepares = preprocessing(dataset, PLAIN)
    features = prepare(prepares, dataset.columns, dataset.inputs(dataset.train))
    trained = network(GENOME, features=Features(features.shape[1]), output=classes(2))
    deployable(trained, prepares, dataset.columns).save(folder / "best.keras")
    contract.write(Contract.of(dataset), folder)
    return folder


@pytest.fixture(scope="module")
def predictor(home: Path) -> TablePredictor:
    return TablePredictor.open(home)


@pytest.fixture
def dataset(tmp_path: Path) -> TableDataset:
    return small_dataset(tmp_path)


def without(path: Path, *names: str) -> Path:
    """A copy of a CSV file without some columns."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    kept = [place for place, name in enumerate(rows[0]) if name not in names]
    copy = path.with_name("without.csv")
    copy.write_text("\n".join(",".join(row[place] for place in kept) for row in rows))
    return copy


def test_predictions_are_those_of_the_model(predictor: TablePredictor, tmp_path: Path) -> None:
    found = list(predictor.predict(write_csv(tmp_path / "new.csv", 30, seed=1)))
    assert [one.row for one in found] == list(range(1, 31))
    for one in found:
        assert set(one.probabilities) == {"heavy", "light"}
        assert one.probability == max(one.probabilities.values()) == one.probabilities[one.label]
        assert sum(one.probabilities.values()) == pytest.approx(1)
    assert len({one.label for one in found}) == 2


def test_rows_are_predicted_as_in_training(predictor: TablePredictor, dataset: TableDataset, tmp_path: Path) -> None:
    found = predictor.outputs(predictor.read(tmp_path / "things.csv").inputs)
    expected = forward(predictor.model, dataset.inputs(dataset.train))
    assert {tuple(row) for row in np.round(expected, 5)} <= {tuple(row) for row in np.round(found, 5)}


def test_neither_the_target_nor_unused_columns_are_needed(predictor: TablePredictor, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", 30, seed=1)
    copy = without(path, "kind", "number", "name", "constant")
    found, expected = ([one.probabilities for one in predictor.predict(each)] for each in (copy, path))
    assert found == expected
    assert predictor.read(copy).notes == predictor.read(path).notes == []


def test_a_path_to_the_file_itself(home: Path, predictor: TablePredictor, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", 10)
    assert list(TablePredictor.open(str(home / "best.keras")).predict(str(path))) == list(predictor.predict(path))


def test_a_row_is_told_by_its_file_and_place(predictor: TablePredictor, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", 10)
    found = list(predictor.predict(path))[2]
    assert found.name == f"{path} row 3"
    assert found.line() == f"{found.label:<5} {found.probability:.3f}  {path} row 3"
    assert list(found.to_json(top=1)["probabilities"]) == [found.label]
    expected = {"path": str(path), "row": 3, "label": found.label, "probability": found.probability}
    assert found.to_json() == {**expected, "probabilities": found.probabilities}


def test_a_file_that_cannot_be_used_is_stepped_over(predictor: TablePredictor, tmp_path: Path) -> None:
    paths = [write_csv(tmp_path / "first.csv", 10), tmp_path / "absent.csv", write_csv(tmp_path / "last.csv", 5)]
    skipped: list[Skipped] = []
    found = list(predictor.predict(paths, skip=skipped.append))
    assert [one.row for one in found] == [*range(1, 11), *range(1, 6)]
    assert [one.path for one in skipped] == [str(paths[1])]
    assert skipped[0].reason == f"cannot be used: There is no file {paths[1]}. Expected a CSV file"
    with pytest.raises(DataError, match="There is no file"):
        list(predictor.predict(paths))


def test_nothing_is_drawn(predictor: TablePredictor, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Grad-CAM draws on pictures"):
        next(predictor.predict(write_csv(tmp_path / "new.csv", 10), grad_cam=tmp_path / "drawings"))


def test_scores_are_those_of_the_predictions(predictor: TablePredictor, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", 50, seed=1)
    true = [line.split(",")[-1] for line in path.read_text().splitlines()[1:]]
    hits = [one.label == label for one, label in zip(predictor.predict(path), true, strict=True)]
    scored = predictor.evaluate(path)
    assert scored.scores.accuracy == pytest.approx(np.mean(hits))
    assert (scored.data, scored.split, scored.is_familiar, scored.skipped) == ("new", "all", False, ())
    assert next(scored.lines()) == "new, all rows: 50 rows"
    with pytest.raises(DataError, match="new has no test split. Score all its rows with 'all'"):
        predictor.evaluate(path, split="test")


def test_the_table_of_its_own_search_is_divided_as_then(home: Path, tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    settings = kevo.Settings(task="tables", options={"target": "kind"})
    shutil.copytree(home, tmp_path / "run")
    values = {"fingerprint": dataset.fingerprint(), "search": settings.to_json()}
    (tmp_path / "run" / "settings.json").write_text(json.dumps(values))
    predictor = TablePredictor.open(tmp_path / "run")
    for split, is_familiar in ((None, False), ("train", True), ("all", True)):
        scored = predictor.evaluate(tmp_path / "things.csv", split=split)
        assert scored.split == (split or "test") and scored.is_familiar is is_familiar
        expected = 240 if split == "all" else dataset.num_examples(scored.split)
        assert scored.scores.num_examples == expected
    assert predictor.evaluate(write_csv(tmp_path / "other.csv", 50, seed=1)).split == "all"


def test_missing_columns_are_named(predictor: TablePredictor, tmp_path: Path) -> None:
    path = without(write_csv(tmp_path / "new.csv", 10), "color", "noise")
    with pytest.raises(DataError, match="lacks 'color', 'noise'. Expected the columns that the model was trained on"):
        predictor.read(path)


def test_what_is_odd_is_noted(home: Path, predictor: TablePredictor, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("weight,color,grade,noise,more\n1,purple,9,x,1\n,red,1,inf,2\n")
    assert predictor.read(path).notes == [
        "The model does not know the columns 'more': they are not used.",
        "'color' has 1 texts that its training rows lack.",
        "'noise' has 2 values that are no numbers, and count as missing.",
    ]
    notes: list[str] = []
    assert len(list(TablePredictor.open(home, note=notes.append).predict(path))) == 2
    assert notes == predictor.read(path).notes


def test_a_classless_table_cannot_be_scored(predictor: TablePredictor, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'kind'"):
        predictor.evaluate(without(write_csv(tmp_path / "new.csv", 10), "kind"))
    other = tmp_path / "other.csv"
    other.write_text("weight,color,grade,noise,kind\n1,red,1,1,medium\n")
    with pytest.raises(DataError, match="rows of 'medium'. Expected the model's classes: 'heavy', 'light'"):
        predictor.evaluate(other)


def test_rows_may_be_too_many(predictor: TablePredictor, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too large"):
        next(predictor.predict(write_csv(tmp_path / "new.csv", 10), limits=Limits(max_bytes=10)))


def test_arrays_have_no_names_of_the_table(predictor: TablePredictor) -> None:
    with pytest.raises(DataError, match="lacks 'weight', 'color'"):
        next(predictor.predict(np.zeros((3, 4))))


@pytest.mark.parametrize("source", ["rows.parquet", Path("folder")])
def test_only_csv_files_are_read(predictor: TablePredictor, source: str | Path) -> None:
    with pytest.raises(DataError, match="Expected a .csv, .tsv"):
        predictor.read(source)


def test_there_may_be_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no best.keras"):
        TablePredictor.open(tmp_path)
    with pytest.raises(ModelError, match="There is no model"):
        TablePredictor.open(tmp_path / "best.keras")
    (tmp_path / "best.keras").write_text("model")
    with pytest.raises(ModelError, match="is no .keras file"):
        TablePredictor.open(tmp_path / "best.keras")


def test_a_model_that_runs_code_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / layout.TASK).write_bytes((home / layout.TASK).read_bytes())
    x = keras.Input((1,))
    keras.Model(x, keras.layers.Lambda(lambda one: one + 1)(x)).save(tmp_path / "best.keras")
    with pytest.raises(ModelError, match="is refused: it holds code"):
        TablePredictor.open(tmp_path)


def test_the_contract_must_fit_the_model(home: Path, predictor: TablePredictor) -> None:
    takes = predictor.contract
    with pytest.raises(ModelError, match="takes the columns .* Take both from the same search"):
        TablePredictor(predictor.model, dataclasses.replace(takes, columns=takes.columns[1:]))
    with pytest.raises(ModelError, match=r"Expected those of its task.json, 3 classes: \(None, 3\)"):
        TablePredictor(predictor.model, dataclasses.replace(takes, output=classes(3)))
    x = keras.Input((4,))
    with pytest.raises(ModelError, match="takes the columns none"):
        TablePredictor(keras.Model(x, keras.layers.Dense(2)(x)), takes)


def test_what_is_no_probability_is_refused(predictor: TablePredictor, dataset: TableDataset) -> None:
    outputs = keras.layers.Rescaling(2.0)(predictor.model.output)
    doubled = TablePredictor(keras.Model(predictor.model.input, outputs), predictor.contract)
    with pytest.raises(ModelError, match="no class probabilities"):
        doubled.outputs(dataset.inputs(dataset.validation))


def test_the_contract_is_plain_json(home: Path) -> None:
    assert isinstance(json.loads((home / layout.TASK).read_text()), dict)
