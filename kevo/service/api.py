"""The REST service, below `/api/v1`: JSON in and out, errors as RFC 9457 has them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from kevo.errors import KevoError, ModelError, RunError
from kevo.runs import layout
from kevo.service import events, exports, jobs, measuring
from kevo.service import settings as allowed
from kevo.service.guard import TITLES
from kevo.service.jobs import TEXTS, Job
from kevo.service.predicting import NotReadyError
from kevo.service.searches import candidate_json
from kevo.service.server import Server, find_model, is_plain_file
from kevo.service.settings import Limits, SearchSettings
from kevo.service.uploads import MEMBERS, Upload
from kevo.system import versions

MOST_PICTURES = 32
PICTURE_BYTES = 20 * 1024**2
_MODEL_SECONDS = 90.0
_OTHER_NAMES = ("application/x-zip-compressed", "application/vnd.ms-excel")
"""What browsers call zips and CSV files too."""
_LONGEST_NAME = 200
_MOST_STREAMS = 64
_IDS = r"^[0-9a-f]{16}(,[0-9a-f]{16}){1,5}$"
"""Two to six names of searches."""
_EVENT_ID = re.compile(r"([0-9a-f]{16}|-):([0-9]{1,9}):[0-9]{1,12}")
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": TITLES[status],
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status in (400, 401, 403, 404, 405, 409, 413, 415, 421, 422, 429, 500, 503, 507)
}

router = APIRouter(prefix="/api/v1", responses=ERRORS)


def body_of(*kinds: str) -> dict[str, Any]:
    """Returns what the description of the service says of a body that is read as it comes."""
    schema = {"type": "string", "format": "binary", "minLength": 1}
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}}


_UPLOADS = "|".join(suffix.removeprefix(".") for suffix in MEMBERS)
FileName = Annotated[
    str, PathParameter(alias="data", json_schema_extra={"pattern": rf"^[A-Za-z0-9_-]+\.({_UPLOADS})$"})
]
"""What the description says of the names of files: other names are taken too, where they end so."""

Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME, pattern=r"^[^\x00-\x1f\x7f]+$")]


class NewSearch(BaseModel):
    """A search that is asked for."""

    model_config = ConfigDict(extra="forbid")

    data: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]
    name: Name | None = None
    settings: SearchSettings = SearchSettings()


class Renamed(BaseModel):
    """What may be changed of a search."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class Stop(BaseModel):
    """How a search is to end."""

    model_config = ConfigDict(extra="forbid")

    now: Annotated[bool, Field(strict=True)] = False


def server_of(request: Request) -> Server:
    """Returns the server that a request has come to."""
    server: Server = request.app.state.server
    return server


def user_of(request: Request) -> str:
    """Returns whom a request is from; the guard lets nobody else pass."""
    return str(request.state.user)


def job_of(search: str, request: Request) -> Job:
    """Returns a search of the request's user; others' are not there for them."""
    job = server_of(request).searches.get(search, user_of(request))
    if job is None:
        raise HTTPException(404, "There is no such search.")
    return job


def upload_of(data: str, request: Request) -> Upload:
    """Returns an upload of the request's user."""
    upload = server_of(request).uploads.get(data, user_of(request))
    if upload is None:
        raise HTTPException(404, "There is no such data.")
    return upload


Asked = Annotated[Job, Depends(job_of)]
Sent = Annotated[Upload, Depends(upload_of)]


@router.get("/health", openapi_extra={"security": []})
def health() -> dict[str, Any]:
    """Says that the server is there; the only answer that needs no token."""
    return {"ok": True, "kevo": versions.KEVO}


@router.put("/data/{data}", status_code=201, openapi_extra=body_of(*dict.fromkeys(MEMBERS.values())))
async def put_data(name: FileName, request: Request) -> JSONResponse:
    """Takes in a .zip or .npz of pictures or a .csv of rows, as the body, and says what it holds."""
    server, length = server_of(request), _length(request)
    server.uploads.check(name, length)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind not in ("", *MEMBERS.values(), *_OTHER_NAMES):
        raise HTTPException(415, f"Expected {', '.join(MEMBERS.values())}. Received: {kind[:100]}.")
    one = await server.uploads.receive(name, user_of(request), _chunks(request), length)
    return JSONResponse(server.upload_json(one), 201, {"location": f"/api/v1/data/{one.id}"})


@router.get("/data")
def list_data(request: Request) -> dict[str, Any]:
    """Lists uploads, the newest first, and the data that is on the machine already."""
    server = server_of(request)
    found = [server.upload_json(one) for one in server.uploads.all_of(user_of(request))]
    return {"data": found, "there": ["digits", *server.config.data]}


@router.get("/data/{data}")
def get_data(one: Sent, request: Request) -> dict[str, Any]:
    """Says what an upload holds."""
    return server_of(request).upload_json(one)


@router.get(
    "/data/{data}/thumbs/{number}", response_class=FileResponse, responses={200: {"content": {"image/png": {}}}}
)
def get_thumbnail(one: Sent, number: int, request: Request) -> FileResponse:
    """Shows a small picture of an upload, made anew from one of its pictures."""
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


@router.post("/searches", status_code=201, responses={200: {"description": "The same key has begun it before"}})
def post_search(
    asked: NewSearch,
    request: Request,
    idempotency_key: Annotated[str | None, Header(max_length=_LONGEST_NAME)] = None,
) -> JSONResponse:
    """Puts a new search into the queue."""
    server, user = server_of(request), user_of(request)
    job, is_new = add_search(server, user, asked, idempotency_key or "")
    return JSONResponse(server.search_json(job), 201 if is_new else 200, {"location": f"/api/v1/searches/{job.id}"})


def add_search(server: Server, user: str, asked: NewSearch, key: str = "") -> tuple[Job, bool]:
    """Checks what is asked for, and puts it into the queue; see `Searches.add`.

    Raises:
        HTTPException: there is no such data.
        KevoError: the settings are none, or the queue is full.
    """
    data_name = server.data_name(asked.data, user)
    if data_name is None:
        raise HTTPException(404, "There is no such data.")
    upload = server.uploads.get(asked.data, user)
    targets = upload.targets if upload is not None and upload.is_table else None
    settings = allowed.checked(asked.settings, max_time=server.config.max_time, targets=targets)
    return server.searches.add(
        name=asked.name or Path(data_name).stem or data_name,
        owner=user,
        data=asked.data,
        data_name=data_name,
        settings=settings,
        key=key,
    )


@router.get("/searches")
def list_searches(
    request: Request,
    state: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 20,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> dict[str, Any]:
    """Lists searches, the newest first."""
    server = server_of(request)
    found = [job for job in server.searches.all_of(user_of(request)) if state in (None, server.searches.state(job))]
    page = found[offset : offset + limit]
    return {"searches": [server.search_json(job, is_brief=True) for job in page], "total": len(found)}


@router.get("/searches/{search}")
def get_search(job: Asked, request: Request) -> dict[str, Any]:
    """Says how a search is doing, and what it has found."""
    return server_of(request).search_json(job)


@router.patch("/searches/{search}")
def patch_search(job: Asked, asked: Renamed, request: Request) -> dict[str, Any]:
    """Calls a search otherwise."""
    server = server_of(request)
    server.searches.rename(job, asked.name)
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


@router.delete("/searches/{search}")
def delete_search(job: Asked, request: Request) -> dict[str, Any]:
    """Removes a search with all its files."""
    server = server_of(request)
    freed = server.searches.remove(job)
    server.errands.forget(job.id)
    return {"bytes_freed": freed}


@router.get("/searches/{search}/candidates")
def list_candidates(
    job: Asked,
    request: Request,
    after: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Lists candidates in the order in which they ended, without the histories of their trainings."""
    searches = server_of(request).searches
    total, following = searches.num_candidates(job), after + limit
    return {
        "candidates": list(map(candidate_json, searches.records(job, after, following))),
        "total": total,
        "next": following if following < total else None,
    }


@router.get("/searches/{search}/candidates/{number}")
def get_candidate(job: Asked, number: int, request: Request) -> dict[str, Any]:
    """Tells all of one candidate."""
    searches = server_of(request).searches
    known = searches.candidates(job)
    place = next((place for place in reversed(range(len(known))) if known[place].number == number), None)
    found = [] if place is None else searches.records(job, place, place + 1)
    if not found:
        raise HTTPException(404, "There is no such candidate.")
    return found[0].to_json()


@router.get("/searches/{search}/log", response_class=PlainTextResponse)
def get_log(job: Asked, request: Request) -> PlainTextResponse:
    """Shows the end of what the process of a search has said."""
    server = server_of(request)
    return PlainTextResponse(server.without_paths(jobs.tail(server.searches.place(job).log)))


@router.get("/searches/{search}/files")
def list_files(job: Asked, request: Request) -> dict[str, Any]:
    """Lists what can be downloaded."""
    server = server_of(request)
    place = server.searches.place(job)
    sizes = {name: place.file(name).stat().st_size for name in server.files(job) if name != jobs.PACKED}
    if layout.MODEL in sizes:
        sizes[jobs.PACKED] = server.pack_model(job).stat().st_size
    return {"files": [{"name": name, "bytes": size} for name, size in sizes.items()]}


@router.head("/searches/{search}/files/{name}", include_in_schema=False)
@router.get("/searches/{search}/files/{name}", response_class=FileResponse)
def get_file(job: Asked, name: str, request: Request) -> Response:
    """Downloads a file of a search."""
    server = server_of(request)
    if name not in server.files(job):
        raise HTTPException(404, f"There is no such file. There are: {', '.join(server.files(job)) or 'none yet'}.")
    if name == jobs.PACKED:
        return FileResponse(server.pack_model(job), filename=name, media_type="application/zip")
    path = server.searches.place(job).file(name)
    if name in TEXTS:
        # Where the server keeps its files is nobody's business.
        text = server.without_paths(path.read_text(encoding="utf-8", errors="replace"))
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(text, headers=headers, media_type="application/octet-stream")
    return FileResponse(path, filename=name, media_type="application/octet-stream")


@router.get(
    "/searches/{search}/report", response_class=FileResponse, responses={202: {"description": "It is being made"}}
)
async def get_report(job: Asked, request: Request) -> Response:
    """Shows the report of a search; 202 while it is being made."""
    server = server_of(request)
    if begin_report(server, job):
        return report_response(server, job)
    errand = server.errands.get(("report", job.id))
    if errand is not None and errand.state == "failed":
        raise HTTPException(409, f"There is no report: {server.without_paths(errand.words)}")
    return JSONResponse(
        {"state": "being made"}, 202, {"retry-after": "5", "location": f"/api/v1/searches/{job.id}/report"}
    )


def begin_report(server: Server, job: Job) -> bool:
    """Returns whether there is a report of how a search stands, and else begins to make it."""
    place = server.searches.place(job)
    if not place.has_begun:
        raise HTTPException(409, "There is nothing to report yet.")
    errand = server.errands.get(("report", job.id))
    newest = max(_changed(place.file(name)) for name in (layout.TRIALS, layout.RESULT))
    if is_plain_file(place.report) and _changed(place.report) >= newest:
        return True
    if errand is not None and (errand.is_under_way or errand.state == "failed"):
        return False
    server.errands.begin(
        # From where it stands: the page tells the path that it was asked for.
        ("report", job.id),
        ["report", "--out", place.report.name, "--", place.run.name],
        folder=place.folder,
    )
    return False


def report_response(server: Server, job: Job) -> FileResponse:
    """Returns the report, which may do nothing but be looked at."""
    policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return FileResponse(
        server.searches.place(job).report, media_type="text/html", headers={"content-security-policy": policy}
    )


class NewExport(BaseModel):
    """An export that is asked for."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=_LONGEST_NAME, json_schema_extra={"enum": list(exports.KINDS)})]


@router.post("/searches/{search}/exports", status_code=202)
async def post_export(job: Asked, asked: NewExport, request: Request) -> dict[str, Any]:
    """Writes the model in another format, and compares the two; `name` is one of those that the list offers."""
    begin_export(server_of(request), job, asked.name)
    return list_exports(job, request)


def begin_export(server: Server, job: Job, name: str) -> None:
    """Begins to write an export.

    Raises:
        HTTPException: there is no such format here, or no model yet.
    """
    if name not in exports.available():
        raise HTTPException(422, f"Expected one of: {', '.join(exports.available())}. Received: {name!r}.")
    try:
        exports.begin(server, job, name)
    except RunError as error:
        raise HTTPException(409, str(error)) from None


@router.get("/searches/{search}/exports")
def list_exports(job: Asked, request: Request) -> dict[str, Any]:
    """Lists the model in other formats: what was asked for and how far it is, and what can be asked for."""
    return {"exports": exports.listed(server_of(request), job), "offered": exports.available()}


@router.get("/searches/{search}/exports/{name}", response_class=FileResponse)
def get_export(job: Asked, name: str, request: Request) -> FileResponse:
    """Downloads the model in another format."""
    server = server_of(request)
    if name not in exports.KINDS or not exports.is_current(server, job, name):
        raise HTTPException(404, "There is no such export. Ask for it first.")
    path = exports.path_of(server, job, name)
    return FileResponse(path, filename=name, media_type="application/octet-stream")


@router.post("/searches/{search}/predict", openapi_extra=body_of("image/*"))
async def predict(
    job: Asked,
    request: Request,
    top: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    model: str = "best",
    grad_cam: bool = False,
) -> dict[str, Any]:
    """Predicts a picture, the body, or up to 32 pictures, its parts; `grad_cam` draws what speaks for each class."""
    server = server_of(request)
    pictures = await pictures_of(request)
    return await predicted(server, model_of(server, job, model), pictures, top=top, draws=grad_cam)


async def pictures_of(request: Request) -> list[tuple[str, bytes]]:
    """Returns the pictures in a request, with what they are called.

    Raises:
        HTTPException: there are none, too many, or too large ones.
    """
    if request.headers.get("content-type", "").casefold().startswith("multipart/form-data"):
        async with request.form(max_files=MOST_PICTURES + 1, max_fields=10) as form:
            parts = [part for part in form.getlist("pictures") if isinstance(part, UploadFile) and part.filename]
            found = [(str(part.filename), await part.read()) for part in parts[: MOST_PICTURES + 1]]
    else:
        found = [("picture", await request.body())]
    if len(found) > MOST_PICTURES:
        raise HTTPException(413, f"Expected {MOST_PICTURES} pictures at most.")
    if any(len(content) > PICTURE_BYTES for _, content in found):
        raise HTTPException(413, f"Expected pictures of {PICTURE_BYTES:,} bytes at most.")
    if not found or not all(content for _, content in found):
        raise HTTPException(422, "Expected a picture as the body, or pictures as parts called `pictures`.")
    return found


def model_of(server: Server, job: Job, model: str = "best") -> Path:
    """Returns a model of a search.

    Raises:
        HTTPException: there is no such model yet.
    """
    try:
        return find_model(server, job, f"{model}.keras")
    except RunError as error:
        raise HTTPException(409, str(error)) from None


async def predicted(
    server: Server,
    path: Path,
    pictures: list[tuple[str, bytes]],
    *,
    top: int | None,
    draws: bool = False,
    wait: float = _MODEL_SECONDS,
) -> dict[str, Any]:
    """Returns what a model says of pictures, and why some cannot be used.

    Raises:
        HTTPException: none of them can be read.
        NotReadyError: it is still being loaded.
        ModelError: it cannot be loaded.
    """
    blobs = [content for _, content in pictures]
    answer = await server.models.predict(path, blobs, top=top, wait=wait, draws=draws)
    for one in [*answer["predictions"], *answer["skipped"]]:
        one["name"] = pictures[one.pop("place")][0][:_LONGEST_NAME]
    if not answer["predictions"]:
        reasons = "; ".join(f"{one['name']} {one['reason']}" for one in answer["skipped"][:3])
        raise HTTPException(422, f"Not one picture could be read: {reasons}.")
    return answer


class NewData(BaseModel):
    """Data that a model is to be scored on."""

    model_config = ConfigDict(extra="forbid")

    data: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]
    split: Literal["train", "validation", "test", "all"] | None = None


_LATER: dict[int | str, dict[str, Any]] = {202: {"description": "It is being found out: ask once more"}}


@router.post("/searches/{search}/evaluate", responses=_LATER)
async def evaluate(job: Asked, asked: NewData, request: Request) -> Response:
    """Scores the model on other data, as `kevo evaluate` does; 202 while that takes."""
    server = server_of(request)
    path = server.data_path(asked.data, user_of(request))
    if path is None:
        raise HTTPException(404, "There is no such data.")
    upload = server.uploads.get(asked.data, user_of(request))
    if upload is not None and upload.is_table and "target" not in job.settings:
        # A model of pictures would look for the files that the rows may name, anywhere on this machine.
        raise HTTPException(409, f"This model takes pictures, and {upload.name} is a table. Send a .zip of pictures.")
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


@router.get("/machine")
async def get_machine(request: Request) -> dict[str, Any]:
    """Says what this machine has, as `kevo doctor` does, and how much is at work on it."""
    return server_of(request).machine_json()


@router.get("/settings")
def get_settings(request: Request) -> dict[str, Any]:
    """Says what may be set for a search, as a JSON schema, and how much of it is allowed here."""
    config = server_of(request).config
    return {
        "schema": SearchSettings.model_json_schema(),
        "max_time": config.max_time,
        "max_upload": config.max_upload,
        "parallel": config.parallel,
    }


@router.get("/events", response_class=StreamingResponse)
def get_events(
    request: Request,
    search: str | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Tells what happens, as server-sent events; 204 to whoever comes back when all is over."""
    server, user = server_of(request), user_of(request)
    if server.hub.num_readers >= _MOST_STREAMS:
        raise HTTPException(429, f"{_MOST_STREAMS} streams are open already. Close some of them.")
    # Before the stream begins: inside of it, it would be too late for a 404.
    job = None if search is None else job_of(search, request)
    match = _EVENT_ID.fullmatch(last_event_id or "")
    last = int(match[2]) if match and match[1] == search else None

    def is_over() -> bool:
        return job is not None and server.searches.state(job) in jobs.ENDED

    def snapshot() -> tuple[dict[str, Any], int]:
        if job is not None:
            number = server.searches.num_candidates(job)
            return server.search_json(job), number
        found = server.searches.all_of(user)
        return {"searches": [{"id": one.id, "state": server.searches.state(one)} for one in found]}, 0

    has_heard_all = last is not None and job is not None and last >= server.searches.num_candidates(job)
    if has_heard_all and is_over():
        return Response(status_code=204)
    told = events.stream(
        server.hub,
        events.Reader(user, search),
        snapshot=snapshot,
        replay=lambda number: [] if job is None else server.searches.candidates_after(job, number),
        last=last,
        is_over=is_over,
    )
    return StreamingResponse(told, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


def status_of(error: KevoError) -> int:
    """Returns the status of an answer that is an error."""
    from kevo.service import searches, uploads

    if isinstance(error, searches.ConflictError):
        return 409
    if isinstance(error, searches.QueueFullError | uploads.BusyError):
        return 429
    if isinstance(error, uploads.TooLargeError):
        return 413
    if isinstance(error, uploads.NoRoomError):
        return 507
    if isinstance(error, uploads.WrongKindError):
        return 415
    if isinstance(error, NotReadyError):
        return 503
    if isinstance(error, ModelError):
        return 422
    return 422


def _length(request: Request) -> int | None:
    words = request.headers.get("content-length", "")
    return int(words) if words.isdigit() else None


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        if chunk:
            yield chunk


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
