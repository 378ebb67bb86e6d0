"""The application: pages, the REST service and files of the pages, behind the guard."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from kevo.errors import KevoError
from kevo.service.errors import FieldError
from kevo.service.guard import MACHINE, Guard, Hosts, problem
from kevo.service.pages import site
from kevo.service.pages.rendering import error_page
from kevo.service.proxy import Proxied
from kevo.service.rest import inference, service
from kevo.service.rest.access import server_of
from kevo.service.rest.errors import status_of
from kevo.service.server import Server
from kevo.system import versions

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
    },
}


def create_app(server: Server, hosts: Hosts, *, port: int, proxy: str | None = None) -> ASGIApp:
    """Returns the application of a server.

    Args:
        server: Its parts.
        hosts: Its names.
        port: Its port, by which its cookie is called: cookies know no ports.
        proxy: The address of a proxy whose `X-Forwarded-*` headers are believed; `None` for none.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with server.running():
            yield

    app = FastAPI(
        title="kevo",
        version=versions.KEVO,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=lifespan,
        telemetry={"tracing": False},
    )
    app.state.server = server
    app.state.cookie = f"kevo-{port}"
    app.state.is_secure = hosts.scheme == "https"
    app.include_router(inference.router)
    if not server.config.only_predicts:
        app.include_router(service.router)
        app.include_router(site.router)
        app.mount("/static", StaticFiles(packages=[("kevo.service.pages", "static")]))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        headers = error.headers
        if error.status_code == 405 and (methods := _methods(app, request.url.path)):
            # The framework names those of one of several routes.
            headers = {"allow": ", ".join(methods)}
        return _answer(request, error.status_code, str(error.detail), headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        status = 400 if first["type"] == "json_invalid" else 422
        return _answer(request, status, f"{field}: {first['msg']}" if field else str(first["msg"]), field=field)

    @app.exception_handler(KevoError)
    async def refused(request: Request, error: KevoError) -> Response:
        status = status_of(error)
        headers = {"retry-after": "5"} if status == 503 else None
        more = {"field": error.field} if isinstance(error, FieldError) else {}
        return _answer(request, status, server.without_paths(str(error)), headers, **more)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
            schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"token": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    guard = Guard(app, gate=server.gate, hosts=hosts, cookie=app.state.cookie)
    return guard if proxy is None else Proxied(guard, proxy)


def _methods(app: FastAPI, path: str) -> list[str]:
    """Returns what may be asked of an address of the REST service; nothing for pages."""
    found: set[str] = set()
    for template, operations in app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found |= {method.upper() for method in operations}
    return sorted(found)


def _answer(request: Request, status: int, words: str, headers: Any = None, **more: Any) -> Response:
    """Returns an error: for programs as RFC 9457 has it, for people as a page."""
    if server_of(request).config.only_predicts or request.url.path.startswith(MACHINE):
        return Response(problem(status, words, **more), status, headers, "application/problem+json")
    answer = error_page(request, status, words)
    answer.headers.update(headers or {})
    return answer
