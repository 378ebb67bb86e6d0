"""Opens model files and the names of their classes, whoever they come from."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import keras

from kevo.errors import ModelError, os_reason
from kevo.runs import layout
from kevo.system.text import printable

_SUFFIX = ".keras"
_LONGEST_REASON = 200


def model_file(path: Path) -> Path:
    """Returns the model that a path means: a run folder means its best one.

    Raises:
        ModelError: the folder has none.
    """
    if not path.is_dir():
        return path
    if not (path / layout.MODEL).is_file():
        raise ModelError(
            f"{path} holds no {layout.MODEL}. Name a {_SUFFIX} file, or the folder of a search that has ended."
        )
    return path / layout.MODEL


def home(path: Path) -> Path:
    """Returns the folder that a model belongs to, in which a search leaves what it knows of it."""
    return path.parent.parent if path.parent.name == layout.CHECKPOINTS else path.parent


def labels_file(path: Path) -> Path:
    """Returns where a search left the names of a model's classes.

    Raises:
        ModelError: there is no such file.
    """
    labels = home(path) / layout.LABELS
    if not labels.is_file():
        raise ModelError(f"{path} has no {layout.LABELS} beside it. Name its classes: --labels FILE.")
    return labels


def load_model(path: Path) -> keras.Model:
    """Loads a model for use; nothing in its file is executed.

    Raises:
        ModelError: there is none, it is damaged, wants to run code of its own, or has layers that Keras does not bring.
    """
    if not path.is_file():
        raise ModelError(f"There is no model {path}. Name a {_SUFFIX} file, or the folder of a search.")
    if path.suffix != _SUFFIX or not zipfile.is_zipfile(path):
        raise ModelError(
            f"{path} is no {_SUFFIX} file. Expected a model that Keras saved as such: model.save('model{_SUFFIX}')."
        )
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Whatever may be wrong with a file that may come from anybody.
        if "code execution" in str(error):
            raise ModelError(
                f"{path} is refused: it holds code, in a Lambda layer or its like, that would run here. Build the "
                "model from layers without code of their own."
            ) from error
        raise ModelError(
            f"Cannot open {path} as a model: {_reason(error)}. Save it anew from layers that Keras brings."
        ) from error
    if not isinstance(model, keras.Model) or not model.built:
        raise ModelError(f"{path} holds no model, but a {type(model).__name__}. Expected a classifier of pictures.")
    return model


def read_labels(path: Path) -> list[str]:
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
    return names


def _reason(error: Exception) -> str:
    # Keras tells at length what it was at, and at the end what was wrong.
    words = str(error).rpartition("Exception encountered: ")[2].strip() or type(error).__name__
    # The file may have put control characters in it.
    return printable(words.splitlines()[0].split(". ")[0].rstrip(".")[:_LONGEST_REASON])
