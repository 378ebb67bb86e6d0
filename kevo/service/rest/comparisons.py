"""Models are compared, and scored on other data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from kevo.errors import RunError
from kevo.service import measuring
from kevo.service.rest.access import LONGEST_NAME, Asked, job_of, server_of, user_of
from kevo.service.server import Server

router = APIRouter()
_IDS = r"^[0-9a-f]{16}(,[0-9a-f]{16}){1,5}$"
"""Two to six names of searches."""


class NewData(BaseModel):
    """Data that a model is to be scored on."""

    model_config = ConfigDict(extra="forbid")

    data: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    split: Literal["train", "validation", "test", "all"] | None = None


_LATER: dict[int | str, dict[str, Any]] = {202: {"description": "It is being found out: ask once more"}}


@router.post("/searches/{search}/evaluate", responses=_LATER)
async def evaluate(job: Asked, asked: NewData, request: Request) -> Response:
    """Scores the model on other data, as `kevo evaluate` does; 202 while that takes."""
    server = server_of(request)
    path = measuring.data_path(server, job, asked.data, user_of(request))
    return _when_done(server, lambda: measuring.evaluated(server, job, path, asked.split))


@router.get("/compare", responses=_LATER)
async def compare(request: Request, ids: Annotated[str, Query(pattern=_IDS)]) -> Response:
    """Compares two to six searches, as `kevo compare` does; 202 while that takes."""
    server = server_of(request)
    found = [job_of(name, request) for name in dict.fromkeys(ids.split(","))]
    if len(found) < 2:
        raise HTTPException(422, "Expected two different searches at least.")
    return _when_done(server, lambda: measuring.compared(server, found))


def _when_done(server: Server, ask: Callable[[], tuple[str, Any]]) -> Response:
    try:
        state, values = ask()
    except RunError as error:
        raise HTTPException(409, str(error)) from None
    if state == "failed":
        raise HTTPException(409, str(values))
    if state != "done":
        return JSONResponse({"state": state}, 202, {"retry-after": "5"})
    return Response(server.without_paths(json.dumps(values)), media_type="application/json")
