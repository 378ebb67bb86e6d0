"""How rows and texts are divided: which are used, which make the missing splits, and which are judged in which fold."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from kevo.tasks import folds
from kevo.tasks.outputs.classes.output import CLASSIFICATION, Classes
from kevo.tasks.outputs.classes.stratified import Positions, divide, divide_groups
from kevo.tasks.outputs.output import Output
from kevo.tasks.sampling import sample
from kevo.tasks.splits import SPLITS


def sampled(answers: Mapping[str, Sequence[str]], most: int, *, asks: str, seed: int) -> dict[str, list[int]]:
    """Chooses which examples are used where all would be too many: of classes the same part of each.

    Args:
        answers: Those of each split, as the source writes them.
        most: How many to use of all.
        asks: `classification` where the answers are classes.
        seed: The same seed chooses the same.

    Returns:
        For each split the positions of those that are used, in ascending order.

    Example:
        >>> chosen = sampled({"train": ["a"] * 80, "test": ["a"] * 20}, 50, asks="classification", seed=0)
        >>> len(chosen["train"]), len(chosen["test"])
        (40, 10)
    """
    places = [(split, place) for split, one in answers.items() for place in range(len(one))]
    strata = [(split, answers[split][place] if asks == CLASSIFICATION else "") for split, place in places]
    chosen: dict[str, list[int]] = {split: [] for split in answers}
    for position in sample(strata, most, seed=seed):
        split, place = places[position]
        chosen[split].append(place)
    return chosen


def grouped(values: Sequence[str | None], *, split: str) -> list[str]:
    """Returns the group of each example of a split, by which it may be told from those of all splits.

    Args:
        values: The names of the groups, shape (n,); `None` for an example that stands alone.
        split: The split.

    Example:
        >>> grouped(["Ann", None], split="train")
        ['group Ann', 'alone train 1']
    """
    # The names cannot be each other's.
    return [f"alone {split} {row}" if value is None else f"group {value}" for row, value in enumerate(values)]


def made_splits(
    labels: npt.NDArray[Any],
    fractions: Mapping[str, float],
    *,
    keys: Sequence[Hashable],
    groups: Sequence[str] | None,
    output: Output,
    examples: str,
    seed: int,
    across_classes: bool = False,
) -> dict[str, Positions]:
    """Divides the training examples of a source into the splits that it lacks, and what is left.

    Args:
        labels: Their answers, shape (n,).
        fractions: For each missing split its part of them.
        keys: For each example its content: equal only for those that are alike, which stay together.
        groups: The group of each example, which stays together; `None` where none were asked for.
        output: What is asked.
        examples: What examples are called, such as "rows".
        seed: The same seed divides the same examples alike.
        across_classes: See `stratified.divide`.

    Returns:
        For each missing split, and for `train`, positions in ascending order.

    Raises:
        DataError: a class has too few different examples, or is in too few groups.
    """
    strata, names = output.strata(labels)
    if groups is not None:
        return divide_groups(groups, strata, fractions, class_names=names, examples=examples, seed=seed)
    return divide(
        keys, strata, fractions, class_names=names, examples=examples, seed=seed, across_classes=across_classes
    )


def folds_of(
    labels: npt.NDArray[Any],
    num: int,
    *,
    keys: Sequence[Hashable],
    output: Output,
    examples: str,
    seed: int,
    is_grouped: bool,
) -> Positions:
    """Returns the fold in which each example is judged, shape (n,).

    Args:
        labels: The answers of the examples, shape (n,).
        num: Number of folds.
        keys: For each example its content or its group: those that share one are in the same fold.
        output: What is asked.
        examples: What examples are called, such as "rows".
        seed: The same seed divides the same examples alike.
        is_grouped: Whether the keys are groups that were asked for.

    Raises:
        DataError: there are too few examples, or groups of them, for so many folds.
    """
    strata, names = output.strata(labels)
    are_classes = isinstance(output, Classes)
    return folds.divide(
        keys,
        strata,
        num,
        names=names,
        examples=examples,
        seed=seed,
        are_classes=are_classes,
        is_grouped=is_grouped,
    )


def repeats(
    keys: Mapping[str, Sequence[Hashable]], *, are_folded: bool, examples: str, same: str, behind: str = ""
) -> Iterator[str]:
    """Says how many examples of a split that the source gives are like one of an earlier one.

    Args:
        keys: For each split that the source gives the content of its examples, equal only for those that are alike.
        are_folded: Whether training and validation examples are folded together: those that are alike are then in the
            same fold.
        examples: What examples are called, such as "rows".
        same: What those are that are alike, such as "the same as".
        behind: What there is to say behind the others' name.

    Example:
        >>> list(repeats({"train": "ab", "validation": "bc"}, are_folded=False, examples="rows", same="the same as"))
        ['1 of 2 validation rows are the same as training rows: candidates are chosen by rows that they know.']
    """
    known: set[Hashable] = set()
    for split in (split for split in SPLITS if split in keys):
        own = keys[split]
        num = sum(key in known for key in own)
        if num and not (are_folded and split == "validation"):
            others, so = "training", f"candidates are chosen by {examples} that they know"
            if split == "test":
                others, so = "training or validation", "the scores on the test split may be too good"
            yield f"{num:,} of {len(own):,} {split} {examples} are {same} {others} {examples}{behind}: {so}."
        known.update(own)


def pooled(
    origins: Mapping[str, str], rows: Mapping[str, Positions], keys: Mapping[str, Sequence[Hashable]]
) -> list[Hashable]:
    """Returns the keys of the examples that are learned from over folds: those of train, then of validation.

    Args:
        origins: For each split the one of the source that its examples come from.
        rows: For each split the positions of its examples in that one.
        keys: Those of each split of the source.
    """
    return [keys[origins[split]][row] for split in ("train", "validation") for row in rows[split].tolist()]
