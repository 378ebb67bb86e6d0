"""A random part of each class."""

from __future__ import annotations

from collections import Counter

import pytest

from kevo.tasks.sampling import sample, sentence


def test_takes_the_same_part_of_every_stratum() -> None:
    strata = ["a"] * 800 + ["b"] * 200
    taken = sample(strata, 500, seed=0)
    assert Counter(strata[position] for position in taken) == {"a": 400, "b": 100}
    assert taken == sorted(set(taken))


def test_takes_ten_of_each_where_there_are_as_many() -> None:
    strata = ["common"] * 1000 + ["rare"] * 30 + ["rarest"] * 4
    taken = Counter(strata[position] for position in sample(strata, 20, seed=0))
    assert taken == {"common": 20, "rare": 10, "rarest": 4}


def test_the_seed_decides() -> None:
    strata = [0] * 100
    assert sample(strata, 30, seed=1) == sample(strata, 30, seed=1)
    assert sample(strata, 30, seed=1) != sample(strata, 30, seed=2)


def test_more_than_there_are_is_all() -> None:
    assert sample("abc", 50, seed=0) == [0, 1, 2]


@pytest.mark.parametrize(("seconds", "allowed"), [(None, None), (80.0, 20.0)])
def test_says_how_many_and_why(seconds: float | None, allowed: float | None) -> None:
    said = sentence(20, 5000, examples="pictures", seconds=seconds, allowed=allowed)
    assert said.startswith("20 of 5,000 pictures are used, a random part of each class")
    assert ("80 s" in said) == ("--max-examples 5000" in said) == (seconds is not None)
