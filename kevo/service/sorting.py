"""The orders in which searches are listed; a minus before a name turns it round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from kevo.service import jobs
from kevo.service.jobs import Job

SearchOrder = Literal["created", "-created", "name", "-name", "data", "-data", "owner", "-owner", "state", "-state"]
_STATES = (jobs.RUNNING, jobs.STARTING, jobs.STOPPING, jobs.QUEUED, jobs.LOST, *jobs.ENDED)
"""Those at work first."""


def sorted_searches(found: Sequence[Job], order: SearchOrder, *, state: Callable[[Job], str]) -> list[Job]:
    """Returns searches in an order; of equals the newest comes first.

    Args:
        found: The searches.
        order: The order.
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
    key: Callable[[Job], object] = keys[order.removeprefix("-")]
    return sorted(newest_first, key=key, reverse=order.startswith("-"))  # type: ignore[arg-type]
