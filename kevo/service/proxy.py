"""A server behind a proxy: what that says of a request is believed, and what anybody else says is not."""

from __future__ import annotations

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send

_SCHEMES = ("http", "https")


class Proxied:
    """Takes who asks, by which scheme and which host, from the `X-Forwarded-*` headers of one proxy.

    Args:
        app: What is behind it.
        proxy: The address from which the proxy asks, and nobody else.
    """

    def __init__(self, app: ASGIApp, proxy: str) -> None:
        self._app = app
        self._proxy = _address(proxy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        client = scope.get("client")
        if scope["type"] == "http" and client is not None and _address(client[0]) == self._proxy:
            scope = _as_forwarded(scope)
        await self._app(scope, receive, send)


def _as_forwarded(scope: Scope) -> Scope:
    """Returns a request as the proxy got it."""
    changed = dict(scope)
    # A proxy adds what it knows at the end; what stands before may be a stranger's.
    if _address(client := _last(scope, b"x-forwarded-for")) is not None:
        changed["client"] = (client, 0)
    if (scheme := _last(scope, b"x-forwarded-proto").casefold()) in _SCHEMES:
        changed["scheme"] = scheme
    if host := _last(scope, b"x-forwarded-host"):
        others = [pair for pair in scope["headers"] if pair[0].lower() != b"host"]
        changed["headers"] = [(b"host", host.encode("latin-1")), *others]
    return changed


def _last(scope: Scope, name: bytes) -> str:
    values = [value.decode("latin-1") for known, value in scope["headers"] if known.lower() == name]
    return values[-1].rpartition(",")[2].strip() if values else ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Returns an address; `None` for what is none. One of IPv4 that is written as one of IPv6 is the same."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
