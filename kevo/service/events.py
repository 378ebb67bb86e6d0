"""What happens on a server, told to whoever listens: one stream for each page, as server-sent events."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from kevo.service.tokens import User

_WAITING = 200
"""So many events may wait for one reader; a slower one gets a new snapshot instead."""
_PING_SECONDS = 15.0
_RETRY_MS = 2000


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Args:
        kind: `state`, `phase`, `training`, `candidate`, `note`, `queue` or `gone`.
        search: The search that it is about.
        owner: Whose that is.
        data: What is told, as JSON values.
        number: How many candidates had ended by then.
    """

    kind: str
    search: str
    owner: str
    data: dict[str, Any]
    number: int = 0


@dataclass(eq=False)
class Reader:
    """Whoever listens.

    Args:
        user: Whose searches it hears of.
        search: The only one that it wants to hear of; `None` for all.
    """

    user: User
    search: str | None
    queue: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(_WAITING))
    has_lost: bool = False

    def hears(self, event: Event) -> bool:
        """Whether an event is for it."""
        return self.user.may_see(event.owner) and self.search in (None, event.search)


class Hub:
    """Passes events on from any thread."""

    def __init__(self) -> None:
        self._readers: set[Reader] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self.closing = asyncio.Event()

    @property
    def num_readers(self) -> int:
        """How many listen."""
        return len(self._readers)

    def open(self) -> None:
        """Begins, inside the loop of the server."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Ends all streams; may be called from a signal's handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.closing.set)

    def add(self, reader: Reader) -> None:
        """Lets somebody listen."""
        with self._lock:
            self._readers.add(reader)

    def remove(self, reader: Reader) -> None:
        """Lets somebody go."""
        with self._lock:
            self._readers.discard(reader)

    def publish(self, event: Event) -> None:
        """Tells all whom it is for; no one is waited for."""
        if self._loop is None or self._loop.is_closed():
            return
        with self._lock:
            readers = [reader for reader in self._readers if reader.hears(event)]
        for reader in readers:
            self._loop.call_soon_threadsafe(_offer, reader, event)


def _offer(reader: Reader, event: Event) -> None:
    try:
        reader.queue.put_nowait(event)
    except asyncio.QueueFull:
        reader.has_lost = True


async def stream(
    hub: Hub,
    reader: Reader,
    *,
    snapshot: Callable[[], tuple[dict[str, Any], int]],
    replay: Callable[[int], list[Event]],
    last: int | None,
    is_over: Callable[[], bool],
) -> AsyncIterator[str]:
    """Yields events as text, until the server or the only search ends.

    Args:
        hub: Where they come from.
        reader: Who listens; it is added here and removed at the end.
        snapshot: Returns everything that the page shows, and how many candidates have ended.
        replay: Returns the candidates from a number on.
        last: How many candidates the reader had heard of before it was cut off; `None` for a new one.
        is_over: Whether there is nothing more to be heard.
    """
    sequence = 0

    def text(kind: str, search: str, number: int, data: Any) -> str:
        nonlocal sequence
        sequence += 1
        return f"id: {search}:{number}:{sequence}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"

    hub.add(reader)
    try:
        yield f"retry: {_RETRY_MS}\n\n"
        name = reader.search or "-"
        values, known = await asyncio.to_thread(snapshot)
        yield text("snapshot", name, known, values)
        if last is not None and last < known:
            for event in await asyncio.to_thread(replay, last):
                if event.number <= known:
                    yield text(event.kind, event.search, event.number, event.data)
        told = {reader.search: known}
        while True:
            following = await _next(hub, reader)
            if reader.has_lost:
                reader.has_lost = False
                while not reader.queue.empty():
                    reader.queue.get_nowait()
                values, number = await asyncio.to_thread(snapshot)
                told[reader.search] = number
                yield text("snapshot", name, number, values)
            elif following is not None:
                # The snapshot had it already.
                if following.kind == "candidate":
                    if following.number <= told.get(following.search, 0):
                        continue
                    # Whoever comes back after the end has heard of it.
                    told[following.search] = following.number
                yield text(following.kind, following.search, following.number, following.data)
            if hub.closing.is_set() or (reader.queue.empty() and is_over()):
                yield text("bye", name, told.get(reader.search, 0), {})
                return
            if following is None:
                yield ": still here\n\n"
    finally:
        hub.remove(reader)


async def _next(hub: Hub, reader: Reader) -> Event | None:
    """Returns the next event; `None` where there is none for a while, or the server ends."""
    if not reader.queue.empty():
        return reader.queue.get_nowait()
    waiting = asyncio.ensure_future(reader.queue.get())
    closing = asyncio.ensure_future(hub.closing.wait())
    try:
        done, _ = await asyncio.wait({waiting, closing}, timeout=_PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # Also where the reader has gone.
        waiting.cancel()
        closing.cancel()
    return waiting.result() if waiting in done else None
