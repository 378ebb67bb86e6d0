"""The folder of a server: uploads, searches and tokens. The names of its files stand here only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any, Self

from kevo.errors import RunError, os_reason
from kevo.runs import layout
from kevo.runs.atomic_files import atomic_write_text, dumps, loads, writing
from kevo.runs.atomic_files import read as read_bytes

_ID = re.compile(r"[0-9a-f]{16}")


def new_id() -> str:
    """Returns a random name of 64 bits."""
    return secrets.token_hex(8)


def is_id(text: str) -> bool:
    """Returns whether a text has the form of such a name; nothing else ever becomes a part of a path."""
    return _ID.fullmatch(text) is not None


class Root:
    """The folder of a server, and where everything in it lies.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.uploads = self.path / "data"
        self.searches = self.path / "jobs"
        self.partial = self.path / "tmp"
        self.tokens = self.path / "tokens.json"
        self.sign_ins = self.path / "sessions.json"
        self._lock: int | None = None

    def upload(self, name: str) -> Path:
        """Returns the folder of an upload."""
        return self.uploads / _checked(name)

    def search(self, name: str) -> Path:
        """Returns the folder of a search."""
        return self.searches / _checked(name)

    def __enter__(self) -> Self:
        """Makes the folder, for its owner only, keeps other servers out, and removes half uploads.

        Raises:
            RunError: another server is at work there, or the folder cannot be written.
        """
        with writing(self.path):
            for folder in (self.path, self.uploads, self.searches):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / layout.LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(self._lock)
                raise RunError(
                    f"Another kevo serve is at work in {self.path} ({os_reason(error)}). Stop it, or give another "
                    "--root."
                ) from error
            shutil.rmtree(self.partial, ignore_errors=True)
            self.partial.mkdir(mode=0o700, exist_ok=True)
        return self

    def __exit__(self, *error: object) -> None:
        if self._lock is not None:
            os.close(self._lock)

    @property
    def num_free(self) -> int:
        """The bytes that are free on the disk."""
        return shutil.disk_usage(self.path).free


def num_bytes(folder: Path) -> int:
    """Returns the size of all files in a folder."""
    found = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                found += os.lstat(os.path.join(parent, name)).st_size
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        RunError: there is none, or it is damaged.
    """
    try:
        values = loads(read_bytes(path))
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}.") from error
    if not isinstance(values, dict):
        raise RunError(f"{path} is damaged: expected a JSON object.")
    return values


def write_json(path: Path, values: dict[str, Any], *, indent: int | None = 2) -> None:
    """Writes a JSON object, whole or not at all, for the owner only.

    Args:
        path: The file.
        values: The object.
        indent: Spaces at the begin of inner lines; `None` for one line.

    Raises:
        RunError: it cannot be written.
    """
    atomic_write_text(path, dumps(values, indent=indent) + "\n")
    with writing(path):
        path.chmod(0o600)


def _checked(name: str) -> str:
    if not is_id(name):
        raise RunError(f"{name!r} is no name of an upload or a search.")
    return name
