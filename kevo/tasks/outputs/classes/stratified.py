"""Divides examples into splits, the same part of every class."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError

Positions = npt.NDArray[np.int64]


def divide(
    keys: Sequence[Hashable],
    labels: npt.NDArray[np.int64],
    fractions: Mapping[str, float],
    *,
    class_names: Sequence[str],
    examples: str,
    seed: int,
    across_classes: bool = False,
) -> dict[str, Positions]:
    """Divides examples, the same part of every class.

    Each class keeps at least one example in every split. Examples of a class that are alike stay together, since one of
    them would give the other away.

    Args:
        keys: For each example its content or a hash of it: equal only for examples that are alike.
        labels: Their classes, as positions in the class names, shape (n,).
        fractions: For each new split, its part of the examples.
        class_names: The names of the classes.
        examples: What the examples are called, such as "pictures".
        seed: The same seed divides the same examples alike.
        across_classes: Whether those of different classes stay together too, as long as every class can be in every
            split.

    Returns:
        For each new split, and for `train` with what is left, the examples' positions in ascending order.

    Raises:
        DataError: a class has too few different examples.

    Example:
        >>> names = ["no", "yes"]
        >>> parts = divide(range(10), np.arange(10) % 2, {"test": 0.2}, class_names=names, examples="rows", seed=0)
        >>> len(parts["train"]), len(parts["test"])
        (8, 2)
    """
    together = list(_groups(keys).values()) if across_classes else []
    if any(len(set(labels[group].tolist())) > 1 for group in together):
        # A group counts for the rarest of its classes, which is the hardest to find enough examples of.
        counts = np.bincount(labels, minlength=len(class_names))
        rarest = np.array([min(labels[group].tolist(), key=lambda label: counts[label]) for group in together])
        with contextlib.suppress(DataError):
            parts = _divide(together, rarest, fractions, class_names, examples, seed)
            if all(len(set(labels[part].tolist())) == len(class_names) for part in parts.values()):
                return parts
    apart = _groups(list(zip(labels.tolist(), keys, strict=True)))
    return _divide(
        list(apart.values()), np.array([label for label, _ in apart]), fractions, class_names, examples, seed
    )


def divide_groups(
    groups: Sequence[Hashable],
    labels: npt.NDArray[np.int64],
    fractions: Mapping[str, float],
    *,
    class_names: Sequence[str],
    examples: str,
    seed: int,
) -> dict[str, Positions]:
    """Divides examples by groups that are never divided, with about the same part of every class in each split.

    Args:
        groups: The group of each example.
        labels: Their classes, as positions in the class names, shape (n,).
        fractions: For each new split, its part of the examples.
        class_names: The names of the classes.
        examples: What the examples are called, such as "pictures".
        seed: The same seed divides the same examples alike.

    Returns:
        As `divide`.

    Raises:
        DataError: a class is in too few groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    numbers = np.unique(np.array([str(group) for group in groups]), return_inverse=True)[1]
    num_splits = len(fractions) + 1
    for label, class_name in enumerate(class_names):
        if (num_groups := len(np.unique(numbers[labels == label]))) < num_splits:
            raise DataError(
                f"The class {class_name!r} has {examples} in {num_groups} groups. Expected at least {num_splits}, one "
                "for each split: add groups, or divide them yourself."
            )
    left = np.arange(len(labels))
    taken: dict[str, Positions] = {}
    for place, (name, fraction) in enumerate(fractions.items()):
        wanted = fraction * len(labels)
        num_folds = max(2, min(round(len(left) / wanted), len(np.unique(numbers[left]))))
        folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            # A class with fewer examples than folds is in some of them, which is looked after below.
            warnings.simplefilter("ignore", UserWarning)
            parts = [part for _, part in folds.split(left, labels[left], numbers[left])]
        enough = num_splits - place - 1

        def is_good(part: Positions, left: Positions = left, enough: int = enough) -> bool:
            rest = np.delete(left, part)
            return set(labels[left[part]].tolist()) == set(labels.tolist()) and all(
                len(np.unique(numbers[rest[labels[rest] == label]])) >= enough for label in range(len(class_names))
            )

        good = [part for part in parts if is_good(part)]
        if not good:
            raise DataError(
                f"The groups are too large, or the classes too unlike in them, to have {examples} of every class in "
                f"the {name} split. Give a {name} split of your own."
            )
        chosen = min(good, key=lambda part: abs(len(part) - wanted))
        taken[name], left = left[chosen], np.delete(left, chosen)
    return {"train": left, **taken}


def groups_in_several(groups: Mapping[str, Sequence[str]]) -> str | None:
    """Says how many groups stand in several of the splits that a source gives; `None` for none.

    Args:
        groups: For each split the groups of its examples.
    """
    sets = list(map(set, groups.values()))
    num = sum(sum(name in one for one in sets) > 1 for name in set().union(*sets))
    if not num:
        return None
    return f"{num} groups stand in several splits, as the source divides them: the scores may be too good."


_Key = TypeVar("_Key", bound=Hashable)


def _groups(keys: Sequence[_Key]) -> dict[_Key, list[int]]:
    """The positions of each key."""
    groups: dict[_Key, list[int]] = {}
    for position, key in enumerate(keys):
        groups.setdefault(key, []).append(position)
    return groups


def _divide(
    groups: Sequence[Sequence[int]],
    group_labels: npt.NDArray[np.int64],
    fractions: Mapping[str, float],
    class_names: Sequence[str],
    examples: str,
    seed: int,
) -> dict[str, Positions]:
    """Divides groups of examples, each with one class, the same part of every class."""
    rng = np.random.default_rng(seed)
    taken: dict[str, list[int]] = {name: [] for name in ("train", *fractions)}
    for label, class_name in enumerate(class_names):
        shuffled = rng.permutation(np.flatnonzero(group_labels == label)).tolist()
        num_different = len(shuffled)
        if num_different < len(taken):
            what, advice = "There are", ""
            if len(class_names) > 1:
                what, advice = f"The class {class_name!r} has", ", or remove the class"
            raise DataError(
                f"{what} too few different {examples}: {num_different}. Expected at least {len(taken)}, one each for "
                f"{', '.join(taken)}. Add {examples}{advice}."
            )
        for num_waiting, (name, fraction) in zip(range(len(fractions), 0, -1), fractions.items(), strict=True):
            num_taken = min(max(1, round(fraction * num_different)), len(shuffled) - num_waiting)
            chosen, shuffled = shuffled[:num_taken], shuffled[num_taken:]
            taken[name] += chosen
        taken["train"] += shuffled
    return {
        name: np.array(sorted(position for group in chosen for position in groups[group]), np.int64)
        for name, chosen in taken.items()
    }
