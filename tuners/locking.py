"""Keeps two processes from searching in one folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds a folder's lock, which goes with the process, however that ends.

    Where the folder is missing, or its file system has no locks, nothing is held.

    Args:
        folder: The folder.

    Raises:
        RuntimeError: Another search is at work in the folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(
                f"Another search is at work in {folder}, expected none: two would train the same trials. Wait for it, "
                "or choose another `project_name`. Several processes share a search as chief and workers."
            ) from error
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)
