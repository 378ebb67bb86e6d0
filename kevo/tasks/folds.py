"""Folds of a cross-validation: each example is judged once, by a model that has learned from all other folds."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError
from kevo.tasks.protocols.dataset import Dataset

Positions = npt.NDArray[np.int64]


def divide(
    groups: Sequence[Hashable],
    strata: npt.NDArray[np.int64],
    num: int,
    *,
    names: Sequence[str],
    examples: str,
    seed: int,
    are_classes: bool,
    is_grouped: bool,
) -> Positions:
    """Divides examples into folds of about the same size, the same part of every stratum in each.

    Args:
        groups: For each example what it belongs to, or its content: those of one group are in the same fold.
        strata: For each example its stratum, such as its class, shape (n,).
        num: How many folds.
        names: The names of the strata.
        examples: What examples are called, such as "pictures".
        seed: The same seed divides the same examples alike.
        are_classes: Whether every stratum must be in every fold.
        is_grouped: Whether the groups were asked for, and are no mere copies.

    Returns:
        The fold of each example, from 0, shape (n,).

    Raises:
        DataError: there are too few examples, or groups of them, for so many folds.

    Example:
        >>> folds = divide(
        ...     range(6), np.array([0, 0, 0, 1, 1, 1]), 3, names="ab", examples="rows", seed=0, are_classes=True,
        ...     is_grouped=False,
        ... )
        >>> sorted(folds[:3].tolist()), sorted(folds[3:].tolist())
        ([0, 1, 2], [0, 1, 2])
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    places: dict[Hashable, int] = {}
    numbers = np.array([places.setdefault(group, len(places)) for group in groups], np.int64)
    what = f"groups of {examples}" if is_grouped else f"different {examples}"
    counts = [len(np.unique(numbers[strata == stratum])) for stratum in range(len(names))]
    if are_classes:
        for name, count in zip(names, counts, strict=True):
            if count < num:
                raise DataError(_too_few(f"The class {name!r}", count, num, what, " of each class"))
    elif min(counts) < num:
        strata = np.zeros(len(strata), np.int64)
    if len(places) < num:
        raise DataError(_too_few("The training and validation splits", len(places), num, what, ""))
    alone = len(places) == len(numbers)
    kind = StratifiedKFold if alone else StratifiedGroupKFold
    folds = np.zeros(len(numbers), np.int64)
    with warnings.catch_warnings():
        # A class may have fewer groups of its own size than there are folds, which is looked after below.
        warnings.simplefilter("ignore", UserWarning)
        parts = kind(num, shuffle=True, random_state=seed).split(strata, strata, None if alone else numbers)
        for place, (_, judged) in enumerate(parts):
            folds[judged] = place
    for place in range(num):
        learned = set(strata[folds != place].tolist())
        if not (folds == place).any() or (are_classes and len(learned) < len(names)):
            raise DataError(
                f"The groups are too large, or the classes too unlike in them, for {num} folds of which each leaves "
                f"{examples} of every class to learn from. Ask for fewer folds, or for smaller groups."
            )
    return folds


def rows_of(folds: Positions) -> Iterator[tuple[Positions, Positions]]:
    """Yields for each fold the positions of what is learned from, and of what is judged.

    Args:
        folds: The fold of each example, shape (n,).
    """
    for place in range(int(folds.max()) + 1):
        yield np.flatnonzero(folds != place), np.flatnonzero(folds == place)


def splits_of(dataset: Dataset) -> tuple[str, ...]:
    """Returns the names of the splits that examples are divided into: over folds there is none for validation."""
    return ("train", "validation", "test") if dataset.num_folds is None else ("train", "test")


def describe_splits(dataset: Dataset) -> tuple[int, str]:
    """Returns how many examples a data set has, and in words how they are divided."""
    names = splits_of(dataset)
    sizes = {name: dataset.num_examples(name) for name in names}
    made = [name for name in names if name in dataset.made_splits]
    words = [f"{size} {name}{'*' * (name in made)}" for name, size in sizes.items()]
    if dataset.num_folds is not None:
        words[0] += f" in {dataset.num_folds} folds"
    return sum(sizes.values()), ", ".join(words) + ("; * from train" if made else "")


def _too_few(who: str, count: int, num: int, what: str, each: str) -> str:
    fewer = f"ask for --folds {count}, " if count > 1 else ""
    return (
        f"{who} {'has' if who.startswith('The class') else 'have'} {count} {what} to be divided into {num} folds. "
        f"Expected at least {num}{each}, one for each fold: {fewer}add some, or leave folds out."
    )
