"""What can be downloaded of a search: its files, its report, and its model in other formats."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ConfigDict

from kevo.errors import RunError
from kevo.runs import layout
from kevo.service import exports, jobs, reports
from kevo.service.jobs import TEXTS, Job
from kevo.service.rest.access import Asked, server_of
from kevo.service.server import Server

router = APIRouter()


@router.head("/searches/{search}/files", include_in_schema=False)
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
async def get_report(job: Asked, request: Request, fresh: bool = False) -> Response:
    """Shows the report of a search; 202 while it is being made, with `fresh` anew."""
    server = server_of(request)
    if reports.begin(server, job, is_fresh=fresh):
        return reports.response(server, job)
    return _later(server, job, reports.REPORT)


def _later(server: Server, job: Job, what: str) -> Response:
    if words := reports.failure(server, job, what):
        raise HTTPException(409, f"There is nothing of that kind: {words} Try again with ?fresh=1.")
    headers = {"retry-after": "5", "location": f"/api/v1/searches/{job.id}/{what}"}
    return JSONResponse({"state": "being made"}, 202, headers)


@router.get("/searches/{search}/figures", responses={202: {"description": "They are being made"}})
async def list_figures(job: Asked, request: Request, fresh: bool = False) -> Response:
    """Lists the figures of the report, as SVG; 202 while they are being made, with `fresh` anew."""
    server = server_of(request)
    if not reports.begin(server, job, reports.FIGURES, is_fresh=fresh):
        return _later(server, job, reports.FIGURES)
    address = f"/api/v1/searches/{job.id}/figures"
    return JSONResponse(
        {"figures": [{"name": name, "href": f"{address}/{name}"} for name in reports.figures(server, job)]}
    )


@router.get(
    "/searches/{search}/figures/{name}",
    response_class=FileResponse,
    responses={200: {"content": {"image/svg+xml": {}}}, 202: {"description": "They are being made"}},
)
async def get_figure(job: Asked, name: str, request: Request, fresh: bool = False) -> Response:
    """Shows a figure of the report, by a name that the list of them has; with `fresh` all are made anew, 202."""
    server = server_of(request)
    if name not in reports.figures(server, job):
        raise HTTPException(404, "There is no such figure. Ask for the list of figures first.")
    if fresh and not reports.begin(server, job, reports.FIGURES, is_fresh=True):
        return _later(server, job, reports.FIGURES)
    return reports.figure_response(server, job, name)


class NewExport(BaseModel):
    """An export that is asked for."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["tflite", "onnx"]
    quantize: Literal["none", "int8"] = "none"
    model: Literal["best", "ensemble"] = "best"


@router.post("/searches/{search}/exports", status_code=202)
async def post_export(job: Asked, asked: NewExport, request: Request) -> dict[str, Any]:
    """Writes the best model, or the ensemble, in another format, and compares the two."""
    begin_export(server_of(request), job, exports.Kind(asked.format, asked.quantize, asked.model).name)
    return list_exports(job, request)


def begin_export(server: Server, job: Job, name: str) -> None:
    """Begins to write an export.

    Raises:
        HTTPException: there is no such format here, or no such model yet.
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
    server = server_of(request)
    return {"exports": exports.listed(server, job), "offered": exports.offered(server, job)}


@router.get("/searches/{search}/exports/{name}", response_class=FileResponse)
def get_export(job: Asked, name: str, request: Request) -> FileResponse:
    """Downloads the model in another format."""
    server = server_of(request)
    if name not in exports.KINDS or not exports.is_current(server, job, name):
        raise HTTPException(404, "There is no such export. Ask for it first.")
    path = exports.path_of(server, job, name)
    return FileResponse(path, filename=name, media_type="application/octet-stream")
