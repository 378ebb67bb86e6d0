"""What `kevo compare` and `kevo evaluate` say of searches, each by a process of its own, kept until a model changes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kevo.errors import RunError
from kevo.runs import layout
from kevo.service.errors import ConflictError, MissingError
from kevo.service.jobs import Job
from kevo.service.root import read_json
from kevo.service.server import Server, find_model, is_plain_file
from kevo.service.tokens import User
from kevo.service.uploads import Upload
from kevo.tasks.registry import DEFAULT


def compared(server: Server, found: Sequence[Job]) -> tuple[str, Any]:
    """Returns how far the comparison of searches is, and what it says, or why it failed.

    Raises:
        RunError: one of them has no model yet.
    """
    newest = max(find_model(server, job).stat().st_mtime for job in found)
    key = ("compare", *(job.id for job in found))
    runs = [server.searches.place(job).run_from(server.root.searches) for job in found]
    # It goes with the first of them.
    output = server.searches.place(found[0]).folder / f"{_name(key)}.json"
    return _answer(server, key, ["compare", "--json", "--", *runs], server.root.searches, output, newest)


def evaluated(server: Server, job: Job, data: str, split: str | None) -> tuple[str, Any]:
    """Returns how far it is to score a model on other data, and its scores, or why it failed.

    Args:
        server: The server.
        job: The search.
        data: Where the data lies, or the name of what kevo brings.
        split: Its part; `None` for the test split, where there is one, else all.

    Raises:
        RunError: there is no model yet.
    """
    place, newest = server.searches.place(job), find_model(server, job).stat().st_mtime
    key = ("evaluate", job.id, data, split or "")
    options = [] if split is None else ["--split", split]
    arguments = ["evaluate", "--json", *options, "--", f"{place.run_from(place.folder)}/{layout.MODEL}", data]
    return _answer(server, key, arguments, place.folder, place.folder / f"{_name(key)}.json", newest)


def fits(server: Server, job: Job, upload: Upload) -> bool:
    """Returns whether an upload is of the kind that the model of a search takes."""
    if upload.is_table or "target" in job.settings:
        return upload.is_table == ("target" in job.settings)
    search = server.settings(job)
    return search is None or search.kind.name == (upload.task or DEFAULT)


def data_path(server: Server, job: Job, data: str, user: User) -> str:
    """Returns where the data lies that a model is to be scored on.

    Raises:
        MissingError: this user has none of that name.
        ConflictError: the model takes other data.
    """
    path = server.data_path(data, user)
    if path is None:
        raise MissingError("There is no such data.")
    upload = server.uploads.get(data, user)
    if upload is not None and not fits(server, job, upload):
        # A model of pictures would look for the files that rows may name, anywhere on this machine.
        holds = {"rows": "a table", "masks": "pictures and masks"}.get(upload.examples, upload.examples)
        raise ConflictError(f"This model takes other data: {upload.name} holds {holds}. Send data as it learned from.")
    return path


def _name(key: Sequence[str]) -> str:
    return f"{key[0]}-{hashlib.sha256(chr(0).join(key).encode()).hexdigest()[:16]}"


def _answer(
    server: Server, key: tuple[str, ...], arguments: Sequence[str], folder: Path, output: Path, newest: float
) -> tuple[str, Any]:
    errand = server.errands.get(key)
    if errand is not None and errand.is_under_way:
        return errand.state, None
    if errand is not None and errand.state == "failed":
        # Whoever asks once more has it tried once more.
        server.errands.drop(key)
        return "failed", server.without_paths(errand.words)
    if is_plain_file(output) and output.stat().st_mtime >= newest:
        try:
            return "done", read_json(output)
        except RunError:
            output.unlink(missing_ok=True)
    return server.errands.begin(key, arguments, folder=folder, output=output).state, None
