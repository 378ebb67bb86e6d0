"""Which words a model goes by."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from kevo.tasks.texts.words import Word, dumps, measure, read

TEXTS = ["a good film", "Good plot, good end", "good music", "a bad film", "bad plot and end", "so bad", "it's a film"]


def model(texts: list[str]) -> npt.NDArray[np.float64]:
    """Two classes: what says good, and what does not."""
    good = np.array([0.9 if "good" in text.casefold() else 0.2 for text in texts])
    return np.stack([1 - good, good], axis=1)


def test_the_words_that_change_the_answer_come_first() -> None:
    found = measure(lambda texts: model(list(texts)), TEXTS, ["bad", "good"])
    assert found[0].word == "good"
    assert (found[0].output, round(found[0].effect, 6), found[0].num_texts) == ("good", 0.7, 3)
    assert all(one.effect == 0 for one in found[1:])
    # A word of one letter, a rare one, and one that most texts have say nothing.
    assert {one.word for one in found} == {"good", "bad", "film"}


def test_texts_without_words() -> None:
    assert measure(lambda texts: model(list(texts)), ["!", "?"], ["bad", "good"]) == []


def test_words_are_kept(tmp_path: Path) -> None:
    found = [Word("día", "good", 0.25, 3)]
    (tmp_path / "words.json").write_text(dumps(found), encoding="utf-8")
    assert read(tmp_path / "words.json") == found
    assert read(tmp_path / "none.json") == []
    for damage in ('[{"word": 1}]', "[NaN]", "{", '[{"word": "a", "output": "b", "effect": 1e999, "num_texts": 1}]'):
        (tmp_path / "words.json").write_text(damage, encoding="utf-8")
        assert read(tmp_path / "words.json") == []
