"""What the errors of kevo are in HTTP, and what the description of the service says of them."""

from __future__ import annotations

from typing import Any

from kevo.errors import KevoError
from kevo.service.errors import (
    BusyError,
    ConflictError,
    MissingError,
    NoRoomError,
    NotReadyError,
    QueueFullError,
    TooLargeError,
    WrongKindError,
)
from kevo.service.guard import TITLES


def error_of(status: int) -> dict[str, Any]:
    """Returns what the description says of an error."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": TITLES[status], "content": {"application/problem+json": {"schema": schema}}}


_EVERYWHERE = (400, 401, 403, 404, 405, 409, 413, 415, 421, 422, 429, 500, 503, 507)
ERRORS: dict[int | str, dict[str, Any]] = {status: error_of(status) for status in _EVERYWHERE}
_STATUSES: dict[type[KevoError], int] = {
    MissingError: 404,
    ConflictError: 409,
    QueueFullError: 429,
    BusyError: 429,
    TooLargeError: 413,
    NoRoomError: 507,
    WrongKindError: 415,
    NotReadyError: 503,
}


def status_of(error: KevoError) -> int:
    """Returns the status of an answer that is an error; 422 for what cannot be used."""
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 422)
