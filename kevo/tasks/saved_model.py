"""Model files: where a search leaves them, which task they belong to, and how to load them safely."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kevo.errors import ModelError
from kevo.runs import checksums, layout
from kevo.runs.atomic_files import loads
from kevo.system import memory, model_files, model_sizes
from kevo.system.text import printable
from kevo.tasks.protocols.kind import AnyKind
from kevo.tasks.registry import AUTO, TASKS, kind_of

if TYPE_CHECKING:
    import keras

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
    """Returns the folder of a model's search, or the folder that the model is in."""
    return path.parent.parent if path.parent.name == layout.CHECKPOINTS else path.parent


def kind_of_model(path: Path) -> AnyKind:
    """Returns the task of a model.

    The settings of its run folder say which, or else the `task.json` beside it. Where neither does, it is the first
    task of the table.

    Args:
        path: A run folder, or a `.keras` file.

    Raises:
        ModelError: this kevo has no such task.
    """
    folder = path if path.is_dir() else home(path)
    for values in (_values(folder / layout.SETTINGS).get("search"), _values(folder / layout.TASK)):
        name = values.get("task", AUTO) if isinstance(values, dict) else AUTO
        if name == AUTO:
            continue
        if not isinstance(name, str) or name not in TASKS:
            raise ModelError(
                f"{path} is a model of the task {printable(str(name))!r}. Expected one of: {', '.join(TASKS)}. Use a "
                "version of kevo that has it."
            )
        return kind_of(name)
    return kind_of(next(iter(TASKS)))


def load_model(path: Path, *, expected: str) -> keras.Model:
    """Loads a model for use; nothing in its file is executed.

    Args:
        path: Its `.keras` file.
        expected: What to ask for where the file holds something else, such as `a classifier of pictures`.

    Raises:
        ModelError: there is none, it is damaged, wants to run code of its own, or has layers that Keras does not bring.
    """
    import keras

    if not path.is_file():
        raise ModelError(f"There is no model {path}. Name a {_SUFFIX} file, or the folder of a search.")
    if path.suffix != _SUFFIX or not zipfile.is_zipfile(path):
        raise ModelError(
            f"{path} is no {_SUFFIX} file. Expected a model that Keras saved as such: model.save('model{_SUFFIX}')."
        )
    _check_archive(path, expected)
    try:
        model = model_files.load(path, limit=memory.usable())
    except model_sizes.ModelSizeError as error:
        raise ModelError(f"{path} {error}") from None
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
        raise ModelError(f"{path} holds no model, but a {type(model).__name__}. Expected {expected}.")
    return model


def _check_archive(path: Path, expected: str) -> None:
    """Refuses a model file that is damaged, or unpacks to more than memory holds.

    Raises:
        ModelError: it is one.
    """
    try:
        model_sizes.check_archive(path, memory.usable())
    except model_sizes.ModelSizeError as error:
        raise ModelError(f"{path} {error}") from None
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise ModelError(f"Cannot open {path} as a model: {_reason(error)}. Expected {expected}.") from error
    if (flaw := checksums.flaw(path)) is not None:
        raise ModelError(f"Cannot open {path} as a model: {printable(flaw)[:_LONGEST_REASON]}. Restore the file.")


def _values(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file; an empty one where it is missing or damaged."""
    values = None
    # A pipe would be waited for.
    if path.is_file():
        with contextlib.suppress(OSError, ValueError):
            values = loads(path.read_bytes())
    return values if isinstance(values, dict) else {}


def _reason(error: Exception) -> str:
    # Keras tells at length what it was at, and at the end what was wrong.
    words = str(error).rpartition("Exception encountered: ")[2].strip() or type(error).__name__
    # The file may have put control characters in it.
    return printable(words.splitlines()[0].split(". ")[0].rstrip(".")[:_LONGEST_REASON])
