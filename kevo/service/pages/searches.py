"""The list of searches, and the form of a new one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from kevo.errors import KevoError
from kevo.service import jobs
from kevo.service import settings as allowed
from kevo.service.jobs import Job
from kevo.service.pages.rendering import fields, render, whole, words_of
from kevo.service.rest.access import server_of, user_of
from kevo.service.rest.searches import NewSearch, add_search
from kevo.service.server import Server
from kevo.service.tokens import User
from kevo.service.uploads import Upload
from kevo.system.text import duration, seconds_in
from kevo.tasks.registry import DEFAULT, kind_of

_PAGE = 20

router = APIRouter()


@router.get("/")
def searches(
    request: Request,
    state: str = "",
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> Response:
    """Shows the searches, the newest first."""
    server, user = server_of(request), user_of(request)
    everything = server.searches.all_of(user)
    sought = server.searches.all_of(user, words=q) if q else everything
    found = [job for job in sought if state in ("", server.searches.state(job))]
    rows = [server.search_json(job, is_brief=True) for job in found[(page - 1) * _PAGE : page * _PAGE]]
    states = [server.searches.state(job) for job in everything]
    return render(
        request,
        "searches.html",
        rows=rows,
        state=state,
        q=q,
        states=sorted(set(states)),
        num_all=len(everything),
        num_comparable=sum(row["result"] is not None for row in rows),
        num_alive=sum(one in jobs.ALIVE for one in states),
        num_queued=states.count(jobs.QUEUED),
        free=server.root.num_free,
        page=page,
        num_pages=max(1, math.ceil(len(found) / _PAGE)),
    )


@router.get("/searches/new")
def new_search(request: Request, data: str = "digits") -> Response:
    """Asks how to search."""
    return _search_form(request, data, {}, "")


def _search_form(request: Request, data: str, given: Mapping[str, str], error: str, status: int = 200) -> Response:
    server, user = server_of(request), user_of(request)
    name = server.data_name(data, user)
    if name is None:
        raise HTTPException(404, "There is no such data.")
    waiting = len(server.searches.queued())
    is_free = server.searches.num_alive() < server.config.parallel and not waiting
    return render(
        request,
        "search_new.html",
        status,
        data=data,
        data_name=name,
        upload=server.uploads.get(data, user),
        given=given,
        error=error,
        is_free=is_free,
        is_paused=server.searches.is_paused,
        num_before=waiting + server.searches.num_alive(),
        objectives=_objectives(server.uploads.get(data, user)),
        most=duration(server.config.max_time),
        default_name=Path(name).stem or name,
    )


def _objectives(upload: Upload | None) -> list[tuple[str, tuple[str, ...]]]:
    """Returns what can be improved, by the tasks that the data may be for."""
    tasks = [DEFAULT] if upload is None or not upload.is_table else sorted(set(upload.targets.values()))
    return [(asks, allowed.objectives(asks)) for asks in dict.fromkeys(kind_of(task).asks for task in tasks)]


@router.post("/searches")
async def post_search(request: Request) -> Response:
    """Begins a search that a form asks for."""
    given = await fields(request)
    data = given.get("data", "digits")
    try:
        job = _asked_for(server_of(request), user_of(request), data, given)
    except (KevoError, ValueError) as error:
        return _search_form(request, data, given, words_of(error), 422)
    return RedirectResponse(f"/searches/{job.id}", 303)


def _asked_for(server: Server, user: User, data: str, given: Mapping[str, str]) -> Job:
    """Reads the form of a search; empty fields are left out."""
    settings: dict[str, Any] = {}
    if time := given.get("max_time_other") or given.get("max_time"):
        settings["max_time"] = float(seconds_in(time))
    for name in ("max_trials", "patience", "epochs", "max_params", "seed", "population", "num_rungs", "folds"):
        if text := given.get(name):
            settings[name] = whole(text)
    for name in ("space", "objective", "target"):
        if text := given.get(name):
            settings[name] = text
    if given.get("minimize"):
        settings["minimize"] = [given["minimize"]]
    asked = NewSearch.model_validate({"data": data, "name": given.get("name") or None, "settings": settings})
    return add_search(server, user, asked)[0]
