"""Examples divided into splits."""

import numpy as np
import pytest

from kevo.errors import DataError
from kevo.tasks.outputs.classes.stratified import Positions, divide

FRACTIONS = {"validation": 0.2, "test": 0.15}
NAMES = ("no", "yes")


def of(num_rows: int, *, seed: int = 0) -> dict[str, Positions]:
    return divide(range(num_rows), np.arange(num_rows) % 2, FRACTIONS, class_names=NAMES, examples="rows", seed=seed)


def test_each_row_is_in_one_split() -> None:
    parts = of(200)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(200))
    assert {name: len(part) for name, part in parts.items()} == {"train": 130, "validation": 40, "test": 30}
    for part in parts.values():
        assert (part % 2).mean() == 0.5
        assert (np.diff(part) > 0).all()


def test_the_seed_decides() -> None:
    assert all(np.array_equal(of(50)[name], of(50)[name]) for name in FRACTIONS)
    assert not np.array_equal(of(50)["test"], of(50, seed=1)["test"])


def test_identical_rows_of_a_class_stay_together() -> None:
    rows = np.repeat(np.arange(40), 5)
    parts = divide(rows.tolist(), rows % 2, FRACTIONS, class_names=NAMES, examples="rows", seed=0)
    found = [set(rows[part].tolist()) for part in parts.values()]
    assert sum(map(len, found)) == 40 == len(set.union(*found))


def test_the_smallest_classes_are_in_every_split() -> None:
    labels = np.array([0] * 3 + [1] * 90)
    for part in divide(range(93), labels, FRACTIONS, class_names=NAMES, examples="rows", seed=0).values():
        assert set(labels[part]) == {0, 1}


def test_a_class_may_be_too_small() -> None:
    labels = np.array([0] * 9 + [1] * 90)
    with pytest.raises(DataError, match="'no' has too few different rows: 1. Expected at least 3"):
        divide([0] * 9 + list(range(90)), labels, FRACTIONS, class_names=NAMES, examples="rows", seed=0)
