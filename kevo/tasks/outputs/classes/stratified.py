"""Divides examples into splits, the same part of every class."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

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
) -> dict[str, Positions]:
    """Divides examples, the same part of every class.

    Each class keeps at least one example in every split. Identical examples of a class stay together, since one of
    them would give the other away.

    Args:
        keys: For each example its content or a hash of it: equal only for identical examples.
        labels: Their classes, as positions in the class names, shape (n,).
        fractions: For each new split, its part of the examples.
        class_names: The names of the classes.
        examples: What the examples are called, such as "pictures".
        seed: The same seed divides the same examples alike.

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
    members: dict[tuple[int, Hashable], list[int]] = {}
    for position, key in enumerate(zip(labels.tolist(), keys, strict=True)):
        members.setdefault(key, []).append(position)
    groups = list(members.values())
    group_labels = np.array([label for label, _ in members])
    rng = np.random.default_rng(seed)
    taken: dict[str, list[int]] = {name: [] for name in ("train", *fractions)}
    for label, class_name in enumerate(class_names):
        shuffled = rng.permutation(np.flatnonzero(group_labels == label)).tolist()
        num_different = len(shuffled)
        if num_different < len(taken):
            raise DataError(
                f"The class {class_name!r} has too few different {examples}: {num_different}. Expected at least "
                f"{len(taken)}, one each for {', '.join(taken)}. Add {examples}, or remove the class."
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
