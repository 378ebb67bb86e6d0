"""Starts, watches and ends the processes of searches.

A search is a `kevo search` process. It inherits the lock of its job, which it holds exactly as long as it lives,
however it ends and whatever becomes of the server: no number of a process has to be remembered.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from kevo.errors import RunError
from kevo.runs import stop_request
from kevo.runs.atomic_files import writing
from kevo.runs.folder import Run

_NICE = 10


def start(
    arguments: Sequence[str],
    *,
    folder: Path,
    lock: Path,
    log: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[bytes]:
    """Starts `kevo` with arguments, in a session of its own.

    Args:
        arguments: What stands behind `kevo`.
        folder: Where it works.
        lock: The file whose lock it holds.
        log: What it says is added here.
        environment: What it gets beside the environment of the server.

    Raises:
        RunError: another process holds the lock, or a file cannot be written.
    """
    with writing(lock):
        held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError("The search is at work already.") from error
        with writing(log), log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "kevo", *arguments],
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(held,),
                start_new_session=True,
            )
        # Its workers inherit that. Where it has ended already there is nothing to be done.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, child.pid, _NICE)
        return child
    finally:
        os.close(held)


def is_alive(lock: Path) -> bool:
    """Returns whether the process that inherited a lock is there."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def ask_to_stop(run: Path) -> None:
    """Asks a search to end with the best so far, if it is far enough to hear that."""
    with contextlib.suppress(RunError):
        stop_request.send(Run.open(run), wait=0)


def kill(lock: Path) -> None:
    """Kills the process that holds a lock, with its workers."""
    for process in holders(lock):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process, signal.SIGKILL)


def holders(lock: Path) -> Iterator[int]:
    """Yields the processes other than this one that hold a lock and lead a session of their own, as a search does.

    Others hold it for a moment too: a server that is starting a search, and a child of either until it runs its own
    program. To kill the session of such a process would be to kill somebody else's.
    """
    # A link shows where a file really lies.
    place = str(lock.resolve())
    for folder in Path("/proc").glob("[0-9]*"):
        process = int(folder.name)
        with contextlib.suppress(OSError):
            if os.getsid(process) == process != os.getpid() and any(
                os.readlink(link) == place for link in (folder / "fd").iterdir()
            ):
                yield process
