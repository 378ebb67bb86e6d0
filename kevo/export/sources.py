"""Which model is exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kevo.errors import ModelError, SettingsError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks import saved_model

MODELS = {"best": layout.MODEL, "ensemble": layout.ENSEMBLE}
"""The files of a run folder's models, by what they are called."""


@dataclass(frozen=True, slots=True)
class Source:
    """A model on disk.

    Args:
        path: Its `.keras` file.
        folder: The folder that it belongs to.
        run: The search that it comes from, where there is one.
    """

    path: Path
    folder: Path
    run: Run | None


def find(path: Path, *, model: str) -> Source:
    """Finds a model.

    Args:
        path: A run folder, or a `.keras` file.
        model: Which one of a run folder.

    Raises:
        ModelError: there is no such model.
        RunError: the folder is no run folder, or holds what none does.
        SettingsError: `model` is unknown, or chooses in what is no folder.
    """
    if model not in MODELS:
        raise SettingsError(f"Unknown model {model!r}. Expected one of: {', '.join(MODELS)}.")
    if path.is_dir():
        run = Run.open(path)
        file = path / MODELS[model]
        if model == "best":
            file = saved_model.model_file(path)
        elif not file.is_file():
            raise ModelError(
                f"{path} holds no {file.name}: its search found none that is better than {layout.MODEL} alone."
            )
        return Source(file, path, run)
    if model != "best":
        raise SettingsError(f"{path} is one model, and {model!r} chooses in a run folder. Name the run folder.")
    home = saved_model.home(path)
    return Source(path, home, Run.open(home) if (home / layout.SETTINGS).exists() else None)
