"""One end of a socket pair that carries JSON messages."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Mapping
from multiprocessing.connection import wait
from typing import Any

_NUM_BYTES = 1 << 20


class Channel:
    """One end of a socket pair. Messages are lines of JSON, and reading does not wait for one that is cut off.

    Args:
        connection: The socket; it is closed with the channel.
        patience_seconds: How long the other end may take to accept a message; `None` for as long as it takes.
    """

    def __init__(self, connection: socket.socket, *, patience_seconds: float | None = None) -> None:
        connection.settimeout(patience_seconds)
        self._connection = connection
        self._messages: deque[dict[str, Any]] = deque()
        self._rest = b""
        self.is_closed = False
        """Whether the other end is closed."""

    def fileno(self) -> int:
        """The socket's file descriptor, for `multiprocessing.connection.wait`."""
        return self._connection.fileno()

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends a message.

        Raises:
            OSError: the other end is closed, or does not accept it in time.
        """
        self._connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, seconds: float | None = 0.0) -> dict[str, Any] | None:
        """Returns the next message; `None` where there is none, or none any more.

        Args:
            seconds: How long to wait for it at most; `None` for as long as it takes.
        """
        while not self._messages and not self.is_closed and wait([self.fileno()], seconds):
            try:
                received = self._connection.recv(_NUM_BYTES)
            except ConnectionError:
                received = b""
            self.is_closed = not received
            *lines, self._rest = (self._rest + received).split(b"\n")
            self._messages.extend(map(json.loads, lines))
        return self._messages.popleft() if self._messages else None

    def close(self) -> None:
        """Closes this end."""
        self._connection.close()
