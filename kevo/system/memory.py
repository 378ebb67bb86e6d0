"""How much memory processes take and may take, where the system tells."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_LIMITS = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container sees how much memory it may take: version 2 and 1 of control groups."""
_share: int | None = None


def resident(process: int | str = "self") -> int | None:
    """Returns the bytes of memory that a process alone holds, by its number; `None` where that cannot be known.

    What it shares with others, such as files that are mapped into memory, does not count.
    """
    try:
        _, held, shared, *_ = map(int, Path(f"/proc/{process}/statm").read_text().split())
    except (OSError, ValueError, IndexError):
        return None
    return (held - shared) * os.sysconf("SC_PAGE_SIZE")


def confine(num_bytes: int) -> None:
    """Has this process count on no more memory than that from now on: others share the machine with it."""
    global _share
    _share = num_bytes


def usable() -> int | None:
    """Returns the bytes of memory that this process may use: of the machine, of its container, or as set by `confine`.

    `None` where that is not known. It is not what is free at the moment, which would make no two searches alike.
    """
    found = [] if _share is None else [_share]
    with contextlib.suppress(OSError, ValueError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _LIMITS:
        # Where there is no limit there is a word, or a number beyond all memory.
        with contextlib.suppress(OSError, ValueError):
            found.append(int(path.read_text()))
    return min(found, default=None)


def children() -> list[int]:
    """Returns the numbers of the processes that this one has started; none where that cannot be known."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        # Threads end while one looks.
        with contextlib.suppress(OSError, ValueError):
            found += map(int, task.read_text().split())
    return found
