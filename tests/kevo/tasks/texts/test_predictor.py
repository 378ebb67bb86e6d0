"""A saved model of texts in use."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from kevo.errors import DataError, ModelError, SettingsError
from kevo.runs import layout
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.texts import contract
from kevo.tasks.texts.contract import Contract
from kevo.tasks.texts.networks import deployable
from kevo.tasks.texts.predictor import TextPredictor
from kevo.tasks.texts.stages import PreparedTexts
from tests.support.texts import GENOME, reviews, small_dataset, write_csv


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, as counting makes it, and what it takes."""
    folder, dataset = tmp_path_factory.mktemp("run"), small_dataset()
    texts = PreparedTexts(dataset)
    deployable(texts.network(GENOME), texts.reader(GENOME)).save(folder / "best.keras")
    contract.write(Contract("review", "kind", dataset.output), folder)
    return folder


@pytest.fixture(scope="module")
def predictor(home: Path) -> TextPredictor:
    return TextPredictor.open(home)


def test_texts_in_memory(predictor: TextPredictor) -> None:
    texts, _, _ = reviews(20, seed=1)
    found = list(predictor.predict(texts))
    assert [one.name for one in found] == [f"row {row}" for row in range(1, 21)]
    expected = predictor.outputs(texts)
    assert [one.probability for one in found] == pytest.approx(expected.max(axis=1).tolist())
    (one,) = predictor.predict("a dull and tedious film")
    assert one.label == "bad"
    assert list(predictor.predict([])) == []


def test_files(predictor: TextPredictor, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("superb, lovely", encoding="utf-8")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "two.txt").write_text("awful, tedious", encoding="utf-8")
    table = write_csv(tmp_path / "new.csv", 5)
    found = list(predictor.predict([tmp_path / "one.txt", tmp_path / "more", table]))
    assert [one.label for one in found[:2]] == ["good", "bad"]
    assert [one.name for one in found[1:4]] == [str(tmp_path / "more" / "two.txt"), f"{table} row 1", f"{table} row 2"]
    assert len(found) == 7
    # As text, not as a path, only what is no file.
    assert [one.label for one in predictor.predict([str(tmp_path / "one.txt")])] == ["good"]
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.write(tmp_path / "one.txt", "a/one.txt")
        archive.write(tmp_path / "one.txt", "b/one.txt")
    packed = [Path(str(one.path)) for one in predictor.predict([tmp_path / "packed.zip"])]
    assert packed == [tmp_path / "packed.zip" / name / "one.txt" for name in "ab"]
    assert [one.name for one in predictor.predict(["/nowhere/awful.txt"])] == ["row 1"]


def test_what_cannot_be_read_is_stepped_over(predictor: TextPredictor, tmp_path: Path) -> None:
    (tmp_path / "nul.txt").write_bytes(b"a\0b")
    (tmp_path / "empty").mkdir()
    paths = [tmp_path / "nul.txt", tmp_path / "empty", tmp_path / "no.pdf", tmp_path / "no.csv"]
    skipped: list[Skipped] = []
    assert list(predictor.predict(paths, skip=skipped.append)) == []
    assert [one.path for one in skipped] == list(map(str, paths))
    for path in paths:
        with pytest.raises(DataError):
            list(predictor.predict(path))
    with pytest.raises(SettingsError, match="this model takes texts"):
        list(predictor.predict(["a"], grad_cam=tmp_path))


def test_scores(predictor: TextPredictor, tmp_path: Path) -> None:
    texts, kinds, _ = reviews(60, seed=2)
    scored = predictor.evaluate((texts, kinds))
    right = [one.label for one in predictor.predict(texts)]
    assert scored.to_json()["accuracy"] == pytest.approx(np.mean(np.array(right) == kinds))
    assert not scored.is_familiar
    assert predictor.evaluate(write_csv(tmp_path / "a.csv", 60, seed=2)).to_json()["accuracy"] == pytest.approx(
        scored.to_json()["accuracy"]
    )
    divided = {"train": (texts[:30], kinds[:30]), "test": (texts[30:], kinds[30:])}
    assert "the test split: 30 texts" in next(iter(predictor.evaluate(divided).lines()))
    assert "60 texts" in next(iter(predictor.evaluate(divided, split="all").lines()))
    with pytest.raises(DataError, match="has no test split"):
        predictor.evaluate((texts, kinds), split="test")
    with pytest.raises(DataError, match="There are rows of 'ugly'"):
        predictor.evaluate((texts, ["ugly"] * 60))


def test_models_of_something_else(home: Path, tmp_path: Path) -> None:
    picture = keras.Input((4,))
    keras.Model(picture, keras.layers.Dense(2, activation="softmax")(picture)).save(tmp_path / "best.keras")
    (tmp_path / layout.TASK).write_bytes((home / layout.TASK).read_bytes())
    with pytest.raises(ModelError, match=r"takes float32 of shape \(None, 4\). Expected texts"):
        TextPredictor.open(tmp_path)
    values = json.loads((home / layout.TASK).read_text(encoding="utf-8"))
    (tmp_path / "best.keras").write_bytes((home / "best.keras").read_bytes())
    (tmp_path / layout.TASK).write_text(json.dumps({**values, "class_names": ["a", "b", "c"]}))
    with pytest.raises(ModelError, match="has outputs of the shape"):
        TextPredictor.open(tmp_path)
    for damage in ({"task": "tables"}, {"text": 3}, {"class_names": [1]}):
        (tmp_path / layout.TASK).write_text(json.dumps({**values, **damage}))
        with pytest.raises(ModelError, match="does not say what a model of texts answers"):
            TextPredictor.open(tmp_path)
    (tmp_path / layout.TASK).unlink()
    with pytest.raises(ModelError, match=r"There is no task.json"):
        TextPredictor.open(tmp_path)
