"""Keeps two processes from searching in one folder.

The lock is a file that only those may open who may write into the folder: whoever opens a file can lock it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME = ".lock"
_WRITERS = 0o222


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds a folder's lock, a file in it that stays, which goes with the process, however that ends.

    Where the folder is missing, or its file system has no locks, nothing is held.

    Args:
        folder: The folder.

    Raises:
        RuntimeError: Another search is at work in the folder.
    """
    try:
        writers = folder.stat().st_mode & _WRITERS
        # Who may write may read.
        mode = writers | writers << 1
        descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, mode)
    except OSError:
        yield
        return
    try:
        # The file may be older, or of a user with another mask.
        with suppress(OSError):
            os.fchmod(descriptor, mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(
                f"Another search is at work in {folder}, expected none: two would train the same trials. Wait for it, "
                "or choose another `project_name`."
            ) from error
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)
