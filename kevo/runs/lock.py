"""The lock of a run folder, which keeps two searches from working in it at once.

It goes with the process that holds it, however that ends. Only who may write into the folder may open its file: whoever
opens a file can lock it, and would keep the search out.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from kevo.errors import RunError, os_reason
from kevo.runs import layout
from kevo.runs.atomic_files import writing

_LOOK_SECONDS = 0.05
_STATUS_SECONDS = 120.0
"""A search that has written its status within this time is at work, where its lock cannot be looked at."""
_WRITERS = 0o222


@contextlib.contextmanager
def held(folder: Path) -> Iterator[str | None]:
    """Keeps other searches out of a folder.

    Yields:
        What a user should know: that the file system has no locks. `None` where it has.

    Raises:
        RunError: another search is at work in the folder.
    """
    path = folder / layout.LOCK
    with writing(folder):
        writers = folder.stat().st_mode & _WRITERS
        # Who may write may read.
        mode = writers | writers << 1
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, mode)
    try:
        # The file may be older, or of a user with another mask.
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, mode)
        note = None
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            raise RunError(
                f"Another search is at work in {folder}. Wait for it or stop it, or name another folder."
            ) from error
        except OSError as error:
            note = (
                f"{folder} lies on a file system without locks ({os_reason(error)}): see to it that no second search "
                "begins there."
            )
        yield note
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Tells whether a search is at work in a folder.

    Raises:
        RunError: what should be the lock's file is none.
    """
    path = folder / layout.LOCK
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except PermissionError:
        # The search of another user.
        return _has_written_status(folder)
    except OSError as error:
        raise RunError(f"Cannot read {path}: {os_reason(error)}. Remove it, if no search is at work there.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return _has_written_status(folder)
    finally:
        os.close(descriptor)
    return False


def _has_written_status(folder: Path) -> bool:
    try:
        return time.time() - (folder / layout.STATUS).stat().st_mtime < _STATUS_SECONDS
    except OSError:
        return False


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # A process that only looks whether a search is at work lets go at once.
        time.sleep(_LOOK_SECONDS)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
