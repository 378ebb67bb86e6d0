"""Models for other programs: pictures in, classes out, and the Open Inference Protocol V2.

KServe, Triton, Seldon and DJL speak that protocol: https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from kevo.errors import ModelError, RunError
from kevo.service.rest.access import server_of, user_of
from kevo.service.rest.errors import ERRORS
from kevo.service.rest.predictions import MOST_FILES, predicted, sent_in
from kevo.service.server import Server, find_model
from kevo.service.settings import Whole
from kevo.system import versions

_INPUT, _OUTPUT = "pictures", "probabilities"
_COLORS = 3
_MOST_SIDE = 4096
_MODEL_SECONDS = 90.0

router = APIRouter(responses=ERRORS)


class Tensor(BaseModel):
    """Pictures as numbers: raw pixels 0-255, of shape (pictures, height, width, 3)."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(max_length=200)]
    shape: Annotated[list[Whole], Field(min_length=4, max_length=4)]
    datatype: Literal["UINT8"]
    data: list[Any]


class Asked(BaseModel):
    """A request of the protocol."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(max_length=200)] | None = None
    inputs: Annotated[list[Tensor], Field(min_length=1, max_length=1)]


def model_of(model: str, request: Request) -> Path:
    """Returns the file of a model: one that the server was begun with, or the best one of a search."""
    server = server_of(request)
    if (path := server.config.models.get(model)) is not None:
        return path
    job = server.searches.get(model, user_of(request))
    try:
        if job is not None:
            return find_model(server, job)
    except RunError as error:
        raise HTTPException(404, str(error)) from None
    raise HTTPException(404, "There is no such model.")


Model = Annotated[Path, Depends(model_of)]


@router.get("/v2/health/live", openapi_extra={"security": []})
def live() -> dict[str, Any]:
    """Says that the server is there; needs no token."""
    return {"live": True}


@router.get("/v2/health/ready", openapi_extra={"security": []})
def ready() -> dict[str, Any]:
    """Says that the server answers; needs no token. Models are loaded when they are asked for."""
    return {"ready": True}


@router.get("/v2")
def metadata() -> dict[str, Any]:
    """Says what the server is."""
    return {"name": "kevo", "version": versions.KEVO, "extensions": []}


@router.get("/v2/models/{model}")
async def model_metadata(model: str, path: Model, request: Request) -> dict[str, Any]:
    """Says what a model takes and answers."""
    names = await _class_names(server_of(request), path)
    return {
        "name": model,
        "versions": ["1"],
        "platform": "keras",
        "inputs": [{"name": _INPUT, "datatype": "UINT8", "shape": [-1, -1, -1, _COLORS]}],
        "outputs": [
            {"name": _OUTPUT, "datatype": "FP32", "shape": [-1, len(names)], "parameters": {"class_names": names}}
        ],
    }


@router.get("/v2/models/{model}/ready")
async def model_ready(model: str, path: Model, request: Request) -> dict[str, Any]:
    """Says whether a model is loaded, and begins to load it; 503 while it is not."""
    if not await server_of(request).models.warm_up(path):
        raise HTTPException(503, "The model is being loaded. Ask again in a few seconds.", {"retry-after": "5"})
    return {"name": model, "ready": True}


@router.post("/v2/models/{model}/infer")
async def infer(model: str, path: Model, asked: Asked, request: Request) -> dict[str, Any]:
    """Predicts pictures that come as numbers."""
    server, (tensor,) = server_of(request), asked.inputs
    num, height, width, colors = tensor.shape
    if num > MOST_FILES or max(height, width) > _MOST_SIDE or colors != _COLORS:
        raise HTTPException(
            422,
            f"Expected up to {MOST_FILES} pictures of up to {_MOST_SIDE} x {_MOST_SIDE} px in {_COLORS} colors. "
            f"Received: {tensor.shape}.",
        )
    pixels = await asyncio.to_thread(_pixels, tensor)
    names = await _class_names(server, path)
    size = height * width * colors
    blobs = [pixels[place * size : (place + 1) * size] for place in range(num)]
    answer = await server.models.predict(path, blobs, top=None, wait=_MODEL_SECONDS, raw=(width, height))
    if len(answer["predictions"]) != num:
        raise HTTPException(422, "; ".join(str(one["reason"]) for one in answer["skipped"][:3]))
    data = [float(one["probabilities"][name]) for one in answer["predictions"] for name in names]
    output = {"name": _OUTPUT, "datatype": "FP32", "shape": [num, len(names)], "data": data}
    labels = [one["label"] for one in answer["predictions"]]
    found = {
        "model_name": model,
        "model_version": "1",
        "outputs": [{**output, "parameters": {"class_names": names, "labels": labels}}],
    }
    return found if asked.id is None else {**found, "id": asked.id}


@router.post("/api/v1/models/{model}/predict")
async def predict(
    path: Model, request: Request, top: Annotated[int | None, Query(ge=1, le=10_000)] = None
) -> dict[str, Any]:
    """Predicts a picture, the body of the request, or up to 32 pictures, its parts."""
    return await predicted(server_of(request), path, await sent_in(request), top=top)


async def _class_names(server: Server, path: Path) -> list[str]:
    told = await server.models.opened(path, wait=_MODEL_SECONDS)
    if not told["class_names"]:
        raise ModelError("The model has no classes, or takes no pictures.")
    return [str(name) for name in told["class_names"]]


def _pixels(tensor: Tensor) -> bytes:
    """Returns the numbers of a tensor, which may be nested as its shape is or lie in one row.

    Raises:
        HTTPException: they are none, or too few or too many.
    """
    num = math.prod(tensor.shape)
    try:
        # One more than there may be is enough to tell.
        found = bytes(itertools.islice(_flat(tensor.data, len(tensor.shape)), num + 1))
    except (TypeError, ValueError):
        raise HTTPException(422, "Expected whole numbers from 0 to 255 as `data`.") from None
    if len(found) != num:
        raise HTTPException(422, f"Expected {num:,} numbers as `data`, for the shape {tensor.shape}.")
    return found


def _flat(values: list[Any], depth: int) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list) and depth > 1:
            yield from _flat(value, depth - 1)
        else:
            yield value
