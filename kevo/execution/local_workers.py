"""The worker processes of a search on this machine: their job, their devices and their share of the memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kevo.errors import SearchFailedError
from kevo.execution.devices import Plan, num_cores
from kevo.system import memory
from tuners.execution.local_pool import LocalPool

_JOB = "kevo.execution.job:build"
_MEMORY_SHARE = 0.8
"""The part of the memory that is left beside this process that workers may take together."""
_RECYCLED_AT = 0.5
"""The part of its own share that a worker may hold between two trials."""


def local_pool(arguments: Mapping[str, Any], *, plan: Plan, folder: Path, note: Callable[[str], object]) -> LocalPool:
    """Returns the pool of a search's worker processes.

    Args:
        arguments: Those of `kevo.execution.job.build` that are the same on all machines.
        plan: How many processes there are to be, and on which devices.
        folder: For their files.
        note: Is told what a user should know.
    """
    max_bytes = share(plan)
    given = {**arguments, "is_spread": plan.is_spread, "share": max_bytes, "folder": str(folder)}

    def unfit(reason: str) -> Mapping[str, Any]:
        """Goes on without the processes that trained along."""
        if not pool.has_started:
            raise SearchFailedError(f"{reason} Take another strategy.")
        note(f"{reason} The search goes on in one process; kevo resume spreads it again.")
        return {**given, "is_spread": False}

    pool = LocalPool(
        _JOB,
        given,
        folder=folder,
        environments=[
            {"TF_CPP_MIN_LOG_LEVEL": "3", **plan.environment(worker, num_cores=num_cores())}
            for worker in range(plan.num_workers)
        ],
        max_bytes=max_bytes,
        recycled_bytes=None if max_bytes is None else int(_RECYCLED_AT * max_bytes),
        memory_of=memory.resident,
        unfit=unfit,
    )
    return pool


def share(plan: Plan) -> int | None:
    """Returns the bytes of memory that one worker may take; `None` where the machine does not tell how much it has."""
    left = memory.left_for_workers()
    return None if left is None else int(_MEMORY_SHARE * left / max(1, plan.num_processes))
