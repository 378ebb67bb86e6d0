"""The GPUs of this machine, and which of them each search gets. Nothing here loads TensorFlow."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence

from kevo.system import memory
from kevo.system.text import byte_size, plural

VISIBLE = "CUDA_VISIBLE_DEVICES"
_ASK = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
_SECONDS = 60.0
"""The first question to a driver that is not loaded takes a while."""
_BYTES_OF_A_SEARCH = 4 * 1024**3
"""What a search and its worker need beside their GPU."""


def find_gpus() -> tuple[str, ...]:
    """Returns the names of the GPUs that may be used, as `CUDA_VISIBLE_DEVICES` takes them; none where there are none.

    Those that this variable names already, where it is set; else those of `nvidia-smi`, which the driver brings.
    """
    if (named := os.environ.get(VISIBLE)) is not None:
        names = [name.strip() for name in named.split(",")]
        # As CUDA reads it: what stands behind a name of none does not count.
        return tuple(names[: next((place for place, name in enumerate(names) if name in ("", "-1")), len(names))])
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(_ASK, capture_output=True, text=True, timeout=_SECONDS, check=True)
        return tuple(line.strip() for line in done.stdout.splitlines() if line.strip().startswith("GPU-"))
    return ()


def num_searches(gpus: Sequence[str]) -> int:
    """Returns how many searches work side by side by default: one on each GPU, as far as memory is there for them."""
    limit = memory.limit()
    most = len(gpus) if limit is None else limit.num_bytes // _BYTES_OF_A_SEARCH
    return max(1, min(len(gpus), most))


def most_searches() -> int:
    """Returns how many searches cores and memory hold side by side without GPUs: a core and 4 GiB for each."""
    limit = memory.limit()
    return max(1, _num_cores() if limit is None else min(_num_cores(), limit.num_bytes // _BYTES_OF_A_SEARCH))


def too_many(asked: int) -> str | None:
    """Says that fewer searches work side by side than were asked for; `None` where the machine holds them.

    Args:
        asked: How many were asked for, on a machine without GPUs.
    """
    if asked <= (most := most_searches()):
        return None
    limit = memory.limit()
    held = plural(_num_cores(), "core") + ("" if limit is None else f" and {byte_size(limit.num_bytes)} of memory")
    return (
        f"Received --parallel {asked}. Expected {most} at most: without GPUs each search needs a core and "
        f"{byte_size(_BYTES_OF_A_SEARCH)} of memory, and {held} may be used here. So many work side by side."
    )


def slots(gpus: Sequence[str], num: int) -> list[str]:
    """Divides GPUs between searches that work side by side.

    Args:
        gpus: Their names.
        num: How many searches there are.

    Returns:
        For each the value of `CUDA_VISIBLE_DEVICES`; an empty list without GPUs, where there is nothing to divide.

    Example:
        >>> slots(["a", "b", "c"], 2), slots(["a"], 2), slots([], 2)
        (['a,c', 'b'], ['a', 'a'], [])
    """
    return [",".join(gpus[place::num]) or gpus[place % len(gpus)] for place in range(num)] if gpus else []


def num_workers(slot: str, num: int) -> int | None:
    """Returns how many workers a search is to have, so that all searches fit the machine; `None` for its own default.

    Args:
        slot: The GPUs of the search, as `slots` gives them.
        num: How many searches work side by side.
    """
    limit = memory.limit()
    each = len(slot.split(","))
    cores = _num_cores()
    fitting = (cores if limit is None else min(cores, limit.num_bytes // _BYTES_OF_A_SEARCH)) // num
    # One worker for each GPU is the default.
    return None if fitting >= each else max(1, fitting)


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
