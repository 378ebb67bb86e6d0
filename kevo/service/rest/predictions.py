"""A model is asked about pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.datastructures import UploadFile

from kevo.errors import RunError
from kevo.service.jobs import Job
from kevo.service.rest.access import LONGEST_NAME, Asked, server_of
from kevo.service.rest.bodies import body_of
from kevo.service.server import Server, find_model

MOST_PICTURES = 32
PICTURE_BYTES = 20 * 1024**2
_MODEL_SECONDS = 90.0

router = APIRouter()


@router.post("/searches/{search}/predict", openapi_extra=body_of("image/*"))
async def predict(
    job: Asked,
    request: Request,
    top: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    model: str = "best",
    grad_cam: bool = False,
    overlay: bool = False,
) -> dict[str, Any]:
    """Predicts a picture, the body, or up to 32 pictures, its parts.

    `grad_cam` draws what speaks for each class. A model of masks answers with each `mask`, a PNG in base64 of 0 and 255
    or of a palette whose indices are the classes, and with the `area` of each class; `overlay` draws masks over their
    pictures too.
    """
    server = server_of(request)
    pictures = await pictures_of(request)
    return await predicted(server, model_of(server, job, model), pictures, top=top, draws=grad_cam, overlays=overlay)


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
    overlays: bool = False,
    wait: float = _MODEL_SECONDS,
) -> dict[str, Any]:
    """Returns what a model says of pictures, and why some cannot be used.

    Raises:
        HTTPException: none of them can be read.
        NotReadyError: it is still being loaded.
        ModelError: it cannot be loaded.
    """
    blobs = [content for _, content in pictures]
    answer = await server.models.predict(path, blobs, top=top, wait=wait, draws=draws, overlays=overlays)
    for one in [*answer["predictions"], *answer["skipped"]]:
        one["name"] = pictures[one.pop("place")][0][:LONGEST_NAME]
    if not answer["predictions"]:
        reasons = "; ".join(f"{one['name']} {one['reason']}" for one in answer["skipped"][:3])
        raise HTTPException(422, f"Not one picture could be read: {reasons}.")
    return answer
