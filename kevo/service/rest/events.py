"""What happens, as server-sent events."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from kevo.service import events, jobs
from kevo.service.rest.access import job_of, server_of, user_of

_MOST_STREAMS = 64
_EVENT_ID = re.compile(r"([0-9a-f]{16}|-):([0-9]{1,9}):[0-9]{1,12}")

router = APIRouter()


@router.get("/events", response_class=StreamingResponse)
def get_events(
    request: Request,
    search: str | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Tells what happens, as server-sent events; 204 to whoever comes back when all is over."""
    server, user = server_of(request), user_of(request)
    if server.hub.num_readers >= _MOST_STREAMS:
        raise HTTPException(429, f"{_MOST_STREAMS} streams are open already. Close some of them.")
    # Before the stream begins: inside of it, it would be too late for a 404.
    job = None if search is None else job_of(search, request)
    match = _EVENT_ID.fullmatch(last_event_id or "")
    last = int(match[2]) if match and match[1] == search else None

    def is_over() -> bool:
        return job is not None and server.searches.state(job) in jobs.ENDED

    def snapshot() -> tuple[dict[str, Any], int]:
        if job is not None:
            number = server.searches.num_candidates(job)
            return server.search_json(job), number
        found = server.searches.all_of(user)
        return {"searches": [{"id": one.id, "state": server.searches.state(one)} for one in found]}, 0

    has_heard_all = last is not None and job is not None and last >= server.searches.num_candidates(job)
    if has_heard_all and is_over():
        return Response(status_code=204)
    told = events.stream(
        server.hub,
        events.Reader(user, search),
        snapshot=snapshot,
        replay=lambda number: [] if job is None else server.searches.candidates_after(job, number),
        last=last,
        is_over=is_over,
    )
    return StreamingResponse(told, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
