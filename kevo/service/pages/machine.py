"""The machine, and what programs can ask for."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from kevo.service.pages.rendering import render
from kevo.service.rest.access import server_of

router = APIRouter()


@router.get("/machine")
async def show_machine(request: Request) -> Response:
    """Shows what this machine has, and how much is at work on it."""
    return render(request, "machine.html", machine=server_of(request).machine_json())


@router.get("/api")
def show_api(request: Request) -> Response:
    """Shows what the REST service answers."""
    rows = []
    for path, methods in request.app.openapi()["paths"].items():
        for method, operation in methods.items():
            rows.append((method.upper(), path, operation.get("description", "")))
    netloc = f"{request.url.scheme}://{request.url.netloc}"
    return render(request, "api.html", rows=rows, address=netloc)
