"""Arrays in a folder, each computed once and shared by all processes from then on.

    KEY.npy         an array, with a checksum of the file and its name behind it; locked while it is in use
    .partial-KEY    an array that is being computed; locked by whoever does it

Locks are the system's own (flock): it lets go of them however their holder ends. What a killed writer leaves behind has
the name of no array, and the next writer begins it anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import math
import mmap
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from kevo.errors import os_reason

_Array = npt.NDArray[Any]

_CHECKSUM_BYTES = 32
_PARTIAL = ".partial-"
_OURS = re.compile(r"[0-9a-f]{40}\.npy|\.partial-[0-9a-f]{40}")
_POLL_SECONDS = 0.05
_TRIAL_BYTES = 1024**2
# No link leads to another file, and nothing that is no file at all makes anybody wait.
_CAREFUL = os.O_NOFOLLOW | os.O_NONBLOCK


class ArrayStore:
    """Arrays by key, in a folder that threads, processes and later runs share.

    Args:
        folder: Where the arrays are kept; made, for its owner only, when the first one is. Other files in it are left
            alone.
        max_bytes: How much the arrays may take together, in bytes. Beyond that the least recently used goes first,
            and what is in use stays.
        note: Is told, once, that nothing can be kept and why.

    Example:
        >>> import tempfile
        >>> store = ArrayStore(Path(tempfile.mkdtemp()))
        >>> store.once("squares", lambda: np.arange(4) ** 2, num_rows=4).tolist()
        [0, 1, 4, 9]
        >>> store.once("squares", lambda: 1 / 0, num_rows=4).tolist()
        [0, 1, 4, 9]
    """

    def __init__(
        self, folder: Path, *, max_bytes: int = 4 * 1024**3, note: Callable[[str], object] = lambda text: None
    ) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._note = note
        self._has_noted = False

    def once(
        self, key: str, compute: Callable[[], _Array], *, num_rows: int, wait: Callable[[], None] = lambda: None
    ) -> _Array:
        """Returns the array of a key, and computes it if it is not there yet.

        Where the folder cannot be written, the array is computed and not kept.

        Args:
            key: Stands for one content, of any length.
            compute: Computes the array, of numbers and at least one dimension.
            num_rows: The array's length. What is stored under the key and has another is computed anew.
            wait: Is called now and then while another thread or process computes the array; what it raises ends the
                wait.

        Returns:
            The array, not to be written to. What is stored is mapped into memory and counts as in use as long as the
            array lives.
        """
        name = _name(key)
        while True:
            try:
                if (stored := self._read(name, num_rows)) is not None:
                    return stored
                partial = self._claim(name)
                break
            except BlockingIOError:
                wait()
                time.sleep(_POLL_SECONDS)
            except OSError as error:
                self._tell(error)
                return compute()
        try:
            # Another may have finished just before.
            stored = self._read(name, num_rows)
            return self._keep(name, partial, compute()) if stored is None else stored
        finally:
            _abandon(self.folder / f"{_PARTIAL}{name}", partial)

    def has(self, key: str) -> bool:
        """Tells whether there is an array of a key, without checking its content."""
        return (self.folder / f"{_name(key)}.npy").is_file()

    def remove(self, key: str) -> None:
        """Removes the array of a key, unless it is in use."""
        _remove_unused(self.folder / f"{_name(key)}.npy")

    def try_out(self) -> None:
        """Finds out whether the folder can be written, and notes if not; other processes stay silent."""
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.write(bytes(_TRIAL_BYTES))
        except OSError as error:
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        if not self._has_noted:
            self._has_noted = True
            self._note(
                f"Nothing is kept in {self.folder}: {os_reason(error)}. Make room or permit writing there, or "
                "name another folder."
            )

    def _claim(self, name: str) -> BinaryIO:
        """Returns the file to write an array to, locked.

        Raises:
            BlockingIOError: another has it, or has just had it.
            OSError: the folder cannot be written.
        """
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        path = self.folder / f"{_PARTIAL}{name}"
        if path.is_symlink():
            path.unlink(missing_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | _CAREFUL, 0o600), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it meanwhile has finished it or given it up.
            if not _is_at(path, file):
                raise BlockingIOError
        except BaseException:
            file.close()
            raise
        return file

    def _keep(self, name: str, partial: BinaryIO, array: _Array) -> _Array:
        """Writes an array, and returns it as it is stored, or as it was where it cannot be."""
        array = np.ascontiguousarray(array)
        if array.nbytes > self._max_bytes:
            return array
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
        try:
            # A killed writer's beginning.
            partial.truncate(0)
            for part in (header.getvalue(), array.data, _checksum(name, header.getvalue(), array.data)):
                partial.write(part)
            partial.flush()
            os.fsync(partial.fileno())
            os.replace(self.folder / f"{_PARTIAL}{name}", self.folder / f"{name}.npy")
            fcntl.flock(partial, fcntl.LOCK_UN)
            stored = self._read(name, len(array))
            self._tidy()
        except OSError as error:
            self._tell(error)
            return array
        return array if stored is None else stored

    def _read(self, name: str, num_rows: int) -> _Array | None:
        """Returns a stored array, mapped into memory; `None` if there is none or its checksum is wrong."""
        try:
            descriptor = os.open(self.folder / f"{name}.npy", os.O_RDONLY | _CAREFUL)
            with os.fdopen(descriptor, "rb") as file:
                # The mapping keeps the file open and so the lock: what is in use stays as long as the array lives.
                fcntl.flock(file, fcntl.LOCK_SH)
                array = _parse(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ), name, num_rows)
                with contextlib.suppress(OSError):
                    os.utime(descriptor)
                return array
        except (OSError, ValueError):
            return None

    def _tidy(self) -> None:
        """Removes the files of killed writers, and the least recently used arrays beyond the limit."""
        arrays = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if not _OURS.fullmatch(entry.name):
                    continue
                if entry.name.startswith(_PARTIAL):
                    _remove_unused(Path(entry.path))
                    continue
                with contextlib.suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    arrays.append((facts.st_mtime_ns, facts.st_size, Path(entry.path)))
        excess = sum(size for _, size, _ in arrays) - self._max_bytes
        for _, size, path in sorted(arrays):
            if excess > 0 and _remove_unused(path):
                excess -= size


def _name(key: str) -> str:
    return hashlib.blake2b(key.encode(), digest_size=20).hexdigest()


def _parse(content: mmap.mmap, name: str, num_rows: int) -> _Array:
    """Finds the array in a file's content.

    Raises:
        ValueError: the content is not what was written under this name, or has another number of rows.
    """
    body, checksum = memoryview(content)[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if _checksum(name, body) != checksum:
        raise ValueError("damaged")
    if np.lib.format.read_magic(content) != (1, 0):
        raise ValueError("not of this version")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(content)
    start = content.tell()
    if is_fortran or dtype.hasobject or not shape or shape[0] != num_rows:
        raise ValueError("not the array that is expected")
    if start + math.prod(shape) * dtype.itemsize != len(body):
        raise ValueError("not of the length that is expected")
    return np.ndarray(shape, dtype, buffer=content, offset=start)


def _checksum(name: str, *parts: bytes | memoryview) -> bytes:
    # With the name, an array under another one's name is damage too.
    digest = hashlib.blake2b(name.encode(), digest_size=_CHECKSUM_BYTES)
    for part in parts:
        digest.update(part)
    return digest.digest()


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _abandon(path: Path, file: BinaryIO) -> None:
    """Lets go of a file that was claimed, and removes it if it is still where it was."""
    with contextlib.suppress(OSError):
        if _is_at(path, file):
            path.unlink()
    # Closing tries once more to write what a full disk has refused.
    with contextlib.suppress(OSError):
        file.close()


def _remove_unused(path: Path) -> bool:
    """Removes a file unless it is locked, and tells whether it did."""
    try:
        with os.fdopen(os.open(path, os.O_RDWR | _CAREFUL), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_same := _is_at(path, file):
                path.unlink()
            return is_same
    except OSError:
        return False
