"""Texts as numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kevo.errors import DataError
from kevo.tasks.texts import tokens
from kevo.tasks.texts.tokens import Reading, limited, numbers, read
from tests.support.texts import CONV, GENOME, VECTORS

TEXTS = ["The cat sat.", "the cat", "THE dog!", ""]


def test_the_commonest_words_come_first() -> None:
    found, own = read(TEXTS, Reading("words", 1))
    assert found.tokens[:2] == ["the", "cat"]
    assert set(found.tokens[2:]) == {"sat", "dog"}
    assert found.length == 3
    assert own.tolist()[1:] == [
        [2, 3, 0],
        [2, found.tokens.index("dog") + 2, 0],
        [0, 0, 0],
    ]


def test_words_in_a_row_and_letters() -> None:
    assert "the cat" in read(TEXTS, Reading("words", 2))[0].tokens
    assert "c a t" in read(TEXTS, Reading("characters", 3))[0].tokens


ODD = [
    "Größe, [UNK] und\tÉtat!",
    "  a  b ",
    "日本語 の 本",
    "",
    "a-b a_b a'b",
    "the the the",
    "[unk]",
    "\u00a0x \\ y",
    "aaa",
]


@pytest.mark.parametrize(
    "how", [Reading("words", 1), Reading("words", 3), Reading("characters", 1), Reading("characters", 4)]
)
@pytest.mark.parametrize("at_once", [10**6, 12])
def test_tokens_are_those_of_the_layer(how: Reading, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_LETTERS_AT_ONCE", at_once)
    monkeypatch.setattr(tokens, "MOST_TOKENS", 20)
    texts = [*TEXTS, *ODD]
    layer = keras.layers.TextVectorization(
        22, split="whitespace" if how.tokens == "words" else "character", ngrams=None if how.ngrams == 1 else how.ngrams
    )
    layer.adapt(tf.constant(texts))
    found, own = read(texts, how)
    assert found.tokens == layer.get_vocabulary()[2:]
    np.testing.assert_array_equal(own, np.asarray(layer(tf.constant(texts))))
    np.testing.assert_array_equal(own, numbers(texts, how, found.tokens, length=found.length))


def test_a_smaller_vocabulary_gives_the_same_as_reading_anew() -> None:
    how = Reading("words", 2)
    found, whole = read(TEXTS, how)
    np.testing.assert_array_equal(
        limited(whole, num_tokens=3, length=4), numbers(TEXTS, how, found.tokens[:3], length=4)
    )


def test_long_texts_are_read_up_to_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_LONGEST", 7)
    monkeypatch.setattr(tokens, "_LETTERS_AT_ONCE", 8)
    found, _ = read(["a b c d", " ".join("word" * 9), *["e f"] * 3], Reading("words", 1))
    assert found.length == 7
    monkeypatch.setattr(tokens, "_MOST_NUMBERS", 6)
    found, own = read(["a b c d", "a b", "c"], Reading("words", 1))
    assert (found.length, own.shape) == (2, (3, 2))


def test_texts_without_words() -> None:
    with pytest.raises(DataError, match="There are no words in the texts"):
        read(["!!", " "], Reading("words", 1))


def test_how_a_genome_reads() -> None:
    assert Reading.of(GENOME) == Reading("words", 2)
    assert Reading.of({**GENOME, "bag/tokens": "characters", "bag/character_ngrams": 4}) == Reading("characters", 4)
    assert Reading.of({**CONV, "sequence/tokens": "characters"}) == Reading("characters", 1)
    assert Reading.of(VECTORS) == Reading("words", 1, are_pretrained=True)
