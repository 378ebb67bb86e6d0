"""How rows and texts are divided."""

import numpy as np
import pytest

from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.prepared.dividing import folds_of, grouped, made_splits, pooled, repeats, sampled

OUTPUT = Classes(("no", "yes"))
LABELS = np.arange(60) // 2 % 2


def test_a_sample_has_the_same_part_of_every_class_and_split() -> None:
    answers = {"train": ["a", "b", "b", "b"] * 100, "test": ["a"] * 100}
    chosen = sampled(answers, 250, asks="classification", seed=0)
    assert [answers["train"][place] for place in chosen["train"]].count("a") == 50
    assert (len(chosen["train"]), len(chosen["test"])) == (200, 50)
    assert chosen == sampled(answers, 250, asks="classification", seed=0)


@pytest.mark.parametrize("is_grouped", [False, True])
def test_what_is_alike_or_of_one_group_stays_in_one_split(is_grouped: bool) -> None:
    keys = [str(row // 2) for row in range(60)]
    parts = made_splits(
        LABELS,
        {"validation": 0.2, "test": 0.2},
        keys=range(60) if is_grouped else keys,
        groups=keys if is_grouped else None,
        output=OUTPUT,
        examples="rows",
        seed=0,
        across_classes=True,
    )
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(60))
    owners = {split: {keys[row] for row in rows.tolist()} for split, rows in parts.items()}
    assert not (owners["train"] & owners["validation"] or owners["train"] & owners["test"])
    assert all(set(LABELS[rows].tolist()) == {0, 1} for rows in parts.values())


def test_what_shares_a_key_is_in_one_fold() -> None:
    keys = [row // 2 for row in range(60)]
    folds = folds_of(LABELS, 3, keys=keys, output=OUTPUT, examples="rows", seed=0, is_grouped=True)
    assert np.array_equal(folds[::2], folds[1::2])
    assert np.bincount(folds).tolist() == [20, 20, 20]


def test_no_name_of_a_group_is_that_of_an_example_that_stands_alone() -> None:
    assert len(set(grouped([None, "alone train 0", "train 0"], split="train"))) == 3
    assert not set(grouped([None], split="train")) & set(grouped([None], split="test"))


def test_keys_of_train_and_validation_in_the_order_of_their_rows() -> None:
    rows = {"train": np.array([2, 0]), "validation": np.array([1])}
    assert pooled({"train": "train", "validation": "train"}, rows, {"train": "abc"}) == ["c", "a", "b"]


def test_repeats_are_told_of_each_split_unless_folds_keep_them_together() -> None:
    keys = {"train": "abc", "validation": "cd", "test": "dxx"}
    both = list(repeats(keys, are_folded=False, examples="rows", same="the same as", behind=" in all"))
    assert both == [
        "1 of 2 validation rows are the same as training rows in all: candidates are chosen by rows that they know.",
        "1 of 3 test rows are the same as training or validation rows in all: the scores on the test split may be too "
        "good.",
    ]
    assert list(repeats(keys, are_folded=True, examples="rows", same="the same as", behind=" in all")) == both[1:]
