"""What stands before every request: the right host, who is asking, from where, and the headers of every answer."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kevo.service.tokens import Gate

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_OPEN = ("/api/v1/health", "/v2/health/live", "/v2/health/ready", "/login")
_OPEN_FOLDER = "/static/"
_SAFE = ("GET", "HEAD")
_ASKING = re.compile(r"/log(in|out)|/searches/[^/]+/try|/api/v1/(searches|models)/[^/]+/predict|/v2/models/[^/]+/infer")
"""What is sent by POST and changes nothing."""
_BODY_BYTES = 2**16
_PICTURES_BYTES = 64 * 1024**2
_NUMBERS_BYTES = 16 * 1024**2
_BODIES: tuple[tuple[str, re.Pattern[str], int | None], ...] = (
    # Uploads are counted where they are written: how large one may be is a matter of the server.
    ("PUT", re.compile(r"/api/v1/data/[^/]+"), None),
    ("POST", re.compile(r"/data"), None),
    ("POST", re.compile(r"/api/v1/(searches|models)/[^/]+/predict"), _PICTURES_BYTES),
    ("POST", re.compile(r"/v2/models/[^/]+/infer"), _NUMBERS_BYTES),
    ("POST", re.compile(r"/searches/[^/]+/try"), _PICTURES_BYTES),
)
"""The requests whose bodies may be larger than others', and how large; `None` for those that are counted elsewhere."""
MACHINE = ("/api/", "/v2")
TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Unsupported kind of file",
    421: "Wrong host",
    422: "Cannot be used",
    429: "Too many requests",
    500: "Internal error",
    503: "Not ready",
    507: "No room",
}


class Hosts:
    """The names under which a server may be asked: a page of another name that leads here is refused.

    Args:
        host: The address that it listens at.
        port: The port.
        public: The address that a proxy has for it, such as `https://kevo.example`; `None` for none.
        scheme: What it speaks itself: `http` or `https`.
    """

    def __init__(self, host: str, port: int, public: str | None = None, *, scheme: str = "http") -> None:
        self._port = port
        self._own_scheme = scheme
        self._names = {"localhost", "127.0.0.1", "[::1]"}
        self._takes_addresses = not is_loopback(host)
        if self._takes_addresses:
            self._names |= {socket.gethostname().casefold(), socket.getfqdn().casefold()}
        self._public = urlsplit(public).netloc.casefold() if public else None
        self.scheme = urlsplit(public).scheme if public else scheme

    def knows(self, host: str) -> bool:
        """Returns whether a Host header names this server."""
        host = host.casefold()
        if self._public is not None and host == self._public:
            return True
        name, _, port = host.rpartition(":")
        if not name or "]" in port:
            name, port = host, "443" if self._own_scheme == "https" else "80"
        if port != str(self._port):
            return False
        # A name can be made to lead anywhere by whoever owns it, a number cannot.
        return name in self._names or (self._takes_addresses and _is_address(name.strip("[]")))

    def is_own(self, origin: str, host: str) -> bool:
        """Returns whether a page of an origin is one of this server, when it was asked by `host`."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        name = parts.netloc.casefold()
        if name == self._public:
            return parts.scheme == self.scheme
        return parts.scheme == self._own_scheme and name == host.casefold() and self.knows(host)


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach an address."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


class Guard:
    """Refuses what must not reach the application. Whom a request is from stands in its state as `user`.

    Args:
        app: The application.
        gate: The tokens.
        hosts: The names of the server.
        cookie: The name of its cookie; cookies know no ports.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate, hosts: Hosts, cookie: str) -> None:
        self._app = app
        self._gate = gate
        self._hosts = hosts
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = _Headers(scope["headers"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                more = ((name.encode(), value.encode()) for name, value in _HEADERS.items())
                message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in given)]
            await send(message)

        status, words = self._verdict(scope, headers)
        if status == 200:
            counted = _Counted(receive, send_with_headers, _most_bytes(scope))
            if counted.most is None or not _is_longer(headers.get("content-length"), counted.most):
                try:
                    await self._app(scope, counted.receive, counted.send)
                    return
                except Exception:
                    if not counted.is_too_large or counted.has_answered:
                        raise
            status, words = 413, f"Expected {counted.most:,} bytes at most."
        path, method = scope["path"], scope["method"]
        if status == 401 and method in _SAFE and not path.startswith(MACHINE):
            await _answer(send_with_headers, 303, {"location": "/login"}, "text/plain", b"")
        elif path.startswith(MACHINE):
            extra = {"www-authenticate": "Bearer"} if status == 401 else {}
            await _answer(send_with_headers, status, extra, "application/problem+json", problem(status, words))
        else:
            await _answer(send_with_headers, status, {}, "text/plain; charset=utf-8", words.encode())

    def _verdict(self, scope: Scope, headers: _Headers) -> tuple[int, str]:
        """Returns 200, or with what and why a request is refused."""
        host = headers.get("host")
        if not self._hosts.knows(host):
            return 421, "This server is not called so. Use the address that kevo serve printed, or give --public-url."
        path, method = scope["path"], scope["method"]
        state = scope.setdefault("state", {})
        state["user"] = state["cookie"] = None
        words = headers.get("authorization")
        if words:
            kind, _, token = words.partition(" ")
            state["user"] = self._gate.user_of_token(token.strip()) if kind.casefold() == "bearer" else None
            is_wrong = state["user"] is None
        else:
            cookie = _cookie(headers.get("cookie"), self._cookie)
            state["cookie"] = cookie
            state["user"] = None if cookie is None else self._gate.user_of_cookie(cookie)
            is_wrong = cookie is not None and state["user"] is None
        if state["user"] is None and path not in _OPEN and not path.startswith(_OPEN_FOLDER):
            if is_wrong and self._gate.note_wrong(address_of(scope)):
                return 429, "Too many wrong tokens. Wait a minute."
            return 401, "Sign in, or send a token: Authorization: Bearer TOKEN."
        if not words and method not in _SAFE and not self._comes_from_here(headers, host):
            # A browser has sent it, with the cookie or to get one.
            return 403, "This request comes from another page than this server's own, or does not say from where."
        if state["user"] is not None and not state["user"].may_change and not _changes_nothing(method, path):
            return 403, "Your token is a reader's: you see everything, and change nothing."
        return 200, ""

    def _comes_from_here(self, headers: _Headers, host: str) -> bool:
        """Returns whether a browser sends this from a page of this very server.

        Cookies are sent from pages of other ports of the same machine too, which browsers call `same-site`.
        """
        if site := headers.get("sec-fetch-site"):
            return site == "same-origin"
        return self._hosts.is_own(headers.get("origin"), host)


class _Counted:
    """Counts the body of a request while it is read."""

    def __init__(self, receive: Receive, send: Send, most: int | None) -> None:
        self._receive = receive
        self._send = send
        self.most = most
        self._num = 0
        self.is_too_large = self.has_answered = False

    async def receive(self) -> Message:
        """Receives a part of the body; raises an error where there is too much of it."""
        message = await self._receive()
        self._num += len(message.get("body", b""))
        if self.most is not None and self._num > self.most:
            self.is_too_large = True
            raise _TooLargeError
        return message

    async def send(self, message: Message) -> None:
        """Sends a part of the answer; the application may not call it another error that there was too much."""
        if self.is_too_large and not self.has_answered:
            raise _TooLargeError
        self.has_answered = True
        await self._send(message)


class _TooLargeError(Exception):
    """There is more of a request than may be."""


class _Headers:
    """The headers of a request; one that is there twice counts as missing."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in pairs]

    def get(self, name: str) -> str:
        values = [value for known, value in self._pairs if known == name]
        return values[0] if len(values) == 1 else ""


def address_of(scope: Scope) -> str:
    """Returns the address that a request comes from; empty where that is unknown."""
    client = scope.get("client")
    return "" if client is None else str(client[0])


def problem(status: int, detail: str, **more: Any) -> bytes:
    """Returns an error as RFC 9457 has it."""
    values = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "detail": detail, **more}
    return json.dumps(values).encode()


def _changes_nothing(method: str, path: str) -> bool:
    return method in _SAFE or _ASKING.fullmatch(path) is not None


def _most_bytes(scope: Scope) -> int | None:
    """Returns how large the body of a request may be; `None` where that is counted elsewhere."""
    fitting = (most for method, path, most in _BODIES if method == scope["method"] and path.fullmatch(scope["path"]))
    return next(fitting, _BODY_BYTES)


def _is_longer(length: str, most: int) -> bool:
    return length.isdigit() and int(length) > most


def _cookie(header: str, name: str) -> str | None:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return None
    return None if found is None else found.value


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


async def _answer(send: Send, status: int, headers: dict[str, str], kind: str, body: bytes) -> None:
    pairs = {"content-type": kind, "content-length": str(len(body)), **headers}
    encoded = [(name.encode(), value.encode()) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
