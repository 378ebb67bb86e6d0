"""How much memory processes take, where the system tells."""

from __future__ import annotations

import os
from pathlib import Path


def resident(process: int | str = "self") -> int | None:
    """Returns the bytes of memory that a process holds, by its number; `None` where that cannot be known."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def installed() -> int | None:
    """Returns the machine's memory in bytes; `None` where that cannot be known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
