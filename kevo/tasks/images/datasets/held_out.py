"""Pictures to score a model with that is there already: what it answers is given, and no split is made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kevo.errors import DataError
from kevo.tasks.images import picture_arrays
from kevo.tasks.images.datasets.dataset import Split
from kevo.tasks.images.datasets.reading import Found
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.output import Output
from kevo.tasks.splits import SPLITS

ALL = "all"
"""Every picture that a source has, whatever its split."""

_MOST_NAMED = 5


def choose(found: Found, output: Output, *, split: str | None = None) -> tuple[str, Split]:
    """Takes the pictures of one split, with the answers that a model may have for them.

    Classes are matched by name, whatever their order in the source. The source may lack some of the model's.

    Args:
        found: What the source holds.
        output: What the model answers.
        split: `train`, `validation`, `test`, as the source divides its pictures, or `all`. `None` takes the test split
            where the source has one, else all pictures.

    Returns:
        Which split it is, and its pictures.

    Raises:
        DataError: the source has no such split, or answers of another kind, or of a class that the model does not know.

    Example:
        >>> from kevo.tasks.images.datasets.reading import read
        >>> split, digits = choose(read("digits"), Classes(tuple("9876543210")))
        >>> split, len(digits), digits.labels[:3].tolist()
        ('all', 1797, [9, 8, 7])
    """
    given = [name for name in SPLITS if name in found.pictures]
    if split is None:
        split = "test" if "test" in given else ALL
    if split not in (*given, ALL):
        raise DataError(
            f"{found.name} has no {split} split, only: {', '.join(given)}. Choose one of these, or all its pictures "
            f"with {ALL!r}."
        )
    chosen = given if split == ALL else [split]
    pictures = [found.pictures[name] for name in chosen]
    joined = pictures[0] if len(pictures) == 1 else picture_arrays.joined(pictures)
    if not isinstance(output, Classes):
        return split, Split(joined, output.parse([str(one) for name in chosen for one in found.labels[name]]))
    class_names = output.names
    labels = [_name(label, found.class_names) for name in chosen for label in found.labels[name]]
    positions = {name: position for position, name in enumerate(class_names)}
    if unknown := [name for name in dict.fromkeys(labels) if name not in positions]:
        raise DataError(
            f"{found.name} has pictures of {_listed(unknown)}, which the model does not know: it tells apart "
            f"{_listed(class_names)}. Give pictures of its classes, under the names that it has for them."
        )
    return split, Split(joined, np.array([positions[name] for name in labels], np.int64))


def _name(label: int | str, class_names: Sequence[str] | None) -> str:
    if isinstance(label, str) or class_names is None:
        return str(label)
    if not 0 <= label < len(class_names):
        raise DataError(f"The label {label} is no position in the class names: there are {len(class_names)} of them.")
    return class_names[label]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more
