"""How processes that train together find each other, and the line on which they talk.

TensorFlow waits for a missing process up to an hour, and holds Python's lock meanwhile, so that nothing can end it. So
they meet first: where TensorFlow is going to listen, everybody waits for the call of process 0. The line stays open.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from kevo.errors import SettingsError, os_reason
from kevo.execution.devices import Cluster

_LOOK_SECONDS = 0.2
_ANSWER_SECONDS = 10.0
_MAX_BYTES = 16 * 1024**2
"""How long a message may be, without what comes behind it; the largest networks take a megabyte."""
_MAX_PAYLOAD_BYTES = 4 * 1024**3
"""How long what comes behind it may be: no network's weights take as much."""


class MissingError(Exception):
    """A process that is to train along is not there, or has other data or another version."""


class Line:
    """A connection that carries JSON, and bytes behind it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connection = connection
        self._file = connection.makefile("rwb")

    def wait(self, seconds: float | None) -> None:
        """Sets how long every message from now on is waited for; `None` for as long as that takes."""
        self._connection.settimeout(seconds)

    def say(self, message: Mapping[str, Any], payload: bytes = b"") -> None:
        """Sends a message."""
        self._file.write(json.dumps({**message, "size": len(payload)}).encode() + b"\n" + payload)
        self._file.flush()

    def hear(self) -> tuple[dict[str, Any], bytes]:
        """Returns the next message.

        Raises:
            OSError: there is none any more.
        """
        line = self._file.readline(_MAX_BYTES)
        if not line.endswith(b"\n"):
            raise ConnectionError("the connection was closed")
        message = json.loads(line)
        if not 0 <= (size := message["size"]) <= _MAX_PAYLOAD_BYTES:
            raise ConnectionError(f"a message of {size} bytes was announced")
        payload = self._file.read(size)
        if len(payload) < size:
            raise ConnectionError("the connection was closed")
        return message, payload

    def close(self) -> None:
        """Hangs up."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._connection.close()


def called(address: str, terms: Mapping[str, Any], *, until: float, watch: Callable[[], object] = lambda: None) -> Line:
    """Calls a process.

    Args:
        address: Where it answers.
        terms: What both must have in common.
        until: When to give up, by `time.monotonic`.
        watch: Is called now and then; what it raises ends the wait.

    Raises:
        MissingError: it is not there, or has other terms.
    """
    while True:
        watch()
        # Whoever trained there before may not have let go of the address yet, and answers in TensorFlow's language.
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError), contextlib.ExitStack() as opened:
            line = Line(socket.create_connection(_parts(address), timeout=_ANSWER_SECONDS))
            opened.callback(line.close)
            line.say({"hello": dict(terms)})
            problem = line.hear()[0]["problem"]
            if problem is None:
                line.wait(None)
                opened.pop_all()
                return line
            raise MissingError(f"The process at {address} cannot train along: {problem}")
        if time.monotonic() >= until:
            raise MissingError(f"There is no process at {address} that would train along.")
        time.sleep(_LOOK_SECONDS)


def answered(cluster: Cluster, terms: Mapping[str, Any], *, patience_seconds: float) -> Line | None:
    """Waits for the call of process 0, until all are there.

    Args:
        cluster: Where this process is called: at the address where TensorFlow is going to listen.
        terms: What both must have in common.
        patience_seconds: When to give up.

    Returns:
        The line; `None` if somebody else called, or process 0 is gone before all are there.

    Raises:
        MissingError: nobody has called.
        SettingsError: nobody can call here, or process 0 has other terms.
    """
    address = cluster.addresses[cluster.index]
    try:
        door = socket.create_server(_parts(address))
    except OSError as error:
        raise SettingsError(f"Nobody can be reached at {address} here: {os_reason(error)}.") from error
    with door:
        door.settimeout(patience_seconds)
        try:
            line = Line(door.accept()[0])
        except TimeoutError:
            raise MissingError(f"No search has called at {address} for {patience_seconds:.0f} seconds.") from None
    try:
        line.wait(_ANSWER_SECONDS)
        asked = line.hear()[0]["hello"]
        different = sorted(name for name in {*asked, *terms} if asked.get(name) != terms.get(name))
        problem = f"its {' and '.join(different)} are not those of process 0." if different else None
        line.say({"problem": problem})
        if problem is None:
            # Until all are there.
            line.wait(patience_seconds)
            line.hear()
            line.wait(None)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        line.close()
        return None
    if problem is not None:
        line.close()
        raise SettingsError(f"This process cannot train along: {problem}")
    return line


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
