"""Writes the report of a search as one HTML page, or its figures as files.

The page asks nobody for anything, and all that comes from a run folder is text on it: such a folder may come from
someone else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from kevo.errors import RunError, describe_error
from kevo.report import data as data_of_search
from kevo.report import plots
from kevo.report.drawings import drawings
from kevo.report.page import page
from kevo.runs import layout, reader
from kevo.runs.atomic_files import atomic_write_bytes, atomic_write_text


def write(run_folder: str | Path, path: str | Path | None = None, *, data: Any = None) -> Path:
    """Writes the report of a search, also while it runs or when it was interrupted.

    Args:
        run_folder: The folder of the search.
        path: The page. Defaults to `report.html` in the run folder.
        data: The pictures of the search, as for `kevo.search`, for those that were wrongly classified and for
            how many there are of each class. Defaults to where they were; without them the page says so.

    Returns:
        The path of the page.

    Raises:
        RunError: the folder holds no run, or the page cannot be written.

    Example:
        >>> write("kevo-runs/digits-20260101-120000")  # doctest: +SKIP
        PosixPath('kevo-runs/digits-20260101-120000/report.html')
    """
    known = reader.read(run_folder)
    path = known.run_folder / layout.REPORT if path is None else Path(path)
    atomic_write_text(path, page(known, data_of_search.read(known, data)))
    return path


def save_figures(
    run_folder: str | Path, folder: str | Path, *, format: Literal["png", "svg"] = "png"
) -> tuple[list[Path], list[str]]:
    """Writes the figures of a report as files.

    Args:
        run_folder: The folder of the search.
        folder: Where to write.
        format: What kind of files.

    Returns:
        Their paths, and in words which figures could not be drawn.

    Raises:
        RunError: the folder holds no run, or the figures cannot be written.
    """
    paths, failures = [], []
    for drawing in drawings(reader.read(run_folder)):
        try:
            figure = drawing.figure()
            content = plots.png(figure) if format == "png" else plots.svg(figure).encode()
        except RunError:
            raise
        except Exception as error:
            # As on the page: records may come from someone else.
            failures.append(f"{drawing.name}: {describe_error(error)}")
            continue
        path = Path(folder) / f"{drawing.name}.{format}"
        atomic_write_bytes(path, content)
        paths.append(path)
    return paths, failures
