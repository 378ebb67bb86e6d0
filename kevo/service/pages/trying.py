"""A model is tried with pictures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from kevo.errors import KevoError
from kevo.service.guard import POLICY
from kevo.service.jobs import Job
from kevo.service.pages.rendering import render
from kevo.service.pages.search import MASKS
from kevo.service.rest.access import Asked, server_of
from kevo.service.rest.errors import status_of
from kevo.service.rest.predictions import model_of, pictures_of, predicted
from kevo.service.server import find_model

_FORM_SECONDS = 280.0

router = APIRouter()


@router.get("/searches/{search}/try")
async def try_model(job: Asked, request: Request) -> Response:
    """Asks for pictures to predict, and begins to load the model."""
    server = server_of(request)
    words = ""
    try:
        is_ready = await server.models.warm_up(find_model(server, job))
    except KevoError as error:
        is_ready, words = False, server.without_paths(str(error))
    return _try_page(request, job, is_ready=is_ready, error=words)


@router.post("/searches/{search}/try")
async def post_try(job: Asked, request: Request) -> Response:
    """Predicts pictures from a form."""
    server = server_of(request)
    try:
        pictures = await pictures_of(request)
        # A form that is sent again has lost its pictures: it waits for the model.
        answer = await predicted(server, model_of(server, job), pictures, top=5, overlays=True, wait=_FORM_SECONDS)
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
    address = f"{request.url.scheme}://{request.url.netloc}/api/v1/searches/{job.id}/predict"
    curl = ["curl", "-H", "Authorization: Bearer TOKEN", "--data-binary", "@picture.jpg", address]
    return render(
        request,
        "try.html",
        status,
        search=job,
        is_ready=is_ready,
        class_names=list(outcome.test.names)[:100] if outcome is not None else [],
        has_masks=search is not None and search.kind.name == MASKS,
        answer=answer,
        error=error,
        curl=shlex.join(curl),
        address=address,
    )
