"""Uploads: the list, the form of a new one, and what was found in one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile

from kevo.errors import KevoError
from kevo.service.errors import QueueFullError
from kevo.service.pages.rendering import render
from kevo.service.rest import data as rest
from kevo.service.rest.access import Sent, server_of, user_of
from kevo.service.rest.errors import status_of
from kevo.service.rest.searches import NewSearch, add_search
from kevo.service.server import Server
from kevo.service.tokens import User
from kevo.service.uploads import Upload

_FORM_BYTES = 2**16

router = APIRouter()


@router.get("/data")
def data(request: Request) -> Response:
    """Shows the uploads."""
    server = server_of(request)
    found = server.uploads.all_of(user_of(request))
    return render(request, "data_list.html", uploads=found, there=["digits", *server.config.data])


@router.get("/data/new")
def new_data(request: Request) -> Response:
    """Asks for pictures."""
    server = server_of(request)
    return _new_page(request, server, "", 200)


def _new_page(request: Request, server: Server, error: str, status: int, *, starts: bool = False) -> Response:
    there = ["digits", *server.config.data]
    return render(request, "data_new.html", status, most=server.uploads.most, there=there, error=error, starts=starts)


@router.post("/data")
async def post_data(request: Request) -> Response:
    """Takes in pictures from a form; the file is read on as the API reads it."""
    server, user, starts = server_of(request), user_of(request), False
    length = request.headers.get("content-length", "")
    try:
        if not length.isdigit():
            raise HTTPException(413, "Expected a request that says how long it is.")
        # So large a form is not read to its end: the file alone would be refused too.
        if int(length) > server.uploads.most + _FORM_BYTES:
            server.uploads.check("data.zip", int(length))
        async with request.form(max_files=1, max_fields=2) as form:
            file, starts = form.get("file"), form.get("start") == "yes"
            if not isinstance(file, UploadFile) or not file.filename:
                raise HTTPException(422, "Choose a file first.")
            upload = await server.uploads.receive(file.filename, user.name, _read(file), file.size)
    except (KevoError, HTTPException) as error:
        status = error.status_code if isinstance(error, HTTPException) else status_of(error)
        words = str(error.detail if isinstance(error, HTTPException) else error)
        return _new_page(request, server, words, status, starts=starts)
    return RedirectResponse(
        await asyncio.to_thread(_start, server, user, upload) if starts else f"/data/{upload.id}", 303
    )


@router.post("/data/{data}/start")
def start_data(one: Sent, request: Request) -> Response:
    """Begins a search on an upload with the usual settings, where nothing has to be asked."""
    return RedirectResponse(_start(server_of(request), user_of(request), one), 303)


def _start(server: Server, user: User, upload: Upload) -> str:
    """Begins a search with the usual settings, and returns the page of it; of a table that which asks for a column."""
    if upload.is_table:
        return f"/searches/new?data={upload.id}"
    try:
        return f"/searches/{add_search(server, user, NewSearch(data=upload.id))[0].id}"
    except QueueFullError:
        # It can be begun from there.
        return f"/data/{upload.id}"


async def _read(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(2**20):
        yield chunk


@router.get("/data/{data}")
def show_data(one: Sent, request: Request) -> Response:
    """Shows what was found in an upload."""
    server = server_of(request)
    by_class: dict[str, list[int]] = {}
    for place, (label, _) in enumerate(one.thumbnails):
        by_class.setdefault(label, []).append(place)
    same = server.uploads.get(one.same_as, user_of(request)) if one.same_as else None
    return render(
        request,
        "data.html",
        upload=one,
        thumbnails=by_class,
        same=same,
        needing=server.searches.needing(one.id),
        classes=list(one.counts.items())[:500],
    )


@router.get("/data/{data}/delete")
def ask_delete_data(one: Sent, request: Request) -> Response:
    """Asks whether an upload is to be removed."""
    server = server_of(request)
    return render(request, "delete_data.html", upload=one, needing=server.searches.needing(one.id))


@router.post("/data/{data}/delete")
def delete_data(one: Sent, request: Request) -> Response:
    """Removes an upload."""
    rest.delete_data(one, request, force=True)
    return RedirectResponse("/data", 303)
