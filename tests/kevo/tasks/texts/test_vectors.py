"""Files of word vectors."""

import os
from pathlib import Path

import numpy as np
import pytest

from kevo.errors import DataError
from kevo.tasks.texts import vectors
from kevo.tasks.texts.vectors import WordVectors, plain, read, reduced

TEXTS = ["The cat, the dog!", "Don't say cat", "unheard"]


def found(content: str | bytes, folder: Path) -> tuple[WordVectors, str]:
    """Reads a file with this content for the texts."""
    path = folder / "words.vec"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(path, TEXTS)


def test_words_are_read_as_networks_read_them() -> None:
    assert plain("Don't, ÀB_c".encode()).decode() == "dont Àbc"


@pytest.mark.parametrize("head", ["", "5 2\n"], ids=["glove", "word2vec"])
@pytest.mark.parametrize("between", [" ", "\t"])
def test_the_words_of_the_texts_come_first(head: str, between: str, tmp_path: Path) -> None:
    lines = ["of 4 1", "don't 1 0", "Cat 0 1", "cat 7 7", "the 3 2"]
    content = head + "".join(line.replace(" ", between) + "\n" for line in lines)
    known, said = found(content, tmp_path)
    # Of "cat" and "Cat" the first counts: files begin with the commonest.
    assert known.words == ("the", "cat", "dont", "of")
    raw = np.array([[3, 2], [0, 1], [1, 0], [4, 1]], np.float32)
    np.testing.assert_allclose(known.table, reduced(raw), atol=1e-6)
    assert known.size == 2
    assert "3 of the 6 different words of the training texts, which are 62% of all their words" in said


def test_vectors_are_centered_scaled_and_short() -> None:
    raw = np.random.default_rng(0).normal(3, 5, (400, 300))
    raw[:, 7] = 1000 * np.arange(400)
    table = reduced(raw)
    assert table.shape == (400, 256) and table.dtype == np.float32
    assert np.sqrt((table**2).mean()) == pytest.approx(1, 1e-5)
    np.testing.assert_allclose(table.mean(axis=0), 0, atol=1e-5)
    # The first component is what differs most.
    assert abs(np.corrcoef(table[:, 0], raw[:, 7])[0, 1]) == pytest.approx(1, 1e-6)
    assert not reduced(np.ones((3, 2))).any()


def test_other_words_than_those_of_the_texts_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_MOST_WORDS", 8)
    content = "".join(f"{word} {number} 1\n" for number, word in enumerate(["a", "b", "c", "d", "cat", "dog"]))
    assert found(content, tmp_path)[0].words == ("cat", "dog", "a", "b")


def test_what_is_no_word_is_stepped_over(tmp_path: Path) -> None:
    content = b"cat 1 2\n. 3 4\nat the door 1 2\n\xff\xfe 5 6\n\ndog 7 8\n"
    assert found(content, tmp_path)[0].words == ("cat", "dog")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "none of the 6 different words"),
        ("chat 1 2\nchien 2 3\n", "none of the 6 different words"),
        ("cat\ndog\n", "Line 1 .* Expected a word and 1 to 4,096 numbers"),
        ("cat 1 2\ndog 1\n", "Line 2 .* 2 finite numbers"),
        ("cat 1 2\ndog 1 nan\n", "Line 2 .* 2 finite numbers"),
        ("cat 1 2\ndog 1 x\n", "Line 2 .* a word and 2 numbers"),
        (b"\x00\x01cat", "no text with a word and its numbers .* Unpack it"),
    ],
)
def test_what_is_no_file_of_word_vectors_is_refused(content: str | bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        found(content, tmp_path)


def test_paths_without_word_vectors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder.*kevo vectors"):
        read(tmp_path, TEXTS)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read(tmp_path / "none.vec", TEXTS)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe is no file"):
        read(tmp_path / "pipe", ["a"])


def test_a_line_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_LONGEST_LINE", 10)
    with pytest.raises(DataError, match="Unpack it"):
        found("cat 1 2 3 4 5 6\n", tmp_path)
