"""Texts that are alike."""

import numpy as np
import pytest

from kevo.tasks.texts import twins
from kevo.tasks.texts.twins import groups, near_pairs, normalized

LONG = "the film begins slowly but then it finds its feet and ends with a scene that nobody will soon forget at all"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Great film!!", "great   FILM"),
        ("RT @one: so true https://t.co/a1", "rt @another so true www.x.org/b2"),
        ("season 3 is out", "Season 3 is out."),
    ],
)
def test_the_same_words(one: str, other: str) -> None:
    assert normalized(one) == normalized(other)
    assert len(set(groups([one, other, "something else"]).tolist())) == 2


def test_what_has_no_words_is_like_itself_only() -> None:
    assert len(set(groups(["!!!", "???", "!!!", ""]).tolist())) == 3


def test_near_copies() -> None:
    texts = [LONG, "an entirely different text about the weather in spring and in autumn", LONG + " really"]
    assert near_pairs(list(map(normalized, texts))).tolist() == [[0, 2]]
    numbers = groups(texts)
    assert numbers[0] == numbers[2] != numbers[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("season 3 is out", "season 4 is out"),
        (f"{LONG} 3 of 5", f"{LONG} 4 of 5"),
        (f"{LONG} in hall b2", f"{LONG} in hall b3"),
        (f"it cost 3.50 {LONG}", f"it cost 3.75 {LONG}"),
    ],
)
def test_numbers_tell_texts_apart(one: str, other: str) -> None:
    assert len(set(groups([one, other]).tolist())) == 2


def test_a_copy_may_leave_out_a_number() -> None:
    assert len(set(groups([LONG, f"{LONG} 2019"]).tolist())) == 1


def test_what_shares_some_words_is_no_copy() -> None:
    half = LONG.split()
    assert not len(near_pairs([LONG, " ".join([*half[:10], "yet", "another", "ending", "of", "this", "one"])]))


def test_short_texts_are_copies_only_with_the_same_words() -> None:
    assert not len(near_pairs(["a good film this is", "a good film this was"]))


def test_as_good_as_all_near_copies_are_found() -> None:
    rng = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(500)])
    texts = [" ".join(rng.choice(words, 60)) for _ in range(200)]
    copies = [text.rsplit(" ", 2)[0] + " changed" for text in texts]
    numbers = groups(texts + copies)
    assert np.mean(numbers[:200] == numbers[200:]) > 0.99
    assert len(set(numbers[:200].tolist())) == 200


def test_of_very_many_only_the_same_words_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "_MOST_TEXTS", 1)
    assert len(set(groups([LONG, LONG + " really", LONG.upper()]).tolist())) == 2
