"""Texts as numbers."""

import numpy as np
import pytest

from kevo.errors import DataError
from kevo.tasks.texts import tokens
from kevo.tasks.texts.tokens import Reading, limited, numbers, vocabulary
from tests.support.texts import CONV, GENOME

TEXTS = ["The cat sat.", "the cat", "THE dog!", ""]


def test_the_commonest_words_come_first() -> None:
    found = vocabulary(TEXTS, Reading("words", 1))
    assert found.tokens[:2] == ["the", "cat"]
    assert set(found.tokens[2:]) == {"sat", "dog"}
    assert found.length == 3
    assert numbers(TEXTS, Reading("words", 1), found.tokens, length=3).tolist()[1:] == [
        [2, 3, 0],
        [2, found.tokens.index("dog") + 2, 0],
        [0, 0, 0],
    ]


def test_words_in_a_row_and_letters() -> None:
    assert "the cat" in vocabulary(TEXTS, Reading("words", 2)).tokens
    assert "c a t" in vocabulary(TEXTS, Reading("characters", 3)).tokens


def test_a_smaller_vocabulary_gives_the_same_as_reading_anew() -> None:
    how = Reading("words", 2)
    found = vocabulary(TEXTS, how)
    whole = numbers(TEXTS, how, found.tokens, length=found.length)
    np.testing.assert_array_equal(
        limited(whole, num_tokens=3, length=4), numbers(TEXTS, how, found.tokens[:3], length=4)
    )


def test_long_texts_are_read_up_to_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_LONGEST", 7)
    monkeypatch.setattr(tokens, "_AT_ONCE", 2)
    found = vocabulary(["a b c d", " ".join("word" * 9), *["e f"] * 3], Reading("words", 1))
    assert found.length == 7
    monkeypatch.setattr(tokens, "_MOST_NUMBERS", 6)
    assert vocabulary(["a b c d", "a b", "c"], Reading("words", 1)).length == 2


def test_texts_without_words() -> None:
    with pytest.raises(DataError, match="There are no words in the texts"):
        vocabulary(["!!", " "], Reading("words", 1))


def test_how_a_genome_reads() -> None:
    assert Reading.of(GENOME) == ("words", 2)
    assert Reading.of({**GENOME, "bag/tokens": "characters", "bag/character_ngrams": 4}) == ("characters", 4)
    assert Reading.of({**CONV, "sequence/tokens": "characters"}) == ("characters", 1)
