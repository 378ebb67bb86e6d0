"""The process of a model answers for files of rows and texts, which it keeps in memory only while it reads them."""

from pathlib import Path
from typing import Any

import pytest

from kevo.errors import DataError
from kevo.service import predictor
from kevo.tasks.texts import contract
from kevo.tasks.texts.contract import Contract
from kevo.tasks.texts.networks import deployable
from kevo.tasks.texts.predictor import TextPredictor
from kevo.tasks.texts.stages import PreparedTexts
from tests.support.texts import GENOME, small_dataset

TABLE = b'review,kind\n"superb, lovely",good\n"awful, tedious",bad\n'


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, told: list[str]) -> TextPredictor:
    folder, dataset = tmp_path_factory.mktemp("run"), small_dataset()
    texts = PreparedTexts(dataset)
    deployable(texts.network(GENOME), texts.reader(GENOME)).save(folder / "best.keras")
    contract.write(Contract("review", "kind", dataset.output), folder)
    return TextPredictor.open(folder, note=told.append)


def answer(model: TextPredictor, told: list[str], *blobs: bytes, suffix: str = "", top: int | None = 1) -> Any:
    asked = {"suffix": suffix, "top": top}
    return predictor._answer_rows(model, list(blobs), asked, told, done=lambda: None)


def test_texts_are_rows_or_files(model: TextPredictor, told: list[str]) -> None:
    found = answer(model, told, TABLE, TABLE)
    assert [(one["place"], one["row"], one["label"]) for one in found["predictions"]] == [
        (0, 1, "good"), (0, 2, "bad"), (1, 1, "good"), (1, 2, "bad")
    ]  # fmt: skip
    assert all(len(one["probabilities"]) == 1 for one in found["predictions"]) and found["skipped"] == []
    (one,) = answer(model, told, b"superb, lovely", suffix=".txt", top=None)["predictions"]
    assert one["label"] == "good" and len(one["probabilities"]) == 2 and "path" not in one


def test_what_cannot_be_read_is_named_without_where_it_lay(model: TextPredictor, told: list[str]) -> None:
    found = answer(model, told, b"other\n1\n", TABLE)
    ((place, reason),) = [(one["place"], one["reason"]) for one in found["skipped"]]
    assert place == 0 and "cannot be used" in reason and "/" not in reason.replace(".csv", "")
    assert {one["place"] for one in found["predictions"]} == {1}


def test_only_so_many_rows_are_answered(model: TextPredictor, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "_MOST_ROWS", 3)
    assert len(answer(model, told, TABLE)["predictions"]) == 2
    with pytest.raises(DataError, match="Expected 3 rows at most"):
        answer(model, told, TABLE, TABLE)


def test_nothing_is_left_of_a_file(
    model: TextPredictor, told: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(predictor, "_MEMORY", str(tmp_path))
    answer(model, told, TABLE, b"other\n1\n")
    assert list(tmp_path.iterdir()) == []
