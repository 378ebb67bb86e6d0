"""A model is tried: with pictures, or with a file of rows, texts, or the past of a series."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from kevo.errors import KevoError
from kevo.service.guard import POLICY
from kevo.service.jobs import Job
from kevo.service.pages import sections
from kevo.service.pages.rendering import render
from kevo.service.pages.search import MASKS, PICTURES
from kevo.service.rest.access import Asked, server_of
from kevo.service.rest.errors import status_of
from kevo.service.rest.predictions import PART, ROWS, model_of, predicted, sent_in
from kevo.service.server import find_model
from kevo.service.settings import SERIES
from kevo.tasks.pages import Lines
from kevo.tasks.protocols.kind import AnyKind

_FORM_SECONDS = 280.0
_MOST_SHOWN = 200
_UNSEEN = ("name", "probabilities")
"""What of an answer has no column in the table of answers."""

router = APIRouter()


@router.get("/searches/{search}/try")
async def try_model(job: Asked, request: Request) -> Response:
    """Asks for what is to be predicted, and begins to load the model."""
    server = server_of(request)
    words = ""
    try:
        is_ready = await server.models.warm_up(find_model(server, job))
    except KevoError as error:
        is_ready, words = False, server.without_paths(str(error))
    return _try_page(request, job, is_ready=is_ready, error=words)


@router.post("/searches/{search}/try")
async def post_try(job: Asked, request: Request) -> Response:
    """Predicts what comes from a form."""
    server = server_of(request)
    try:
        sent = await sent_in(request)
        # A form that is sent again has lost its files: it waits for the model.
        answer = await predicted(server, model_of(server, job), sent, top=5, overlays=True, wait=_FORM_SECONDS)
    except (KevoError, HTTPException) as error:
        status = error.status_code if isinstance(error, HTTPException) else status_of(error)
        words = str(error.detail if isinstance(error, HTTPException) else error)
        return _try_page(request, job, is_ready=True, error=server.without_paths(words), status=status)
    page = _try_page(request, job, is_ready=True, answer=answer)
    if any("overlay" in one for one in answer["predictions"]):
        # Without a script a picture that is kept nowhere stands in the page itself.
        page.headers["content-security-policy"] = POLICY.replace("img-src 'self'", "img-src 'self' data:")
    return page


def _try_page(
    request: Request,
    job: Job,
    *,
    is_ready: bool,
    answer: Mapping[str, Any] | None = None,
    error: str = "",
    status: int = 200,
) -> Response:
    server = server_of(request)
    outcome, search = server.searches.outcome(job), server.settings(job)
    kind = None if search is None else search.kind
    address = f"{request.url.scheme}://{request.url.netloc}/api/v1/searches/{job.id}/predict"
    about = {"search": job, "is_ready": is_ready, "answer": answer, "error": error, "address": address}
    if kind is not None and kind.inputs != PICTURES:
        return render(request, "try_rows.html", status, **about, **_rows(kind, answer, address))
    curl = ["curl", "-H", "Authorization: Bearer TOKEN", "--data-binary", "@picture.jpg", address]
    return render(
        request,
        "try.html",
        status,
        **about,
        class_names=list(outcome.test.names)[:100] if outcome is not None else [],
        has_masks=kind is not None and kind.name == MASKS,
        curl=shlex.join(curl),
    )


def _rows(kind: AnyKind, answer: Mapping[str, Any] | None, address: str) -> dict[str, Any]:
    """Returns what the page of a model that takes files of rows shows beside the rest.

    Args:
        kind: The task.
        answer: What the model says; `None` before it was asked.
        address: Where programs ask it.
    """
    is_series = kind.name == SERIES
    example = "past.csv" if is_series else "rows.csv"
    found = [] if answer is None else answer["predictions"]
    head = [name for name in (found[0] if found else {}) if name not in _UNSEEN]
    curl = ["curl", "-H", "Authorization: Bearer TOKEN", "-H", "Content-Type: text/csv"]
    values = tuple(one["value"] for one in found[:_MOST_SHOWN]) if is_series else ()
    lines = Lines(
        name="forecast",
        title="Forecast",
        caption=f"The next {len(values)} values.",
        x_label="Step",
        y_label="Value",
        lines=(("forecast", values),),
    )
    return {
        "part": PART,
        "accepted": ",".join(ROWS),
        "is_series": is_series,
        "inputs": kind.inputs,
        "example": example,
        "head": head,
        "rows": [[_cell(one.get(name, "")) for name in head] for one in found[:_MOST_SHOWN]],
        "drawing": sections.block(lines) if len(values) > 1 else None,
        "curl": shlex.join([*curl, "--data-binary", f"@{example}", address]),
    }


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
