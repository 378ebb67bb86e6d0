"""Counts pictures that stand in several splits, or under several classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kevo.tasks.images.datasets.copies import content_keys, near_pairs
from kevo.tasks.images.datasets.dataset import NOT_REPEATED, Repeated, Repeats, Split
from kevo.tasks.splits import SPLITS

_LARGEST_SHARE = 0.1
"""Of all pictures: so many that are alike are one scene or an empty background, and no copies of each other."""
_ALWAYS_KEPT = 50


def count(splits: Mapping[str, Split], class_names: Sequence[str]) -> Repeats:
    """Compares the pictures of all splits by their content.

    Args:
        splits: The pictures of train, validation and test.
        class_names: The names of the classes; none where the answers are no classes, which may be any for a picture.
    """
    order = [split for split in SPLITS if split in splits]
    parts = [splits[split].pictures for split in order]
    all_keys = iter(content_keys(parts))
    keys = {split: [next(all_keys) for _ in part] for split, part in zip(order, parts, strict=True)}
    is_near = _near_others(parts)
    across: dict[str, Repeated] = {}
    known: set[bytes] = set()
    for place, split in enumerate(order):
        exact = np.array([key in known for key in keys[split]], bool)
        near = is_near[place] & ~exact
        across[split] = Repeated(int(exact.sum()), int(near.sum()), len(exact))
        known |= set(keys[split])
    classes: dict[bytes, set[int]] = {}
    for split in order if class_names else ():
        for key, label in zip(keys[split], splits[split].labels.tolist(), strict=True):
            classes.setdefault(key, set()).add(label)
    twice = [labels for labels in classes.values() if len(labels) > 1]
    example = tuple(class_names[label] for label in sorted(twice[0])[:2]) if twice else ()
    return Repeats(across.get("validation", NOT_REPEATED), across.get("test", NOT_REPEATED), len(twice), example)


def alike(pictures: npt.NDArray[np.uint8]) -> tuple[list[bytes | int], int]:
    """Gives near copies the same key.

    Returns:
        A key for each picture, and how many have a near copy that is not identical.
    """
    # Whoever only shows pages about pictures does without it.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    keys: list[bytes | int] = [*content_keys([pictures])]
    pairs = near_pairs([pictures])
    num = len(pictures)
    links = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(num, num))
    groups = connected_components(links, directed=False)[1]
    sizes = np.bincount(groups, minlength=1)
    is_group = (sizes > 1) & (sizes <= max(_ALWAYS_KEPT, _LARGEST_SHARE * num))
    num_near = 0
    for group in np.flatnonzero(is_group).tolist():
        members = np.flatnonzero(groups == group).tolist()
        if len({keys[member] for member in members}) > 1:
            num_near += len(members)
            for member in members:
                keys[member] = group
    return keys, num_near


def _near_others(parts: list[npt.NDArray[np.uint8]]) -> list[npt.NDArray[np.bool_]]:
    """Marks the pictures of each part that have a near copy in an earlier one."""
    part = np.repeat(np.arange(len(parts)), list(map(len, parts)))
    pairs = near_pairs(parts)
    found = np.zeros(len(part), bool)
    # The second position of a pair is the higher one, and so never in an earlier part.
    found[pairs[part[pairs[:, 0]] < part[pairs[:, 1]], 1]] = True
    return [found[part == number] for number in range(len(parts))]
