"""What the processes that train together say to each other, whichever way that travels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any, Protocol


class Outgoing(Protocol):
    """Carries messages, and bytes with them, from the first process to one of the others."""

    def say(self, message: Mapping[str, Any], payload: bytes = b"") -> None:
        """Sends a message of JSON values.

        Raises:
            OSError: the other end is gone.
        """


class Incoming(Protocol):
    """The other end of it."""

    def hear(self) -> tuple[dict[str, Any], bytes]:
        """Waits for the next message, and returns it.

        Raises:
            OSError: there is none any more.
        """


class LocalLine:
    """A line between two processes of one machine: no port, and nobody else can listen.

    Args:
        connection: One end of a pipe that carries both directions.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def say(self, message: Mapping[str, Any], payload: bytes = b"") -> None:
        self._connection.send_bytes(json.dumps(message).encode())
        self._connection.send_bytes(payload)

    def hear(self) -> tuple[dict[str, Any], bytes]:
        try:
            return json.loads(self._connection.recv_bytes()), self._connection.recv_bytes()
        except EOFError:
            raise ConnectionError("the connection was closed") from None

    def close(self) -> None:
        """Closes this end."""
        self._connection.close()
