"""One search: how it is doing, what it has found, and all its candidates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from kevo.errors import KevoError
from kevo.objective import Objective
from kevo.runs import layout
from kevo.runs.atomic_files import DAMAGE
from kevo.runs.records import TrialRecord
from kevo.runs.status import Training
from kevo.runs.training_curve import Point
from kevo.service import exports, jobs, reports
from kevo.service import settings as allowed
from kevo.service.candidates import CandidateOrder, Ending
from kevo.service.jobs import Job
from kevo.service.pages import charts, trainings
from kevo.service.pages import sections as sections_of
from kevo.service.pages.rendering import fields, lines, render, whole, words_of
from kevo.service.rest import files, tags
from kevo.service.rest import searches as rest
from kevo.service.rest.access import Asked, server_of
from kevo.service.server import Server
from kevo.service.settings import SERIES, Limits
from kevo.settings import Settings
from kevo.system.text import seconds_in

_ROWS = 50
PICTURES = "images"
"""What tasks take that have pictures for examples."""
MASKS = "segmentation"
"""The task whose answers are masks."""
_LAST = 5
_EPOCHS = 500
"""So many of a training are shown, the last ones."""

router = APIRouter()


@router.get("/searches/{search}")
def show_search(job: Asked, request: Request) -> Response:
    """Shows how a search is doing, and what it has found."""
    return _page(job, request)


def _page(job: Job, request: Request, *, error: str = "", status: int = 200) -> Response:
    server = server_of(request)
    values = server.search_json(job)
    candidates = server.searches.candidates(job)
    search, outcome = server.settings(job), server.searches.outcome(job)
    objective = None if search is None else search.objectives[0]
    if values["state"] not in (jobs.STOPPED, jobs.FINISHED):
        outcome = None
    kind = None if outcome is None else outcome.kind
    known = kind if kind is not None or search is None else search.kind
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
    under_way = values["status"]["trainings"] if values["status"] else []
    return render(
        request,
        "search.html",
        status,
        error=error,
        before=_about(job),
        longest_note=rest.LONGEST_NOTE,
        search=values,
        job=job,
        is_alive=values["state"] in jobs.ALIVE,
        joining=server.joining,
        is_ended=values["state"] in jobs.ENDED,
        headline=headline,
        details=details,
        remarks=remarks,
        drawings=drawings,
        sections=sections,
        is_of_pictures=known is None or known.inputs == PICTURES,
        # No other format was compared with Keras on masks and on series yet.
        is_exported=known is None or known.name not in (MASKS, SERIES),
        curve=None if objective is None else charts.curve(candidates, objective),
        panels=_panels(under_way, objective),
        metric="" if objective is None else objective.metric,
        last=_rows(server, search, server.searches.records(job, 0, _LAST, order="-ended")),
        num_candidates=len(candidates),
        has_model=layout.MODEL in values["files"],
        exports=exports.listed(server, job),
        offered=exports.offered(server, job),
        log=server.without_paths(jobs.tail(server.searches.place(job).log, 4096))
        if values["state"] == "failed"
        else "",
        width=charts.WIDTH,
        height=charts.HEIGHT,
        left=charts.LEFT,
    )


def _panels(under_way: Sequence[Mapping[str, Any]], objective: Objective | None) -> dict[int, list[trainings.Panel]]:
    """Returns the curves of the trainings under way, by the numbers of their candidates."""
    metric = "" if objective is None else objective.metric
    return {number: trainings.panels(points, metric) for number, points in trainings.of_status(under_way).items()}


def _rows(server: Server, search: Settings | None, records: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Returns what a table says of candidates."""
    found = []
    for record in records:
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


@router.post("/searches/{search}/about")
async def change_search(job: Asked, request: Request) -> Response:
    """Gives a search another name and note, if nobody else has done so meanwhile."""
    given = await fields(request)
    if given.get("before") != _about(job):
        return _page(job, request, error=f"It was changed meanwhile. It is called {job.name!r} now.", status=409)
    values = {"name": given.get("name", job.name), "note": lines(given.get("note", ""))}
    try:
        asked = rest.Changes.model_validate(values)
    except ValueError as error:
        return _page(job, request, error=words_of(error), status=422)
    server_of(request).searches.change(job, name=asked.name, note=asked.note)
    return RedirectResponse(f"/searches/{job.id}", 303)


def _about(job: Job) -> str:
    """Returns what a form tells by whether somebody has changed name or note since it was shown."""
    return tags.tag_of([job.name, job.note]).strip('"')


@router.post("/searches/{search}/move")
async def move_search(job: Asked, request: Request) -> Response:
    """Moves a search that waits."""
    try:
        asked = rest.Changes.model_validate({"position": whole((await fields(request)).get("position", ""))})
    except ValueError as error:
        raise HTTPException(422, words_of(error)) from None
    server_of(request).searches.change(job, position=asked.position)
    return RedirectResponse("/", 303)


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
    sort: CandidateOrder = "-ended",
    status: Ending | None = None,
) -> Response:
    """Shows all candidates, or those that ended in one way, in an order."""
    server = server_of(request)
    num, search = server.searches.num_candidates(job, status=status), server.settings(job)
    objective, start = None if search is None else search.objectives[0], (page - 1) * _ROWS
    records = server.searches.records(job, start, start + _ROWS, order=sort, objective=objective, status=status)
    return render(
        request,
        "candidates.html",
        search=server.search_json(job, is_brief=True),
        rows=_rows(server, search, records),
        metric="" if objective is None else objective.metric,
        is_best_most=objective is not None and objective.direction == "max",
        page=page,
        num=num,
        num_all=server.searches.num_candidates(job),
        num_pages=max(1, math.ceil(num / _ROWS)),
        sort=sort,
        ending=status or "",
    )


@router.get("/searches/{search}/candidates/{number}")
def show_candidate(job: Asked, number: Annotated[int, Path(ge=1, le=10**9)], request: Request) -> Response:
    """Shows all of one candidate, by its number from 1: what it is, how it was trained, and what came of it."""
    server = server_of(request)
    search = server.settings(job)
    objective = None if search is None else search.objectives[0]
    status = server.searches.status(job)
    training = next((one for one in status.trainings if one.number == number - 1), None) if status else None
    if training is not None:
        return _training_page(job, request, training, objective)
    record = rest.candidate_of(server, job, number - 1)
    points = trainings.of_record(record)
    return render(
        request,
        "candidate.html",
        search=job,
        row=_rows(server, search, [record])[0],
        metric="" if objective is None else objective.metric,
        genes=[(name, str(value)) for name, value in record.genome.items()],
        metrics=list(record.metrics.items()),
        names=_names(points),
        points=points[-_EPOCHS:],
        panels=trainings.panels(points, "" if objective is None else objective.metric),
    )


def _training_page(job: Job, request: Request, training: Training, objective: Objective | None) -> Response:
    """Shows a candidate that trains: how far it is, and its metrics so far."""
    return render(
        request,
        "training.html",
        search=job,
        training=training,
        names=_names(training.curve),
        panels=trainings.panels(training.curve, "" if objective is None else objective.metric),
    )


def _names(points: Sequence[Point]) -> list[str]:
    """Returns the names of all metrics of a training."""
    return list(dict.fromkeys(name for point in points for name in point.metrics))


@router.get("/searches/{search}/report")
async def show_report(job: Asked, request: Request, fresh: bool = False) -> Response:
    """Shows the report, or that it is being made, with `fresh` anew."""
    server = server_of(request)
    if reports.begin(server, job, is_fresh=fresh):
        return reports.response(server, job)
    return _being_made(job, request, reports.REPORT, is_fresh=fresh)


@router.get("/searches/{search}/figures")
async def show_figures(job: Asked, request: Request, fresh: bool = False) -> Response:
    """Shows the figures of the report, or that they are being made, with `fresh` anew."""
    server = server_of(request)
    if reports.begin(server, job, reports.FIGURES, is_fresh=fresh):
        return render(request, "figures.html", search=job, names=reports.figures(server, job))
    return _being_made(job, request, reports.FIGURES, is_fresh=fresh)


def _being_made(job: Job, request: Request, what: str, *, is_fresh: bool) -> Response:
    server = server_of(request)
    if is_fresh:
        # The page that waits loads itself again, which must not begin anew each time.
        return RedirectResponse(f"/searches/{job.id}/{what}", 303)
    words = reports.failure(server, job, what)
    # Whoever looks once more has it tried once more.
    server.errands.drop((what, job.id))
    return render(request, "report_wait.html", 500 if words else 202, search=job, words=words)
