"""Where an export goes, and how it gets there whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from kevo.errors import SettingsError
from kevo.export.formats import Format
from kevo.export.sources import Source
from kevo.runs import layout
from kevo.runs.atomic_files import atomic_write_text, loads, writing

_SAVED_MODEL = "saved_model.pb"


def place(source: Source, row: Format, *, quantize: str, out: Path | None) -> Path:
    """Returns where an export is to be written; what is there already gives way only if it is its like.

    Args:
        source: The model.
        row: Its new format.
        quantize: How its numbers are stored.
        out: Where the user wants it; `None` for the folder `exports` beside the model.

    Raises:
        SettingsError: something else is in the way.
    """
    if out is None:
        folder = source.folder / layout.EXPORTS
        if folder.is_symlink():
            raise SettingsError(f"{folder} is a link, which may lead anywhere. Say where to write: --out PATH.")
        return folder / f"{source.path.stem}{'' if quantize == 'none' else f'-{quantize}'}{row.suffix}"
    if not row.is_folder and out.suffix != row.suffix:
        raise SettingsError(f"{out} does not end in {row.suffix}, as files of the format {row.name} do. Rename it.")
    if source.run is not None and out.parent.resolve() == source.folder.resolve():
        raise SettingsError(f"{out} lies in the run folder, whose files are the search's own. Name another folder.")
    if out.resolve() == source.path.resolve():
        raise SettingsError(f"{out} is the model itself. Name another place.")
    is_alike = (out / _SAVED_MODEL).is_file() if row.is_folder else not out.is_dir()
    if os.path.lexists(out) and not is_alike:
        raise SettingsError(f"{out} is there already, and is no {row.name}. Remove it, or name another place.")
    return out


def labels_place(path: Path, class_names: Sequence[str] | None) -> Path | None:
    """Returns where the names of an export's classes are to be written; `None` if there are none.

    Raises:
        SettingsError: another model's are there.
    """
    if class_names is None:
        return None
    labels = path.parent / layout.LABELS
    if os.path.lexists(labels):
        with contextlib.suppress(OSError, ValueError):
            if loads(labels.read_bytes()) == list(class_names):
                return labels
        raise SettingsError(f"{labels} holds the classes of another model. Write to another folder: --out PATH.")
    return labels


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Lends a path of the same name on the same file system, and removes what is still there at the end.

    Raises:
        RunError: nothing can be written there.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent, ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name, path.name)


def put(temporary: Path, path: Path, class_names: Sequence[str] | None) -> None:
    """Puts a finished export in its place, and the names of its classes beside it.

    Raises:
        RunError: the system refuses.
    """
    with writing(path):
        for file in files(temporary):
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        if path.is_dir() and not path.is_symlink():
            # No folder takes the place of a full one; the old one goes with the temporary folder.
            path.replace(temporary.with_name("replaced"))
        temporary.replace(path)
    if class_names is not None:
        atomic_write_text(path.parent / layout.LABELS, json.dumps(list(class_names), indent=2) + "\n")


def files(path: Path) -> list[Path]:
    """Returns the files that an export consists of."""
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
