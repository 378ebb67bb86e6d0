"""The class names of a saved classifier, from a file that may come from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

from kevo.errors import ModelError, os_reason
from kevo.runs import layout
from kevo.tasks.saved_model import home


def labels_file(path: Path) -> Path:
    """Returns where a search left the names of a model's classes.

    Args:
        path: The model's file.

    Raises:
        ModelError: there is no such file.
    """
    labels = home(path) / layout.LABELS
    if not labels.is_file():
        raise ModelError(f"{path} has no {layout.LABELS} beside it. Name its classes: --labels FILE.")
    return labels


def read_labels(path: Path) -> tuple[str, ...]:
    """Reads the names of classes: a `.json` list, or a text with one in each line.

    Raises:
        ModelError: the file cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
        names = json.loads(text) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"Cannot read class names from {path}: {os_reason(error)}.") from error
    fits = isinstance(names, list) and all(isinstance(name, str) and name.strip() for name in names)
    if not fits or len(set(names)) < len(names):
        raise ModelError(
            f"{path} holds no class names. Expected a list of different names: in JSON, or in a text one in each line."
        )
    return tuple(names)
