"""Processes of this machine: how one ends with its parent, and why one has ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading

_SIGNAL_WITH_PARENT = 1
"""What `prctl` calls PR_SET_PDEATHSIG."""


def end_with_parent() -> None:
    """Ends this process as soon as its parent has ended, however that happens.

    It ignores Ctrl-C, SIGTERM and SIGHUP, which are the parent's.

    The parent must hold the other end of this process's standard input and write nothing more to it.
    """
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    if sys.platform == "linux":
        # A process that is stopped does not notice the end of its input.
        ctypes.CDLL(None).prctl(_SIGNAL_WITH_PARENT, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _exit_at_end_of_input() -> None:
    # Not through `sys.stdin`, whose lock would be missed when this process ends.
    while os.read(0, 1024):
        pass
    os._exit(1)


def kill_group(pid: int) -> None:
    """Kills a process that was started in a session of its own, with the processes that it has started there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """Returns why a worker process ended, in words.

    Example:
        >>> describe_exit(3), describe_exit(-11)
        ('its worker ended with exit code 3', 'its worker was ended by SIGSEGV')
    """
    if code == 0:
        return "its worker has ended"
    if code > 0:
        return f"its worker ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
    return f"its worker was ended by {name}{hint}"
