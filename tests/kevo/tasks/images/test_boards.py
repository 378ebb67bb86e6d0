"""Small pictures that are no squares, such as boards, are searched and predicted as they are."""

import json
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import kevo
from kevo.runs import layout
from kevo.tasks.images.contract import read_contract
from kevo.tasks.images.genes import picture_shape
from tests.support.stranger import Stranger

SHAPE = (5, 7)


def boards(num: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Boards with one stone, and whether it lies in the upper two rows: what is resized tells less well."""
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(SHAPE[0], size=num), rng.integers(SHAPE[1], size=num)
    fields = np.zeros((num, *SHAPE, 3), np.uint8)
    fields[np.arange(num), rows, columns] = 255
    return fields, (rows < 2).astype(np.int64)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> kevo.SearchResult:
    settings = kevo.Settings(max_trials=1, epochs=4, num_finalists=1, space="small", workers=0)
    return kevo.search(boards(200), settings, out=tmp_path_factory.mktemp("boards") / "run")


def test_a_search_sees_boards_as_they_are(result: kevo.SearchResult) -> None:
    assert picture_shape(result.genome) == SHAPE
    assert "7 x 5 px" in result.words
    contract = read_contract(result.run_folder / layout.MODEL)
    assert contract is not None and contract.image_size == SHAPE
    assert json.loads((result.run_folder / layout.TASK).read_text())["image_size"] == [*SHAPE]
    assert result.test.accuracy > 0.7


def test_boards_are_predicted_as_they_are(result: kevo.SearchResult, tmp_path: Path) -> None:
    fields, _ = boards(20)
    for number, board in enumerate(fields):
        Image.fromarray(board).save(tmp_path / f"{number:02}.png")
    model = keras.models.load_model(result.run_folder / layout.MODEL)
    expected = np.asarray(model(fields.astype(np.float32)))
    classifier = kevo.Classifier.open(result.run_folder)
    for given in (fields, sorted(tmp_path.iterdir())):
        found = [[one.probabilities[name] for name in result.test.names] for one in classifier.predict(given)]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_lines_of_the_card_read_them_so_too(result: kevo.SearchResult, stranger: Stranger, tmp_path: Path) -> None:
    card = (result.run_folder / layout.MODEL_CARD).read_text(encoding="utf-8")
    script = card.partition("```python\n")[2].partition("```")[0]
    for name in (layout.MODEL, layout.TASK, layout.LABELS):
        (tmp_path / name).write_bytes((result.run_folder / name).read_bytes())
    fields, _ = boards(1)
    Image.fromarray(fields[0]).save(tmp_path / "picture.png")
    label, share = stranger.run(script.replace("picture.jpg", "picture.png"), folder=tmp_path).split()
    (expected,) = kevo.Classifier.open(result.run_folder).predict(fields)
    assert label == expected.label and float(share) == pytest.approx(expected.probability, abs=1e-5)
