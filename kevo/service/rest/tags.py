"""Entity tags: whoever has an answer already is told so, and whoever has an old one cannot change what it is about.

RFC 9110, sections 8.8.3 and 13.1 (https://www.rfc-editor.org/rfc/rfc9110).
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from fastapi import Header, HTTPException, Response
from fastapi.responses import JSONResponse

from kevo.service.rest.errors import error_of

IfMatch = Annotated[str | None, Header(max_length=1000)]
IfNoneMatch = Annotated[str | None, Header(max_length=1000)]
SAME: dict[int | str, dict[str, Any]] = {304: {"description": "Nothing has changed"}}
CHANGED: dict[int | str, dict[str, Any]] = {412: error_of(412)}
_CLOCKS = ("seconds", "seconds_left", "num_bytes", "num_bytes_of_checkpoints")
"""What goes on by itself in the status of a search at work: nobody waits for that, or changes it."""


def tag_of(values: Any) -> str:
    """Returns the tag of an answer, whatever the clock says in it."""
    return f'"{hashlib.sha256(json.dumps(_still(values), sort_keys=True).encode()).hexdigest()[:32]}"'


def answer(values: dict[str, Any], known: str | None) -> Response:
    """Returns an answer with its tag; 304 without it where it is known already."""
    tag = tag_of(values)
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if known is not None and (known.strip() == "*" or tag in _listed(known)):
        return Response(status_code=304, headers=headers)
    return JSONResponse(values, headers=headers)


def check(values: dict[str, Any], expected: str | None) -> None:
    """Refuses a change of what is not any more as its sender knows it.

    Raises:
        HTTPException: 412.
    """
    if expected is not None and expected.strip() != "*" and tag_of(values) not in _listed(expected):
        raise HTTPException(412, "It has changed since you read it. Read it again, and decide anew.")


def _listed(header: str) -> list[str]:
    return [one.strip().removeprefix("W/") for one in header.split(",")]


def _still(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _still(value) for name, value in values.items() if name not in _CLOCKS}
    return [_still(value) for value in values] if isinstance(values, list) else values
