"""A model is asked about pictures, rows, texts, or what follows a series."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.datastructures import UploadFile

from kevo.errors import RunError
from kevo.service.jobs import Job
from kevo.service.rest.access import LONGEST_NAME, Asked, server_of
from kevo.service.rest.bodies import body_of
from kevo.service.server import Server, find_model

MOST_FILES = 32
FILE_BYTES = 20 * 1024**2
PART = "pictures"
"""What files are called in a form, whatever they hold."""
ROWS = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".jsonl": "application/jsonl",
    ".txt": "text/plain",
}
"""Files of rows, a series, or texts: what their names end in, and what they are called in a request."""
_MODEL_SECONDS = 90.0

router = APIRouter()


@router.post("/searches/{search}/predict", openapi_extra=body_of("image/*", *ROWS.values()))
async def predict(
    job: Asked,
    request: Request,
    top: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    model: str = "best",
    grad_cam: bool = False,
    overlay: bool = False,
) -> dict[str, Any]:
    """Predicts a picture, the body, or up to 32 pictures, its parts; or files of rows, texts, or the past of a series.

    `grad_cam` draws what speaks for each class. A model of masks answers with each `mask`, a PNG in base64 of 0 and 255
    or of a palette whose indices are the classes, and with the `area` of each class; `overlay` draws masks over their
    pictures too. A model of tables answers for each row, one of series with the next values and their times.
    """
    server = server_of(request)
    sent = await sent_in(request)
    return await predicted(server, model_of(server, job, model), sent, top=top, draws=grad_cam, overlays=overlay)


class Sent(NamedTuple):
    """Files in a request.

    Args:
        files: What each is called, and its content.
        suffix: Of files of rows or texts what their names end in, such as `.csv`; empty for pictures.
    """

    files: list[tuple[str, bytes]]
    suffix: str


async def sent_in(request: Request) -> Sent:
    """Returns the files in a request, with what they are called.

    Raises:
        HTTPException: there are none, too many, too large ones, or of several kinds.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind == "multipart/form-data":
        async with request.form(max_files=MOST_FILES + 1, max_fields=10) as form:
            parts = [part for part in form.getlist(PART) if isinstance(part, UploadFile) and part.filename]
            found = [(str(part.filename), await part.read()) for part in parts[: MOST_FILES + 1]]
        suffixes = {suffix if (suffix := Path(name).suffix.casefold()) in ROWS else "" for name, _ in found}
    else:
        suffixes = {next((suffix for suffix, one in ROWS.items() if one == kind), "")}
        found = [("rows" if any(suffixes) else "picture", await request.body())]
    if len(found) > MOST_FILES:
        raise HTTPException(413, f"Expected {MOST_FILES} files at most.")
    if any(len(content) > FILE_BYTES for _, content in found):
        raise HTTPException(413, f"Expected files of {FILE_BYTES:,} bytes at most.")
    if not found or not all(content for _, content in found):
        raise HTTPException(422, f"Expected a file as the body, or files as parts called `{PART}`.")
    # A picture that is called as a text is skipped with a reason, beside others.
    return Sent(found, suffixes.pop() if len(suffixes) == 1 else "")


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
    sent: Sent,
    *,
    top: int | None,
    draws: bool = False,
    overlays: bool = False,
    wait: float = _MODEL_SECONDS,
) -> dict[str, Any]:
    """Returns what a model says of files, and why some cannot be used.

    Raises:
        HTTPException: none of them can be read.
        NotReadyError: it is still being loaded.
        ModelError: it cannot be loaded.
    """
    blobs, suffix = [content for _, content in sent.files], sent.suffix
    answer = await server.models.predict(path, blobs, top=top, wait=wait, draws=draws, overlays=overlays, suffix=suffix)
    for one in itertools.chain(*answer.values()):
        one["name"] = sent.files[one.pop("place")][0][:LONGEST_NAME]
    if not answer["predictions"]:
        reasons = "; ".join(f"{one['name']} {one['reason']}" for one in answer["skipped"][:3])
        raise HTTPException(422, f"Nothing could be read: {reasons}.")
    return answer
