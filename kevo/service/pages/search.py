"""One search: how it is doing, what it has found, and all its candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from kevo.errors import KevoError
from kevo.runs import layout
from kevo.runs.atomic_files import DAMAGE
from kevo.runs.records import TrialRecord
from kevo.service import exports, jobs, reports
from kevo.service import settings as allowed
from kevo.service.jobs import Job
from kevo.service.pages import charts
from kevo.service.pages import sections as sections_of
from kevo.service.pages.rendering import fields, render, whole, words_of
from kevo.service.rest import files
from kevo.service.rest import searches as rest
from kevo.service.rest.access import Asked, server_of
from kevo.service.server import Server
from kevo.service.settings import Limits
from kevo.settings import Settings
from kevo.system.text import seconds_in

_ROWS = 50
_LAST = 5

router = APIRouter()


@router.get("/searches/{search}")
def show_search(job: Asked, request: Request) -> Response:
    """Shows how a search is doing, and what it has found."""
    return _page(job, request)


def _page(job: Job, request: Request, *, error: str = "", status: int = 200) -> Response:
    server = server_of(request)
    values = server.search_json(job)
    candidates = server.searches.candidates(job)
    num = len(candidates)
    search, outcome = server.settings(job), server.searches.outcome(job)
    objective = None if search is None else search.objectives[0]
    if values["state"] not in (jobs.STOPPED, jobs.FINISHED):
        outcome = None
    kind = None if outcome is None else outcome.kind
    headline = None
    drawings: list[dict[str, Any]] = []
    sections: list[dict[str, Any]] = []
    details: list[tuple[str, str]] = []
    remarks: list[str] = []
    if outcome is not None and kind is not None:
        pages = kind.pages()
        headline = pages.headline(outcome.test)
        details = [(name, str(value)) for name, value in pages.details(outcome.test, outcome.validation)]
        remarks = [*filter(None, [outcome.advice]), *pages.remarks(outcome.test)]
        drawings = [shown for one in kind.drawings(outcome.test) if (shown := sections_of.block(one)) is not None]
        sections = sections_of.sections(pages, server.searches.place(job).run, outcome)
    return render(
        request,
        "search.html",
        status,
        error=error,
        search=values,
        job=job,
        is_alive=values["state"] in jobs.ALIVE,
        is_ended=values["state"] in jobs.ENDED,
        headline=headline,
        details=details,
        remarks=remarks,
        drawings=drawings,
        sections=sections,
        is_of_pictures=outcome is None or outcome.kind.inputs == "images",
        curve=None if objective is None else charts.curve(candidates, objective),
        metric="" if objective is None else objective.metric,
        last=_rows(server, search, server.searches.records(job, num - _LAST, num)),
        num_candidates=num,
        has_model=layout.MODEL in values["files"],
        exports=exports.listed(server, job),
        offered=exports.available(),
        log=server.without_paths(jobs.tail(server.searches.place(job).log, 4096))
        if values["state"] == "failed"
        else "",
        width=charts.WIDTH,
        height=charts.HEIGHT,
        left=charts.LEFT,
    )


def _rows(server: Server, search: Settings | None, records: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Returns what a table says of candidates, the newest first."""
    found = []
    for record in reversed(records):
        try:
            words = (search or Settings()).kind.describe(record.genome)
        except DAMAGE:
            words = ", ".join(f"{name} {value}" for name, value in list(record.genome.items())[:6])
        found.append({"record": record, "words": words, "reason": server.without_paths(record.reason or "")})
    return found


@router.post("/searches/{search}/stop")
async def stop_search(job: Asked, request: Request) -> Response:
    """Ends a search."""
    given = await fields(request)
    server_of(request).searches.stop(job, at_once=given.get("now") == "yes")
    return RedirectResponse("/" if given.get("back") == "list" else f"/searches/{job.id}", 303)


@router.post("/searches/{search}/name")
async def rename_search(job: Asked, request: Request) -> Response:
    """Calls a search otherwise, if nobody else has done so meanwhile."""
    given = await fields(request)
    if given.get("before") != job.name:
        return _page(job, request, error=f"It was called {job.name!r} meanwhile.", status=409)
    try:
        asked = rest.Renamed.model_validate({"name": given.get("name", "")})
    except ValueError as error:
        return _page(job, request, error=words_of(error), status=422)
    server_of(request).searches.rename(job, asked.name)
    return RedirectResponse(f"/searches/{job.id}", 303)


@router.post("/searches/{search}/exports")
async def post_export(job: Asked, request: Request) -> Response:
    """Writes the model in another format."""
    server, name = server_of(request), (await fields(request)).get("name", "")
    server.errands.drop(("export", job.id, name))
    files.begin_export(server, job, name)
    return RedirectResponse(f"/searches/{job.id}#exports", 303)


@router.post("/searches/{search}/resume")
async def resume_search(job: Asked, request: Request) -> Response:
    """Lets a search go on."""
    given, server = await fields(request), server_of(request)
    values: dict[str, Any] = {}
    try:
        if given.get("max_time"):
            values["max_time"] = float(seconds_in(given["max_time"]))
        if given.get("max_trials"):
            values["max_trials"] = whole(given["max_trials"])
        limits = allowed.checked_limits(Limits.model_validate(values), max_time=server.config.max_time)
    except (KevoError, ValueError) as error:
        raise HTTPException(422, words_of(error)) from None
    server.searches.resume(job, limits)
    return RedirectResponse(f"/searches/{job.id}", 303)


@router.get("/searches/{search}/delete")
def ask_delete_search(job: Asked, request: Request) -> Response:
    """Asks whether a search is to be removed."""
    server = server_of(request)
    return render(
        request, "delete_search.html", search=server.search_json(job), is_alive=server.searches.state(job) in jobs.ALIVE
    )


@router.post("/searches/{search}/delete")
def delete_search(job: Asked, request: Request) -> Response:
    """Removes a search."""
    rest.delete_search(job, request)
    return RedirectResponse("/", 303)


@router.get("/searches/{search}/candidates")
def show_candidates(
    job: Asked,
    request: Request,
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
    sort: Literal["ended", "best"] = "ended",
) -> Response:
    """Shows all candidates, the newest first or the best first."""
    server = server_of(request)
    num, search = server.searches.num_candidates(job), server.settings(job)
    if sort == "best" and search is not None:
        # Rows are shown from the last one on.
        start, objective = (page - 1) * _ROWS, search.objectives[0]
        records = server.searches.records(job, start, start + _ROWS, objective=objective)[::-1]
    else:
        last = num - (page - 1) * _ROWS
        records = server.searches.records(job, last - _ROWS, last) if last > 0 else []
    return render(
        request,
        "candidates.html",
        search=server.search_json(job, is_brief=True),
        rows=_rows(server, search, records),
        metric="" if search is None else search.objectives[0].metric,
        page=page,
        num=num,
        num_pages=max(1, math.ceil(num / _ROWS)),
        sort=sort,
    )


@router.get("/searches/{search}/report")
async def show_report(job: Asked, request: Request) -> Response:
    """Shows the report, or that it is being made."""
    server = server_of(request)
    if reports.begin(server, job):
        return reports.response(server, job)
    return _being_made(job, request, reports.REPORT)


@router.get("/searches/{search}/figures")
async def show_figures(job: Asked, request: Request) -> Response:
    """Shows the figures of the report, or that they are being made."""
    server = server_of(request)
    if reports.begin(server, job, reports.FIGURES):
        return render(request, "figures.html", search=job, names=reports.figures(server, job))
    return _being_made(job, request, reports.FIGURES)


def _being_made(job: Job, request: Request, what: str) -> Response:
    server = server_of(request)
    words = reports.failure(server, job, what)
    # Whoever looks once more has it tried once more.
    server.errands.drop((what, job.id))
    return render(request, "report_wait.html", 500 if words else 202, search=job, words=words)
