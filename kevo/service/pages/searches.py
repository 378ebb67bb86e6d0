"""The list of searches, and the form of a new one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from kevo.errors import KevoError
from kevo.service import jobs, sorting
from kevo.service import settings as allowed
from kevo.service.jobs import Job
from kevo.service.pages.rendering import address_query, chosen, fields, lines, render, whole, words_of
from kevo.service.rest.access import server_of, user_of
from kevo.service.rest.searches import LONGEST_NOTE, NewSearch, add_search
from kevo.service.server import Server
from kevo.service.sorting import SearchOrder
from kevo.service.tokens import User
from kevo.service.uploads import Upload
from kevo.system.text import duration, seconds_in
from kevo.tasks.registry import DEFAULT, kind_of

_PAGE = 20
_WHOLE = (
    "max_trials",
    "patience",
    "epochs",
    "final_epochs",
    "num_finalists",
    "max_params",
    "seed",
    "population",
    "num_rungs",
    "folds",
    "horizon",
    "window",
    "season",
)
"""The settings of the form that are whole numbers."""

router = APIRouter()


@router.get("/")
def searches(
    request: Request,
    state: str = "",
    owner: str = "",
    q: Annotated[str, Query(max_length=200)] = "",
    objective: Annotated[str, Query(max_length=200)] = "",
    sort: SearchOrder = "-created",
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> Response:
    """Shows the searches, or some of them, in an order."""
    server, user = server_of(request), user_of(request)
    everything = server.searches.all_of(user)
    sought = server.searches.all_of(user, words=q, order=sort)
    found = [job for job in sought if state in ("", server.searches.state(job)) and owner in ("", job.owner)]
    objectives = sorting.objectives(found)
    found = [job for job in found if objective in ("", job.best.get("objective"))]
    may_sort = len(objectives) == 1 or objective in objectives
    if sort.endswith("best") and not may_sort:
        # Scores for different things stand in no order.
        return RedirectResponse(f"/?{address_query(state=state, owner=owner, q=q, objective=objective)}", 303)
    rows = [server.search_json(job, is_brief=True) for job in found[(page - 1) * _PAGE : page * _PAGE]]
    states = [server.searches.state(job) for job in everything]
    return render(
        request,
        "searches.html",
        rows=rows,
        state=state,
        owner=owner,
        q=q,
        sort=sort,
        objective=objective,
        objectives=objectives,
        may_sort=may_sort,
        is_best_most=any(job.best.get("direction") == "max" for job in found),
        owners=sorted({job.owner for job in everything}),
        states=sorted(set(states)),
        num_all=len(everything),
        num_comparable=sum(row["result"] is not None for row in rows),
        num_alive=sum(one in jobs.ALIVE for one in states),
        num_queued=states.count(jobs.QUEUED),
        places=_places(server, rows),
        free=server.root.num_free,
        page=page,
        num_pages=max(1, math.ceil(len(found) / _PAGE)),
    )


def _places(server: Server, rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Returns for each search that waits its place among its owner's own, from 1, and how many these are."""
    found: dict[str, tuple[int, int]] = {}
    for owner in {row["owner"] for row in rows if row["state"] == jobs.QUEUED}:
        waiting = server.searches.waiting_of(owner)
        found |= {job.id: (place, len(waiting)) for place, job in enumerate(waiting, start=1)}
    return found


@router.get("/searches/new")
def new_search(request: Request, data: str = "digits") -> Response:
    """Asks how to search."""
    return _search_form(request, data, {}, "")


def _search_form(
    request: Request,
    data: str,
    given: Mapping[str, str],
    error: str,
    status: int = 200,
    *,
    ticked: Sequence[str] = (),
) -> Response:
    server, user = server_of(request), user_of(request)
    upload = server.uploads.get(data, user)
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
        upload=upload,
        given=given,
        ticked=ticked,
        # A file whose columns are asked for, or of texts, has no use for them.
        backbones=(
            server.backbones((upload.task if upload else "") or DEFAULT)
            if upload is None or upload.examples in ("pictures", "masks")
            else []
        ),
        error=error,
        is_free=is_free,
        is_paused=server.searches.is_paused,
        num_before=waiting + server.searches.num_alive(),
        objectives=_objectives(upload),
        offered=[] if upload is None else list(dict.fromkeys([*upload.targets, *upload.forecastable])),
        most=duration(server.config.max_time),
        default_name=Path(name).stem or name,
        longest_note=LONGEST_NOTE,
    )


def _objectives(upload: Upload | None) -> list[tuple[str, tuple[str, ...]]]:
    """Returns what can be improved, by the tasks that the data may be for."""
    tasks = [DEFAULT] if upload is None else sorted(set(upload.targets.values())) or [upload.task or DEFAULT]
    if upload is not None and upload.series:
        tasks.append(allowed.SERIES)
    return [(asks, allowed.objectives(asks)) for asks in dict.fromkeys(kind_of(task).asks for task in tasks)]


@router.post("/searches")
async def post_search(request: Request) -> Response:
    """Begins a search that a form asks for."""
    given, ticked = await fields(request), await chosen(request, "backbones")
    data = given.get("data", "digits")
    try:
        job = _asked_for(server_of(request), user_of(request), data, given, ticked)
    except (KevoError, ValueError) as error:
        return _search_form(request, data, given, words_of(error), 422, ticked=ticked)
    return RedirectResponse(f"/searches/{job.id}", 303)


def _asked_for(server: Server, user: User, data: str, given: Mapping[str, str], ticked: Sequence[str]) -> Job:
    """Reads the form of a search; empty fields are left out."""
    settings: dict[str, Any] = {}
    if time := given.get("max_time_other") or given.get("max_time"):
        settings["max_time"] = float(seconds_in(time))
    for name in _WHOLE:
        if text := given.get(name):
            settings[name] = whole(text)
    if given.get("task") != allowed.SERIES:
        # The form asks for both, and these belong to the other one.
        for name in allowed.OF_SERIES:
            settings.pop(name, None)
    for name in ("task", "space", "objective", "target"):
        if text := given.get(name):
            settings[name] = text
    if given.get("minimize"):
        settings["minimize"] = [given["minimize"]]
    if ticked:
        settings["backbones"] = list(ticked)
    about = {"name": given.get("name") or None, "note": lines(given.get("note", ""))}
    asked = NewSearch.model_validate({"data": data, **about, "settings": settings})
    return add_search(server, user, asked)[0]
