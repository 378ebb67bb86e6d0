"""Files that a search's process has, for workers on other machines: by their path where that leads to the same files.

Where it does not, the files are sent. Workers of one user on one machine share what was sent: it lies in one folder,
which goes with the last of them. What workers that were killed have left goes with a later one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
"""What a file holds."""
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Shared:
    """A file, or a folder of files, that workers need.

    Args:
        path: Where it is in the search's process.
        names: The files, by their paths in the folder; one empty name for a file.
        digest: Content hash of them all.
    """

    path: str
    names: tuple[str, ...]
    digest: str

    @classmethod
    def of(cls, path: str | Path) -> Self:
        """Looks at a file or folder.

        Raises:
            OSError: it cannot be read.
        """
        names = _names(Path(path))
        return cls(str(path), names, _digest(Path(path), names))

    def is_here(self) -> bool:
        """Whether the same path leads to the same files in this process."""
        path = Path(self.path)
        try:
            return path.exists() and _names(path) == self.names and _digest(path, self.names) == self.digest
        except OSError:
            return False

    def read(self) -> dict[str, Bytes]:
        """Returns what its files hold, by their names."""
        return {name: np.fromfile(Path(self.path) / name, np.uint8) for name in self.names}


class NodeFolder:
    """A folder of this worker's own on its machine, and the files that it shares with others there.

    It is used as a context manager, and is gone afterwards.

    Raises:
        OSError: the folder for temporary files cannot be written, or somebody else has taken its name there.
    """

    def __enter__(self) -> Self:
        self._root = Path(tempfile.gettempdir(), f"kevo-workers-{os.getuid()}")
        self._root.mkdir(mode=0o700, exist_ok=True)
        status = self._root.lstat()
        if status.st_uid != os.getuid() or status.st_mode & 0o077 or not self._root.is_dir() or self._root.is_symlink():
            raise OSError(f"{self._root} is not this user's own folder. Remove it, or set TMPDIR to another folder.")
        self._lock = (self._root / _LOCK).open("wb")
        self._clear_if_alone()
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self.path = Path(tempfile.mkdtemp(dir=self._root))
        """The worker's own folder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._clear_if_alone()
        self._lock.close()

    def find(self, shared: Shared) -> Path | None:
        """Returns where a shared file or folder is on this machine; `None` where it has to be sent first."""
        if shared.is_here():
            return Path(shared.path)
        place = self._place(shared)
        return place if place.exists() else None

    def put(self, shared: Shared, contents: Mapping[str, Bytes]) -> None:
        """Writes files that were sent, for all workers on this machine.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        folder = Path(tempfile.mkdtemp(dir=self._root))
        path = folder / Path(shared.path).name
        for name in shared.names:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            contents[name].tofile(path / name)
        try:
            folder.rename(self._place(shared).parent)
        except OSError:
            # Another worker was faster.
            shutil.rmtree(folder, ignore_errors=True)
            if not self._place(shared).exists():
                raise

    def _place(self, shared: Shared) -> Path:
        return self._root / shared.digest / Path(shared.path).name

    def _clear_if_alone(self) -> None:
        """Removes all files where no worker lives that could use them."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        for path in self._root.iterdir():
            if path.name != _LOCK:
                shutil.rmtree(path, ignore_errors=True)


def moved(values: Any, places: Mapping[str, str]) -> Any:
    """Returns JSON values in which each string that is one of the paths is the path's new place.

    Example:
        >>> moved({"data": "/a", "weights": [{"path": "/b"}, None]}, {"/b": "/c"})
        {'data': '/a', 'weights': [{'path': '/c'}, None]}
    """
    if isinstance(values, str):
        return places.get(values, values)
    if isinstance(values, Mapping):
        return {name: moved(value, places) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [moved(value, places) for value in values]
    return values


def read_folder(folder: Path) -> dict[str, bytes]:
    """Returns the files of a folder, by their names."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Writes what `read_folder` returned into a new folder below another one, and returns its path."""
    made = Path(tempfile.mkdtemp(dir=folder))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, made, ignore_errors=True)
        for name, content in files.items():
            # What comes from elsewhere stays in its folder.
            (made / Path(name).name).write_bytes(content)
        stack.pop_all()
    return made


def fetch(
    folder: NodeFolder, shared: Iterable[Shared], receive: Callable[[Shared], Mapping[str, Bytes]]
) -> dict[str, str]:
    """Returns where shared files are on this machine, by their paths in the search's process.

    Args:
        folder: The folder of this worker.
        shared: The files.
        receive: Has files sent, and returns what they hold.
    """
    places = {}
    for one in shared:
        if (place := folder.find(one)) is None:
            folder.put(one, receive(one))
            place = folder._place(one)
        places[one.path] = str(place)
    return places


def _names(path: Path) -> tuple[str, ...]:
    if path.is_dir():
        return tuple(sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file()))
    return ("",)


def _digest(path: Path, names: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in names:
        digest.update(f"{name}\0{(path / name).stat().st_size}\0".encode())
        with (path / name).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
