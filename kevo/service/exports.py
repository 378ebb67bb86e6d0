"""The models of searches in other formats, each written and checked by `kevo export` in a process of its own."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

from kevo.errors import RunError
from kevo.export.formats import FORMATS
from kevo.runs import layout
from kevo.service.jobs import Job
from kevo.service.root import read_json
from kevo.service.server import Server, find_model, is_plain_file


@dataclass(frozen=True)
class Kind:
    """A format that can be asked for.

    Args:
        format: Its name, as for `kevo export`.
        quantize: How its numbers are stored.
        model: `best` or `ensemble`.
    """

    format: str
    quantize: str = "none"
    model: str = "best"

    @property
    def name(self) -> str:
        """The name of its file."""
        stored = "" if self.quantize == "none" else f"-{self.quantize}"
        return f"{self.model}{stored}{FORMATS[self.format].suffix}"


MODELS = {"best": layout.MODEL, "ensemble": layout.ENSEMBLE}
"""The models that can be written, and their files."""
KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(row.name, quantize, model)
        for model in MODELS
        for row in FORMATS.values()
        # A folder is no download, and Keras's own format is the model itself.
        if not row.is_folder and row.name != "keras"
        for quantize in row.quantizations
    )
}
"""What can be asked for, by the names of their files."""


@functools.cache
def available() -> list[str]:
    """Returns the names of what can be written here: some formats need packages that may be missing."""
    return [
        name
        for name, kind in KINDS.items()
        if all(util.find_spec(package) is not None for package in FORMATS[kind.format].packages)
    ]


def offered(server: Server, job: Job) -> list[str]:
    """Returns the names of what can be written of a search: not every one has an ensemble."""
    names = server.files(job)
    return [name for name in available() if MODELS[KINDS[name].model] in names]


def path_of(server: Server, job: Job, name: str) -> Path:
    """Returns where an export lies, whether it is there or not."""
    return server.searches.place(job).folder / layout.EXPORTS / name


def listed(server: Server, job: Job) -> list[dict[str, Any]]:
    """Returns what was asked for, with its state, and what `kevo export` has found of it."""
    found: list[dict[str, Any]] = []
    for name in KINDS:
        errand, path = server.errands.get(("export", job.id, name)), path_of(server, job, name)
        if errand is not None and errand.state != "done":
            found.append({"name": name, "state": errand.state, "words": server.without_paths(errand.words)})
        elif is_current(server, job, name):
            found.append({"name": name, "state": "done", "bytes": path.stat().st_size, **_facts(path)})
    return found


def is_current(server: Server, job: Job, name: str) -> bool:
    """Returns whether there is an export of the model as it is now."""
    path = path_of(server, job, name)
    try:
        model = find_model(server, job, MODELS[KINDS[name].model])
        return is_plain_file(path) and path.stat().st_mtime >= model.stat().st_mtime
    except RunError:
        return False


def begin(server: Server, job: Job, name: str) -> None:
    """Begins to write an export, if it is not there already.

    Raises:
        RunError: there is no such model yet.
    """
    kind, place = KINDS[name], server.searches.place(job)
    find_model(server, job, MODELS[kind.model])
    if is_current(server, job, name):
        return
    path = path_of(server, job, name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    arguments = ["export", "--format", kind.format, "--quantize", kind.quantize]
    arguments += ["--model", kind.model, "--out", f"{path.parent.name}/{name}", "--", place.run_from(place.folder)]
    server.errands.begin(("export", job.id, name), arguments, folder=place.folder, output=_facts_file(path))


def _facts_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _facts(path: Path) -> dict[str, Any]:
    """Returns how fast an export is and how much it differs from the model, as far as that is known."""
    try:
        values = read_json(_facts_file(path))
    except RunError:
        return {}
    return {name: value for name, value in values.items() if isinstance(value, int | float)}
