"""Labels become numbers, and missing splits are taken out of the training pictures."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError
from kevo.system import array_buffers
from kevo.tasks.images.datasets.dataset import Split, natural

Labels = npt.NDArray[np.int64]


def number_labels(
    labels: Mapping[str, Sequence[str] | Sequence[int]], class_names: Sequence[str] | None
) -> tuple[dict[str, Labels], tuple[str, ...]]:
    """Gives each class its position in the class names.

    Args:
        labels: Integers or strings of each split.
        class_names: The names in order, integers being positions in it; `None` takes the training labels as names, in
            natural order.

    Returns:
        The positions of each split, and the class names.

    Raises:
        DataError: there are fewer than two classes, or a label is no class of the training pictures.
    """
    found: set[Any] = set(labels["train"])
    named = any(isinstance(value, str) for value in found)
    values: Sequence[Any]
    if class_names is None:
        values = sorted(found, key=natural if named else None)
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
            f"There is no picture to train on of {_listed(missing)}. Add some that can be read, or remove the class."
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


def make_splits(
    pool: Split, fractions: Mapping[str, float], *, class_names: Sequence[str], seed: int
) -> dict[str, Split]:
    """Takes new splits out of the training pictures, the same part of every class.

    Each class keeps at least one picture in every split. Identical pictures of a class stay together, since one of
    them would give the other away. The order of the pictures stays.

    Args:
        pool: The pictures to divide.
        fractions: For each new split, its part of the pool.
        class_names: The names of the classes.
        seed: The same seed divides the same pictures alike.

    Returns:
        The new splits, and `train` with what is left.

    Raises:
        DataError: a class has too few different pictures.
    """
    members: dict[tuple[int, bytes], list[int]] = {}
    for position, (picture, label) in enumerate(zip(pool.pictures, pool.labels.tolist(), strict=True)):
        members.setdefault((label, hashlib.blake2b(picture.data, digest_size=16).digest()), []).append(position)
    groups = list(members.values())
    labels = np.array([label for label, _ in members])
    rng = np.random.default_rng(seed)
    taken: dict[str, list[int]] = {name: [] for name in ("train", *fractions)}
    for label, class_name in enumerate(class_names):
        shuffled = rng.permutation(np.flatnonzero(labels == label)).tolist()
        num_different = len(shuffled)
        if num_different < len(taken):
            raise DataError(
                f"The class {class_name!r} has too few different pictures: {num_different}. Expected at least "
                f"{len(taken)}, one each for {', '.join(taken)}. Add pictures, or remove the class."
            )
        for num_waiting, (name, fraction) in zip(range(len(fractions), 0, -1), fractions.items(), strict=True):
            num_taken = min(max(1, round(fraction * num_different)), len(shuffled) - num_waiting)
            taken[name] += shuffled[:num_taken]
            shuffled = shuffled[num_taken:]
        taken["train"] += shuffled
    positions = {
        name: sorted(itertools.chain.from_iterable(groups[index] for index in chosen)) for name, chosen in taken.items()
    }
    return {
        name: Split(array_buffers.taken(pool.pictures, chosen), pool.labels[chosen])
        for name, chosen in positions.items()
    }


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return f"the class{'es' * (len(names) > 1)} {shown}{f' and {len(names) - most} more' * (len(names) > most)}"
