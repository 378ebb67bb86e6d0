"""Whether the files that a search has handed over are whole. It loads what reads them: NumPy and Pillow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from kevo.runs import checksums, layout, reader
from kevo.runs.atomic_files import RESTORE, describe_damage
from kevo.runs.atomic_files import read as read_bytes
from kevo.runs.folder import Run


def damaged_files(run: Run) -> dict[str, str]:
    """Returns which files that a search has handed over are damaged, by their names, and why."""
    whole: dict[str, Callable[[Path], object]] = {
        layout.LABELS: lambda path: reader.read_class_names(run),
        layout.TASK: lambda path: run.read_json(layout.TASK),
        layout.RESULT: lambda path: reader.read_outcome(run),
        layout.MODEL_CARD: _check_card,
        layout.TEST_PREDICTIONS: lambda path: np.lib.format.open_memmap(path, mode="r"),
        layout.MODEL: _check_model,
        layout.ENSEMBLE: _check_model,
    }
    whole |= {str(path.relative_to(run.path)): _check_figure for path in (run.path / layout.PLOTS).glob("*.png")}
    found: dict[str, str] = {}
    for name, check in whole.items():
        if (path := run.path / name).is_file():
            try:
                check(path)
            except Exception as error:
                # NumPy and Pillow meet broken files with errors of every kind.
                reason = describe_damage(error).removeprefix(f"{path} is damaged: ").removesuffix(RESTORE)
                found[name] = reason.rstrip(".")
    return found


def _check_card(path: Path) -> None:
    if not read_bytes(path).decode().endswith(f"{layout.CARD_END}\n"):
        raise ValueError("its end is missing")


def _check_model(path: Path) -> None:
    if (reason := checksums.flaw(path)) is not None:
        raise ValueError(reason)


def _check_figure(path: Path) -> None:
    with Image.open(path) as figure:
        figure.verify()
