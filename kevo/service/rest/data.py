"""Uploads: sent, listed, looked at, removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, JSONResponse

from kevo.service import jobs
from kevo.service.rest.access import LONGEST_NAME, Sent, server_of, user_of
from kevo.service.rest.bodies import body_of
from kevo.service.server import is_plain_file
from kevo.service.uploads import MEMBERS

router = APIRouter()
_OTHER_NAMES = ("application/x-zip-compressed", "application/vnd.ms-excel")
"""What browsers call zips and CSV files too."""
_UPLOADS = "|".join(suffix.removeprefix(".") for suffix in MEMBERS)
FileName = Annotated[
    str, PathParameter(alias="data", json_schema_extra={"pattern": rf"^[A-Za-z0-9_-]+\.({_UPLOADS})$"})
]
"""What the description says of the names of files: other names are taken too, where they end so."""


@router.put(
    "/data/{data}",
    status_code=201,
    openapi_extra=body_of(*dict.fromkeys(MEMBERS.values())),
    responses={200: {"description": "The same key has brought it before"}},
)
async def put_data(
    name: FileName, request: Request, idempotency_key: Annotated[str | None, Header(max_length=LONGEST_NAME)] = None
) -> JSONResponse:
    """Takes in a .zip or .npz of pictures or a .csv of rows, as the body, and says what it holds."""
    server, length, user = server_of(request), _length(request), user_of(request)
    if idempotency_key and (known := server.uploads.by_key(idempotency_key, user)) is not None:
        return JSONResponse(server.upload_json(known), 200, {"location": f"/api/v1/data/{known.id}"})
    server.uploads.check(name, length)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind not in ("", *MEMBERS.values(), *_OTHER_NAMES):
        raise HTTPException(415, f"Expected {', '.join(MEMBERS.values())}. Received: {kind[:100]}.")
    chunks = _chunks(request)
    one = await server.uploads.receive(name, user.name, chunks, length, key=idempotency_key or "")
    return JSONResponse(server.upload_json(one), 201, {"location": f"/api/v1/data/{one.id}"})


@router.get("/data")
def list_data(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> dict[str, Any]:
    """Lists uploads, the newest first, and the data that is on the machine already."""
    server = server_of(request)
    found, following = server.uploads.all_of(user_of(request)), after + limit
    return {
        "data": [server.upload_json(one) for one in found[after:following]],
        "total": len(found),
        "next": following if following < len(found) else None,
        "there": ["digits", *server.config.data],
    }


@router.get("/data/{data}")
def get_data(one: Sent, request: Request) -> dict[str, Any]:
    """Says what an upload holds."""
    return server_of(request).upload_json(one)


@router.get(
    "/data/{data}/thumbs/{number}", response_class=FileResponse, responses={200: {"content": {"image/png": {}}}}
)
def get_thumbnail(
    one: Sent,
    number: int,
    request: Request,
    label: Annotated[str | None, Query(alias="class", max_length=1000)] = None,
) -> FileResponse:
    """Shows a small picture of an upload, made anew from one of its pictures; with `class` by its place among these."""
    if label is not None:
        places = [place for place, (name, _) in enumerate(one.thumbnails) if name == label]
        number = places[number] if 0 <= number < len(places) else len(one.thumbnails)
    path = server_of(request).uploads.thumbnail(one, number)
    if path is None or not is_plain_file(path):
        raise HTTPException(404, "There is no such picture.")
    return FileResponse(path, media_type="image/png", headers={"cache-control": "private, max-age=31536000, immutable"})


@router.delete("/data/{data}", status_code=204)
def delete_data(one: Sent, request: Request, force: bool = False) -> Response:
    """Removes an upload; one that a search needs only with `force`."""
    server = server_of(request)
    needing = server.searches.needing(one.id)
    if any(server.searches.state(job) in (*jobs.ALIVE, jobs.QUEUED) for job in needing) or (needing and not force):
        names = ", ".join(job.name for job in needing)
        raise HTTPException(409, f"Searches need this data, also to go on: {names}. Remove them first.")
    server.uploads.remove(one)
    return Response(status_code=204)


def _length(request: Request) -> int | None:
    words = request.headers.get("content-length", "")
    return int(words) if words.isdigit() else None


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        if chunk:
            yield chunk
