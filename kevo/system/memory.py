"""How much memory processes take and may take, where the system tells."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from kevo.system.text import byte_size

_OWN_GROUPS = Path("/proc/self/cgroup")
"""The control groups of this process, one in each line: see cgroups(7)."""
_GROUPS = Path("/sys/fs/cgroup")
"""Where their limits stand."""
_STEP = 256 * 1024**2
_LEAST_SHARE = 4
"""So large a part of the memory is left for workers at least: what is mapped into memory can be let go of."""
_share: int | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """The memory that this process may use.

    Args:
        num_bytes: How much it is.
        words: What sets it; empty for the machine itself.
        is_shared: Whether it holds for all processes of a search together, and not for each.
    """

    num_bytes: int
    words: str = ""
    is_shared: bool = True

    def __str__(self) -> str:
        return f"{byte_size(self.num_bytes)} of memory{f' ({self.words})' if self.words else ''}"


def resident(process: int | None = None) -> int | None:
    """Returns the bytes of memory that a process alone holds, by its number; `None` where that cannot be known.

    What it shares with others, such as files that are mapped into memory, does not count where the system tells.

    Args:
        process: Its number. Defaults to this process.
    """
    try:
        held = psutil.Process(process).memory_info()
    except (psutil.Error, OSError, ValueError):
        return None
    return int(held.rss - getattr(held, "shared", 0))


def release() -> None:
    """Gives back to the system what this process has freed, where the C library keeps it, as that of GNU does."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def confine(num_bytes: int) -> None:
    """Has this process count on no more memory than that from now on: others share the machine with it."""
    global _share
    _share = num_bytes


def limit() -> Limit | None:
    """Returns how much memory this process may use: of the machine, of its job or container, by `ulimit -v`.

    `None` where that is not known. It is not what is free at the moment, which would make no two searches alike.
    """
    return min(_limits(), key=lambda one: one.num_bytes, default=None)


def usable() -> int | None:
    """Returns the bytes of memory that this process may use: those of `limit`, or fewer as set by `confine`."""
    known = [] if _share is None else [_share]
    if (found := limit()) is not None:
        known.append(found.num_bytes)
    return min(known, default=None)


def left_for_workers() -> int | None:
    """Returns how much memory the worker processes of this one may take together; `None` where that is not known.

    What this process holds itself is not theirs, but for a limit that holds for each process. Steps are coarse, so that
    searches are alike.
    """
    found = limit()
    if found is None:
        return None
    held = -(-(resident() or 0) // _STEP) * _STEP if found.is_shared else 0
    return max(found.num_bytes - held, found.num_bytes // _LEAST_SHARE)


def children() -> list[int]:
    """Returns the numbers of the processes that this one has started; none where that cannot be known."""
    with contextlib.suppress(psutil.Error, OSError):
        return [child.pid for child in psutil.Process().children()]
    return []


def _limits() -> Iterator[Limit]:
    with contextlib.suppress(OSError, ValueError):
        yield Limit(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _group_files():
        # Where there is no limit there is a word, or a number beyond all memory.
        with contextlib.suppress(OSError, ValueError):
            yield Limit(int(path.read_text()), "the limit of its job or container, a control group")
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        yield Limit(address_space, "the limit of ulimit -v", is_shared=False)


def _group_files() -> Iterator[Path]:
    """Yields the files with limits of this process's control groups and of those above them, in both versions.

    A container mostly sees its own group as the uppermost.
    """
    yield _GROUPS / "memory.max"
    yield _GROUPS / "memory" / "memory.limit_in_bytes"
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        group = Path(path.lstrip("/"))
        if ".." in group.parts:
            # It lies outside of what the container sees.
            continue
        if controllers == "":
            root, name = _GROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = _GROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        for folder in (group, *group.parents):
            yield root / folder / name
