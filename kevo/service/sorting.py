"""The orders in which searches are listed; a minus before a name turns it round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from kevo.service import jobs
from kevo.service.jobs import Job

SearchOrder = Literal[
    "created", "-created", "name", "-name", "data", "-data", "owner", "-owner", "state", "-state", "best", "-best"
]
_STATES = (jobs.RUNNING, jobs.STARTING, jobs.STOPPING, jobs.QUEUED, jobs.LOST, *jobs.ENDED)
"""Those at work first."""


def objectives(found: Sequence[Job]) -> list[str]:
    """Returns what some searches improve, as far as they have a score: only the scores of one can be compared."""
    return sorted({str(job.best["objective"]) for job in found if job.best})


def sorted_searches(found: Sequence[Job], order: SearchOrder, *, state: Callable[[Job], str]) -> list[Job]:
    """Returns searches in an order; of equals the newest comes first.

    Args:
        found: The searches.
        order: The order. By `best` it makes sense for those alone that improve the same; see `objectives`.
        state: Returns the state of a search.
    """
    keys: dict[str, Callable[[Job], object]] = {
        "created": lambda job: job.created,
        "name": lambda job: job.name.casefold(),
        "data": lambda job: job.data_name.casefold(),
        "owner": lambda job: job.owner,
        "state": lambda job: _STATES.index(state(job)),
    }
    newest_first = sorted(found, key=lambda job: job.created, reverse=True)
    if order in ("best", "-best"):
        # The best is the lowest value of a loss, and the highest one of all else; what has no score comes last.
        sign = 1 if order == "-best" else -1
        known = [job for job in newest_first if job.best]
        known.sort(key=lambda job: sign * job.best["score"] * (1 if job.best["direction"] == "max" else -1))
        return known + [job for job in newest_first if not job.best]
    key: Callable[[Job], object] = keys[order.removeprefix("-")]
    return sorted(newest_first, key=key, reverse=order.startswith("-"))  # type: ignore[arg-type]
