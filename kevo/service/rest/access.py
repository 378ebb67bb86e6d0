"""What a request asks for, as far as whoever sends it may have it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException, Request

from kevo.service.jobs import Job
from kevo.service.server import Server
from kevo.service.tokens import User
from kevo.service.uploads import Upload

LONGEST_NAME = 200


def server_of(request: Request) -> Server:
    """Returns the server that a request has come to."""
    server: Server = request.app.state.server
    return server


def user_of(request: Request) -> User:
    """Returns whom a request is from; the guard lets nobody else pass."""
    user: User = request.state.user
    return user


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
