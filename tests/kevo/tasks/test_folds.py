"""Which examples are judged in which fold."""

import numpy as np
import pytest

from kevo.errors import DataError
from kevo.tasks import folds

NAMES = ("cat", "dog")


def divide(groups: object, strata: np.ndarray, num: int, **changes: object) -> np.ndarray:
    options = {"names": NAMES, "examples": "pictures", "seed": 0, "are_classes": True, "is_grouped": False} | changes
    return folds.divide(groups, strata, num, **options)


def test_every_fold_has_the_same_part_of_each_class() -> None:
    strata = np.repeat([0, 1], [60, 15])
    found = divide(range(75), strata, 5)
    assert [np.bincount(strata[found == place]).tolist() for place in range(5)] == [[12, 3]] * 5
    assert np.array_equal(found, divide(range(75), strata, 5))
    assert not np.array_equal(found, divide(range(75), strata, 5, seed=1))


def test_groups_are_never_divided() -> None:
    groups, strata = np.repeat(np.arange(12), 5), np.arange(60) % 2
    found = divide([f"patient {one}" for one in groups], strata, 3, is_grouped=True)
    assert all(len(set(found[groups == group])) == 1 for group in range(12))
    assert set(found.tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("groups", "num", "words"),
    [
        (
            range(7),
            4,
            r"The class 'dog' has 3 different pictures to be divided into 4 folds. .* ask for --folds 3, add",
        ),
        (
            [0, 1, 2, 3, 4, 4, 4],
            2,
            r"The class 'dog' has 1 different pictures .* one for each fold: add some, or leave",
        ),
    ],
)
def test_a_class_that_is_too_small_is_named(groups: object, num: int, words: str) -> None:
    with pytest.raises(DataError, match=words):
        divide(groups, np.array([0] * 4 + [1] * 3), num)


def test_strata_of_numbers_only_help() -> None:
    strata = np.array([0] * 9 + [1])
    found = divide(range(10), strata, 5, are_classes=False)
    assert np.bincount(found).tolist() == [2] * 5
    with pytest.raises(DataError, match="splits have 3 groups of rows to be divided into 5 folds"):
        divide([0, 0, 0, 1, 1, 1, 2, 2, 2, 2], strata, 5, are_classes=False, is_grouped=True, examples="rows")


def test_groups_that_hold_all_of_a_class_but_one_are_refused() -> None:
    # Whatever fold the large group is in, the others have too little left for a fold each.
    groups, strata = [0] * 20 + [1, 1, 2, 2], np.array([0, 1] * 12)
    found = divide(groups, strata, 3, is_grouped=True)
    assert len(set(found.tolist())) == 3
    with pytest.raises(DataError, match="The class 'dog' has 2 groups of pictures"):
        divide([0, 1, 2, 3, 4, 4, 5, 5], np.array([0, 0, 0, 0, 1, 1, 1, 1]), 3, is_grouped=True)


def test_each_fold_learns_from_all_others() -> None:
    parts = [(learned.tolist(), judged.tolist()) for learned, judged in folds.rows_of(np.array([0, 1, 1, 0]))]
    assert parts == [([1, 2], [0, 3]), ([0, 3], [1, 2])]
