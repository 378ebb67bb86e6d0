"""A whole search, from a CSV file to a model that takes its texts."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import pytest

import kevo
from kevo.result import SearchResult
from kevo.runs import layout
from kevo.tasks.outputs import reference
from kevo.tasks.texts import contract, words
from kevo.tasks.texts.predictor import TextPredictor
from kevo.tasks.texts.space import Space
from tests.support.searches import Diary
from tests.support.stranger import Stranger
from tests.support.texts import reviews, write_csv, write_vectors

SETTINGS = kevo.Settings(max_trials=2, epochs=3, num_finalists=1, population=2, space="small", workers=0)


class Search(NamedTuple):
    """A search that has ended, its CSV file, and what it said."""

    data: Path
    result: SearchResult
    notes: list[str]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    folder = tmp_path_factory.mktemp("texts")
    path, diary = write_csv(folder / "reviews.csv"), Diary()
    return Search(path, kevo.search(path, SETTINGS, out=folder / "run", listener=diary), diary.notes)


def test_a_search_finds_a_good_network(search: Search) -> None:
    assert search.result.kind.name == "texts"
    assert search.result.test.accuracy > 0.75
    assert search.notes[0].startswith("reviews: 240 texts, 2 classes")
    for words_ in ("This is learned as texts", "The texts are those of the column 'review'", "TF-IDF + logistic"):
        assert any(words_ in note for note in search.notes)
    assert not any(note.startswith("No model card") for note in search.notes)


def test_the_model_takes_texts_by_the_lines_of_its_card(search: Search, stranger: Stranger, tmp_path: Path) -> None:
    card = (search.result.run_folder / layout.MODEL_CARD).read_text(encoding="utf-8")
    script = card.partition("```python\n")[2].partition("```")[0]
    for name in (layout.MODEL, layout.TASK):
        (tmp_path / name).write_bytes((search.result.run_folder / name).read_bytes())
    texts, kinds, _ = reviews(40, seed=5)
    (tmp_path / "new.txt").write_text("\n".join(texts), encoding="utf-8")
    answers = [line.rsplit(" ", 1) for line in stranger.run(script, folder=tmp_path).splitlines()]
    assert sum(label == kind for (label, _), kind in zip(answers, kinds, strict=True)) > 28
    predicted = list(TextPredictor.open(search.result.run_folder).predict(texts))
    assert [one.label for one in predicted] == [label for label, _ in answers]
    assert [one.probability for one in predicted] == pytest.approx([float(share) for _, share in answers], abs=1e-5)


def test_what_is_known_beside_the_model_is_in_the_run_folder(search: Search) -> None:
    folder = search.result.run_folder
    assert contract.read(folder).text == "review"
    found = words.read(folder / layout.EXPLANATION)
    assert {"great", "dull"} <= {one.word for one in found[:12]}
    (linear,) = reference.read(folder, search.result.kind.parse_scores)
    assert linear.test.num_examples == search.result.test.num_examples


def test_the_report_tells_of_words_and_of_the_reference(search: Search, tmp_path: Path) -> None:
    html = search.result.report(tmp_path / "report.html").read_text(encoding="utf-8")
    for said in ("Against other models", "Words that count", "TF-IDF + logistic regression", "Confusion matrix"):
        assert said in html
    assert "sure</td>" in html or "The model took no test text for another class." in html


def test_the_scores_are_found_again(search: Search) -> None:
    scored = TextPredictor.open(search.result.run_folder).evaluate(search.data)
    assert scored.to_json()["accuracy"] == pytest.approx(search.result.test.accuracy)
    assert TextPredictor.open(search.result.run_folder).evaluate(search.data, split="validation").is_familiar


def test_a_search_may_be_taken_up_again(search: Search) -> None:
    again = kevo.resume(search.result.run_folder)
    assert (again.test, again.genome) == (search.result.test, search.result.genome)


@pytest.mark.long
def test_numbers_are_searched(tmp_path: Path) -> None:
    texts, _, stars = reviews()
    result = kevo.search((texts, stars), SETTINGS, out=tmp_path / "run")
    assert result.kind.name == "text-regression"
    assert result.test.value("r2") > 0.5
    assert kevo.search((texts, stars), SETTINGS, out=tmp_path / "again").test == result.test


@pytest.mark.long
def test_pretrained_vectors_teach_words_that_no_text_has(tmp_path: Path) -> None:
    vectors = str(write_vectors(tmp_path / "words.vec"))
    settings = dataclasses.replace(
        SETTINGS,
        epochs=20,
        task="texts",
        options={"vectors": vectors},
        space=Space(families=("vectors",), vectors_poolings=("average",), learning_rate=(0.03, 0.03)),
    )
    diary = Diary()
    result = kevo.search(write_csv(tmp_path / "reviews.csv"), settings, out=tmp_path / "run", listener=diary)
    assert any("words.vec has vectors of 20 of the 20 different words" in note for note in diary.notes)
    answers = TextPredictor.open(result.run_folder).predict(["a splendid film", "a wretched film"])
    assert [one.label for one in answers] == ["good", "bad"]
    again = kevo.resume(result.run_folder)
    assert (again.test, again.genome) == (result.test, result.genome)
