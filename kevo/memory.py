"""How much memory processes take, where the system tells."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def resident(process: int | str = "self") -> int | None:
    """Returns the bytes of memory that a process alone holds, by its number; `None` where that cannot be known.

    What it shares with others, such as files that are mapped into memory, does not count.
    """
    try:
        _, held, shared, *_ = map(int, Path(f"/proc/{process}/statm").read_text().split())
    except (OSError, ValueError, IndexError):
        return None
    return (held - shared) * os.sysconf("SC_PAGE_SIZE")


def installed() -> int | None:
    """Returns the machine's memory in bytes; `None` where that cannot be known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def children() -> list[int]:
    """Returns the numbers of the processes that this one has started; none where that cannot be known."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        # Threads end while one looks.
        with contextlib.suppress(OSError, ValueError):
            found += map(int, task.read_text().split())
    return found
