"""Run folders that the command made, shown beside the searches of the server. Nothing is written into them unasked."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

from kevo.errors import KevoError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.service import jobs
from kevo.service.jobs import Job, Place
from kevo.service.tokens import OWNER
from kevo.system.text import printable


def find(folders: Sequence[Path], known: Container[str]) -> Iterator[Job]:
    """Yields the run folders in some folders, or these themselves, as searches of the owner.

    Args:
        folders: Where they lie.
        known: The names of searches that are known already.
    """
    for folder in folders:
        for path in _run_folders(folder):
            name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
            if name not in known:
                with contextlib.suppress(KevoError, OSError):
                    yield _job(name, path)


def look(job: Job, place: Place) -> tuple[str, str]:
    """Returns the state of a search that the command began, and what there is to say of it."""
    try:
        if Run.open(place.run, without=layout.SEARCH).is_busy:
            return (jobs.STOPPING if (place.run / layout.STOP).exists() else jobs.RUNNING), ""
    except KevoError as error:
        return jobs.FAILED, str(error)
    state, words = jobs.verdict(job, place, None)
    return (jobs.STOPPED if state == jobs.LOST else state), words


def changed(place: Place) -> tuple[Any, ...]:
    """Returns what changes whenever `look` may answer something else."""
    found: list[Any] = []
    with contextlib.suppress(KevoError):
        found.append(Run(place.run, {}).is_busy)
    for name in (layout.SETTINGS, layout.RESULT, layout.FAILURE, layout.STOP):
        try:
            found.append((place.run / name).stat().st_mtime_ns)
        except OSError:
            found.append(None)
    return tuple(found)


def _run_folders(folder: Path) -> Iterator[Path]:
    if (folder / layout.SETTINGS).is_file():
        yield folder
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and os.path.isfile(os.path.join(entry.path, layout.SETTINGS)):
                yield Path(entry.path)


def _job(name: str, path: Path) -> Job:
    run = Run.open(path, without=layout.SEARCH)
    began = (path / layout.SETTINGS).stat().st_mtime
    target = run.search_settings().options.get("target")
    return Job(
        id=name,
        name=printable(path.name),
        owner=OWNER,
        data="",
        data_name=printable(Path(str(run.settings.get("data") or "")).name),
        # Only what tells pictures from tables: the rest stands in its own settings.
        settings={} if target is None else {"target": str(target)},
        position=began,
        created=began,
        run=str(path.absolute()),
    )
