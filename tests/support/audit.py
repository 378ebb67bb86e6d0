"""What this process opens, lists, makes and connects to, as Python tells by audit events (PEP 578)."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PATHS = (
    "open",
    "os.listdir",
    "os.scandir",
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.link",
    "os.symlink",
    "glob.glob",
)
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request")
_records: list[list[str]] = []
_is_installed = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _records:
        return
    if event in _PATHS and isinstance(arguments[0], str | bytes | os.PathLike):
        _records[-1].append(os.fsdecode(arguments[0]))
    elif event in _NETWORK:
        _records[-1].append(f"network: {event} {arguments[1:]}")


@contextmanager
def watched() -> Iterator[list[str]]:
    """Yields a list of the paths that are used from now on; what goes to the network begins with `network:`."""
    global _is_installed
    if not _is_installed:
        # Python removes no hook again.
        sys.addaudithook(_hook)
        _is_installed = True
    _records.append([])
    try:
        yield _records[-1]
    finally:
        _records.pop()
