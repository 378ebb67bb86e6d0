"""Labels become numbers, and missing splits are taken out of the training pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError
from kevo.tasks import folds
from kevo.tasks.images import picture_arrays
from kevo.tasks.images.datasets.copies import content_keys
from kevo.tasks.images.datasets.dataset import Split, digest
from kevo.tasks.images.datasets.repeats import alike
from kevo.tasks.outputs.classes.stratified import Positions, divide, divide_groups

Labels = npt.NDArray[np.int64]


class Made(NamedTuple):
    """New splits, the positions in the pool of their pictures, and what there is to say of copies."""

    splits: dict[str, Split]
    positions: Mapping[str, Positions]
    note: str | None


def number_labels(
    labels: Mapping[str, Sequence[str] | Sequence[int]], class_names: Sequence[str] | None
) -> tuple[dict[str, Labels], tuple[str, ...]]:
    """Gives each class its position in the class names.

    Args:
        labels: Integers or strings of each split.
        class_names: The names in order, integers being positions in it; `None` takes the training labels as names, in
            order.

    Returns:
        The positions of each split, and the class names.

    Raises:
        DataError: there are fewer than two classes, or a label is no class of the training pictures.
    """
    found: set[Any] = set(labels["train"])
    named = any(isinstance(value, str) for value in found)
    values: Sequence[Any]
    if class_names is None:
        values = sorted(found)
        names = tuple(map(str, values))
    else:
        names = tuple(class_names)
        values = names if named else range(len(names))
    positions = {value: position for position, value in enumerate(values)}
    if len(set(names)) != len(names):
        raise DataError(f"Class names must differ. Received: {', '.join(names)}.")
    if len(names) < 2:
        raise DataError(f"Found {len(names)} class ({', '.join(names)}). Expected at least two classes to tell apart.")
    missing = [name for name, value in zip(names, values, strict=True) if value not in found]
    if missing:
        raise DataError(
            f"There is no picture to train on of {_listed(missing)}. {_almost(missing, names)}"
            "Add some that can be read, or remove the class."
        )
    for split, given in labels.items():
        unknown = [str(value) for value in dict.fromkeys(given) if value not in positions]
        if unknown:
            raise DataError(
                f"The {split} split has {_listed(unknown)}, which the training pictures lack. Every class must be in "
                "train."
            )
    numbered = {split: np.array([positions[value] for value in given], np.int64) for split, given in labels.items()}
    return numbered, names


def renumbered(
    labels: list[int] | list[str], own_names: Sequence[str] | None, class_names: Sequence[str] | None
) -> list[int] | list[str]:
    """Turns positions in a split's own class names into positions in those of the whole source.

    Raises:
        DataError: the split has a class of its own.
    """
    if own_names is None or class_names is None or tuple(own_names) == tuple(class_names):
        return labels
    if unknown := [name for name in own_names if name not in class_names]:
        raise DataError(f"One split names {_listed(unknown)}, which another lacks. Every class must be in train.")
    if any(isinstance(label, str) for label in labels):
        return labels
    return [class_names.index(own_names[int(label)]) for label in labels]


def in_own_order(
    pictures: picture_arrays.Pictures, labels: list[int] | list[str]
) -> tuple[picture_arrays.Pictures, list[int] | list[str]]:
    """Sorts pictures by label and content, for sources that yield another order each time."""
    order = sorted(range(len(labels)), key=lambda place: (labels[place], digest(pictures[place])))
    ordered: Any = [labels[place] for place in order]
    return picture_arrays.taken(pictures, order), ordered


def make_splits(
    pool: Split,
    fractions: Mapping[str, float],
    *,
    strata: tuple[Labels, Sequence[str]],
    seed: int,
    groups: Sequence[str] | None = None,
) -> Made:
    """Takes new splits out of the training pictures, the same part of every stratum, such as a class.

    Each stratum keeps at least one picture in every split. Identical pictures and near copies stay together, since one
    of them would give the other away, as long as that leaves enough different ones. The order of the pictures stays.

    Args:
        pool: The pictures to divide.
        fractions: For each new split, its part of the pool.
        strata: For each picture its stratum, and the names of the strata; see `Output.strata`.
        seed: The same seed divides the same pictures alike.
        groups: The group of each picture; those of one are never divided, and nothing else is kept together then.
            `None` for no groups.

    Returns:
        The new splits, and `train` with what is left.

    Raises:
        DataError: a stratum has too few different pictures.
    """
    labels, names = strata
    if groups is not None:
        by_group = divide_groups(groups, labels, fractions, class_names=names, examples="pictures", seed=seed)
        return Made(_cut(pool, by_group), by_group, None)
    keys, num_near = alike(pool.pictures)
    divided = partial(
        divide,
        labels=labels,
        fractions=fractions,
        class_names=names,
        examples="pictures",
        seed=seed,
        across_classes=True,
    )
    note = f"{num_near} pictures have near copies: those that are alike are in the same split." if num_near else None
    try:
        positions = divided(keys)
    except DataError:
        if not num_near:
            raise
        positions = divided(content_keys([pool.pictures]))
        note = f"{num_near} pictures have near copies, which may be in several splits: there are few other pictures."
    return Made(_cut(pool, positions), positions, note)


def make_folds(
    pool: Split,
    num: int,
    *,
    strata: tuple[Labels, Sequence[str]],
    are_classes: bool,
    seed: int,
    groups: Sequence[str] | None = None,
) -> Positions:
    """Divides pictures into folds; identical ones and near copies are in the same, where that leaves enough others.

    Args:
        pool: The pictures.
        num: How many folds.
        strata: As for `make_splits`.
        are_classes: Whether every stratum must be in every fold.
        seed: As for `make_splits`.
        groups: As for `make_splits`.

    Returns:
        The fold of each picture, from 0, shape (n,).

    Raises:
        DataError: there are too few different pictures, or groups of them.
    """
    labels, names = strata
    divided = partial(
        folds.divide,
        strata=labels,
        num=num,
        names=names,
        examples="pictures",
        seed=seed,
        are_classes=are_classes,
        is_grouped=groups is not None,
    )
    if groups is not None:
        return divided(groups)
    keys, num_near = alike(pool.pictures)
    try:
        return divided(keys)
    except DataError:
        if not num_near:
            raise
        return divided(content_keys([pool.pictures]))


def _cut(pool: Split, positions: Mapping[str, Positions]) -> dict[str, Split]:
    return {
        name: Split(picture_arrays.taken(pool.pictures, chosen.tolist()), pool.labels[chosen])
        for name, chosen in positions.items()
    }


def _almost(missing: Sequence[str], names: Sequence[str]) -> str:
    """Says where a class is called otherwise in capitals or spaces only."""
    others = {name.strip().casefold(): name for name in names if name not in missing}
    pairs = [(name, others[plain]) for name in missing if (plain := name.strip().casefold()) in others]
    return "".join(
        f"{name!r} and {other!r} are two names: call them the same if they are one. " for name, other in pairs
    )


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return f"the class{'es' * (len(names) > 1)} {shown}{f' and {len(names) - most} more' * (len(names) > most)}"
