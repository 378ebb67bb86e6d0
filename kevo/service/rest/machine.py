"""The server itself: that it is there, what the machine has, and what may be set."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from kevo.service.rest.access import server_of
from kevo.service.settings import SearchSettings
from kevo.system import versions

router = APIRouter()


@router.get("/health", openapi_extra={"security": []})
def health() -> dict[str, Any]:
    """Says that the server is there; the only answer that needs no token."""
    return {"ok": True, "kevo": versions.KEVO}


@router.get("/machine")
async def get_machine(request: Request) -> dict[str, Any]:
    """Says what this machine has, as `kevo doctor` does, and how much is at work on it."""
    return server_of(request).machine_json()


@router.get("/settings")
def get_settings(request: Request) -> dict[str, Any]:
    """Says what may be set for a search, as a JSON schema, how much of it is allowed, and which weights are here."""
    server = server_of(request)
    config = server.config
    return {
        "backbones": server.backbones(),
        "schema": SearchSettings.model_json_schema(),
        "max_time": config.max_time,
        "max_upload": config.max_upload,
        "parallel": config.parallel,
    }
