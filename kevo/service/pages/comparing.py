"""Searches side by side, and a model on other data; each is found out by a process of its own."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response

from kevo.errors import KevoError
from kevo.objective import Objective
from kevo.runs.atomic_files import DAMAGE
from kevo.service import measuring
from kevo.service.candidates import Candidates
from kevo.service.jobs import Job
from kevo.service.pages import charts
from kevo.service.pages import sections as sections_of
from kevo.service.pages.rendering import render
from kevo.service.rest.access import Asked, job_of, server_of, user_of
from kevo.service.rest.errors import status_of
from kevo.service.server import DIGITS, Server

_MOST = 6
_SPLITS = ("test", "validation", "train", "all")
_GROUPS = {"run": "Data and versions", "settings": "Settings", "space": "Space", "outcome": "Outcome"}

router = APIRouter()


@router.get("/compare")
async def compare(
    request: Request, ids: Annotated[list[str] | None, Query(max_length=_MOST)] = None, everything: bool = False
) -> Response:
    """Shows what differs between searches, and whether one model is better by more than chance."""
    server, found = server_of(request), [job_of(name, request) for name in dict.fromkeys(ids or ())]
    if len(found) < 2:
        return render(request, "compare.html", 422, **_nothing(found, "Choose two to six searches."))
    try:
        state, values = measuring.compared(server, found)
    except KevoError as error:
        return render(request, "compare.html", 409, **_nothing(found, server.without_paths(str(error))))
    if state != "done":
        words = str(values) if state == "failed" else ""
        return render(request, "compare.html", 409 if words else 202, **_nothing(found, words, is_asked=not words))
    rows = [row for row in values["rows"] if everything or not row["is_equal"]]
    groups = [
        (_GROUPS.get(name, name), [(row["name"], [server.without_paths(one) for one in row["words"]]) for row in some])
        for name, some in groupby(rows, key=lambda row: row["group"])
    ]
    told = [verdict["words"] for verdict in values["verdicts"]] + values["notes"]
    told += [f"Left out {folder}: {reason}" for folder, reason in values["refused"].items()]
    return render(
        request,
        "compare.html",
        searches=found,
        groups=groups,
        told=[server.without_paths(words) for words in told],
        num_equal=len(values["rows"]) - len(rows),
        curves=charts.together([(job.name, *_scored(server, job)) for job in found]),
        is_asked=False,
        error="",
        everything=everything,
    )


def _nothing(found: list[Job], error: str, *, is_asked: bool = False) -> dict[str, Any]:
    shown = {"groups": [], "told": [], "num_equal": 0, "curves": None, "everything": False}
    return {"searches": found, "error": error, "is_asked": is_asked, **shown}


def _scored(server: Server, job: Job) -> tuple[Candidates, Objective | None]:
    settings = server.settings(job)
    return server.searches.candidates(job), None if settings is None else settings.objectives[0]


@router.get("/searches/{search}/measure")
async def measure(job: Asked, request: Request, data: str = "", split: str = "") -> Response:
    """Asks for other data, and shows how good the model is on that."""
    server, user = server_of(request), user_of(request)
    offered = [(name, name) for name in (DIGITS, *server.config.data)]
    offered += [(one.id, one.name) for one in server.uploads.all_of(user) if measuring.fits(server, job, one)]
    values: dict[str, Any] = {"search": job, "offered": offered, "splits": _SPLITS, "data": data, "split": split}
    values |= {"is_asked": False, "error": "", "shown": None, "data_name": server.data_name(data, user)}
    if not data:
        return render(request, "measure.html", **values)
    try:
        path = measuring.data_path(server, job, data, user)
        if split and split not in _SPLITS:
            raise HTTPException(422, f"Expected one of: {', '.join(_SPLITS)}. Received: {split[:50]!r}.")
        state, found = measuring.evaluated(server, job, path, split or None)
    except (KevoError, HTTPException) as error:
        status = error.status_code if isinstance(error, HTTPException) else status_of(error)
        words = str(error.detail if isinstance(error, HTTPException) else error)
        return render(request, "measure.html", status, **{**values, "error": server.without_paths(words)})
    if state == "failed":
        return render(request, "measure.html", 409, **{**values, "error": str(found)})
    if state != "done":
        return render(request, "measure.html", 202, **{**values, "is_asked": True})
    return render(request, "measure.html", **{**values, "shown": _scores(server, job, found)})


def _scores(server: Server, job: Job, found: dict[str, Any]) -> dict[str, Any]:
    """Returns scores as the task of the search shows them; plain numbers where it does not know them."""
    rows = [(name.replace("_", " "), value) for name, value in found.items() if isinstance(value, int | float | str)]
    plain = [(name, f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in rows]
    shown: dict[str, Any] = {"headline": None, "blocks": [], "rows": [row for row in plain if row[0] != "model"]}
    outcome = server.searches.outcome(job)
    if outcome is not None:
        try:
            scores = outcome.kind.parse_scores({name: found[name] for name in outcome.test.to_json()})
            headline = outcome.kind.pages().headline(scores)
            drawings = [sections_of.block(one) for one in outcome.kind.drawings(scores)]
        except DAMAGE:
            return shown
        shown |= {"headline": headline, "blocks": [one for one in drawings if one is not None]}
    return shown
