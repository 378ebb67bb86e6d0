"""Searches: begun, listed, stopped, gone on with, removed; their candidates and logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from kevo.runs.records import TrialRecord
from kevo.service import jobs, sorting
from kevo.service import settings as allowed
from kevo.service.candidates import CandidateOrder, Ending
from kevo.service.errors import MissingError
from kevo.service.jobs import Job
from kevo.service.rest import tags
from kevo.service.rest.access import LONGEST_NAME, Asked, server_of, user_of
from kevo.service.rest.tags import IfMatch, IfNoneMatch
from kevo.service.server import Server
from kevo.service.settings import Limits, SearchSettings, Whole
from kevo.service.sorting import SearchOrder
from kevo.service.tokens import User
from kevo.service.watching import candidate_json

router = APIRouter()
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=r"^[^\x00-\x1f\x7f]+$")]
LONGEST_NOTE = 2000
Note = Annotated[str, Field(max_length=LONGEST_NOTE, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]


class NewSearch(BaseModel):
    """A search that is asked for."""

    model_config = ConfigDict(extra="forbid")

    data: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    name: Name | None = None
    note: Note = ""
    settings: SearchSettings = SearchSettings()


class Changes(BaseModel):
    """What is to be changed of a search; what is left out stays. `position` is its place among its owner's own."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    note: Note | None = None
    position: Whole | None = None


class Stop(BaseModel):
    """How a search is to end."""

    model_config = ConfigDict(extra="forbid")

    now: Annotated[bool, Field(strict=True)] = False


@router.post("/searches", status_code=201, responses={200: {"description": "The same key has begun it before"}})
def post_search(
    asked: NewSearch,
    request: Request,
    idempotency_key: Annotated[str | None, Header(max_length=LONGEST_NAME)] = None,
) -> JSONResponse:
    """Puts a new search into the queue."""
    server, user = server_of(request), user_of(request)
    job, is_new = add_search(server, user, asked, idempotency_key or "")
    return JSONResponse(server.search_json(job), 201 if is_new else 200, {"location": f"/api/v1/searches/{job.id}"})


def add_search(server: Server, user: User, asked: NewSearch, key: str = "") -> tuple[Job, bool]:
    """Checks what is asked for, and puts it into the queue; see `Searches.add`.

    Raises:
        MissingError: there is no such data.
        KevoError: the settings are none, or the queue is full.
    """
    data_name = server.data_name(asked.data, user)
    if data_name is None:
        raise MissingError("There is no such data.")
    upload = server.uploads.get(asked.data, user)
    targets = upload.targets if upload is not None and upload.is_table else None
    backbones = server.backbones() if asked.settings.backbones is not None else ()
    settings = allowed.checked(
        asked.settings,
        max_time=server.config.max_time,
        targets=targets,
        forecastable=() if upload is None else upload.forecastable,
        task="" if upload is None else upload.task,
        backbones=backbones,
    )
    return server.searches.add(
        name=asked.name or Path(data_name).stem or data_name,
        owner=user.name,
        data=asked.data,
        data_name=data_name,
        settings=settings,
        note=asked.note,
        key=key,
    )


@router.get("/searches", responses=tags.SAME)
def list_searches(
    request: Request,
    state: str | None = None,
    owner: str | None = None,
    q: Annotated[str, Query(max_length=LONGEST_NAME)] = "",
    objective: Annotated[str | None, Query(max_length=LONGEST_NAME)] = None,
    sort: SearchOrder = "-created",
    limit: Annotated[int, Query(ge=1, le=500)] = 20,
    after: Annotated[int, Query(ge=0, le=10**9)] = 0,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Lists searches, `q` by name of them or their data; 304 where the list of `If-None-Match` is still right.

    By `best` only those can be sorted that improve the same: name that as `objective` where there are several.
    """
    server = server_of(request)
    everything = server.searches.all_of(user_of(request), words=q, order=sort)
    found = [job for job in everything if state in (None, server.searches.state(job)) and owner in (None, job.owner)]
    if objective is not None:
        found = [job for job in found if job.best.get("objective") == objective]
    if sort.endswith("best") and len(several := sorting.objectives(found)) > 1:
        words = f"These searches improve several things: {', '.join(several)}. Name one of them as `objective`."
        raise HTTPException(422, words)
    following = after + limit
    values = {
        "searches": [server.search_json(job, is_brief=True) for job in found[after:following]],
        "total": len(found),
        "next": following if following < len(found) else None,
    }
    return tags.answer(values, if_none_match)


@router.get("/searches/{search}", responses=tags.SAME)
def get_search(job: Asked, request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """Says how a search is doing, and what it has found; 304 where the answer of `If-None-Match` is still right."""
    return tags.answer(server_of(request).search_json(job), if_none_match)


@router.patch("/searches/{search}", responses=tags.CHANGED)
def patch_search(job: Asked, asked: Changes, request: Request, if_match: IfMatch = None) -> dict[str, Any]:
    """Gives a search another name, note or place in the queue; 412 if it has changed since the tag of `If-Match`."""
    server = server_of(request)
    tags.check(server.search_json(job), if_match)
    server.searches.change(job, name=asked.name, note=asked.note, position=asked.position)
    return server.search_json(job)


@router.post("/searches/{search}/stop", status_code=202)
def stop_search(job: Asked, request: Request, asked: Stop | None = None) -> dict[str, Any]:
    """Ends a search with the best so far."""
    server = server_of(request)
    server.searches.stop(job, at_once=asked is not None and asked.now)
    return server.search_json(job)


@router.post("/searches/{search}/resume", status_code=202)
def resume_search(job: Asked, request: Request, asked: Limits | None = None) -> dict[str, Any]:
    """Lets a search go on that has ended, with more time or more candidates where these are given."""
    server = server_of(request)
    server.searches.resume(job, allowed.checked_limits(asked or Limits(), max_time=server.config.max_time))
    return server.search_json(job)


@router.delete("/searches/{search}", responses=tags.CHANGED)
def delete_search(job: Asked, request: Request, if_match: IfMatch = None) -> dict[str, Any]:
    """Removes a search with all its files; 412 as for a change of it."""
    server = server_of(request)
    tags.check(server.search_json(job), if_match)
    freed = server.searches.remove(job)
    server.errands.forget(job.id)
    return {"bytes_freed": freed}


@router.get("/searches/{search}/candidates")
def list_candidates(
    job: Asked,
    request: Request,
    after: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    sort: CandidateOrder = "ended",
    status: Ending | None = None,
) -> dict[str, Any]:
    """Lists candidates in an order, without histories of their trainings; those without its value come last."""
    server = server_of(request)
    searches, settings = server.searches, server.settings(job)
    objective = None if settings is None else settings.objectives[0]
    total, following = searches.num_candidates(job, status=status), after + limit
    records = searches.records(job, after, following, order=sort, objective=objective, status=status)
    return {
        "candidates": list(map(candidate_json, records)),
        "total": total,
        "next": following if following < total else None,
    }


@router.get("/searches/{search}/candidates/{number}")
def get_candidate(job: Asked, number: int, request: Request) -> dict[str, Any]:
    """Tells all of one candidate."""
    return candidate_of(server_of(request), job, number).to_json()


def candidate_of(server: Server, job: Job, number: int) -> TrialRecord:
    """Returns a candidate by its number, from 0; of one that was trained in parts the last part.

    Raises:
        HTTPException: there is none.
    """
    place = server.searches.candidates(job).place_of(number)
    found = [] if place is None else server.searches.records(job, place, place + 1)
    if not found:
        raise HTTPException(404, "There is no such candidate.")
    return found[0]


@router.get("/searches/{search}/log", response_class=PlainTextResponse)
def get_log(
    job: Asked, request: Request, tail: Annotated[int, Query(ge=1, le=2**20)] = jobs.MOST_LOG
) -> PlainTextResponse:
    """Shows the end of what the process of a search has said, of so many bytes at most."""
    server = server_of(request)
    return PlainTextResponse(server.without_paths(jobs.tail(server.searches.place(job).log, tail)))
