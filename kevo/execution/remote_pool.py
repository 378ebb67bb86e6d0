"""The workers from elsewhere: they come and go as they like, and are served and watched while a search runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from kevo.execution.endpoint import Endpoint
from kevo.execution.scheduler_service import SchedulerService
from tuners.execution.foreman import describe_hang
from tuners.remote import Server

_POLL_SECONDS = 0.1


class RemotePool:
    """Serves workers from elsewhere while it is entered; leaving it, it waits until they have heard of the end.

    Args:
        service: Takes their calls.
        endpoint: Where they reach it.
        is_alone: Whether nobody else trains.
        note: Is told what a user should know.
    """

    def __init__(
        self, service: SchedulerService, endpoint: Endpoint, *, is_alone: bool, note: Callable[[str], object]
    ) -> None:
        self._service = service
        self._scheduler = service.scheduler
        self._server = Server(
            service.scheduler.oracle, address=endpoint.address, secret=endpoint.secret, calls=service.calls
        )
        self._is_alone = is_alone
        self._note = note
        self._had_workers = False

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._server.announce_end()
            # They must hear that it is over, and not wait for a search that has gone. A lease is time enough.
            until = time.monotonic() + self._server.lease_seconds
            while self._workers() and time.monotonic() < until:
                self._server.expire()
                time.sleep(_POLL_SECONDS)
        finally:
            self._server.stop()
        if error is None:
            self._raise_error()

    @property
    def address(self) -> str:
        """Where workers reach the search."""
        return self._server.address

    def check(self) -> None:
        """Takes the trials back from workers that are gone or hang; to be called often.

        Raises:
            Exception: what has ended the search while it answered a worker.
        """
        for name in self._server.expire():
            self._scheduler.lose(name, "nothing was heard of its worker any more")
        workers = self._workers()
        for name in workers:
            if (reason := describe_hang(*self._scheduler.silence(name))) is not None:
                self._scheduler.lose(name, reason)
        if self._had_workers and not workers and self._is_alone:
            self._note("The last worker is gone. The search waits for another one.")
        self._had_workers = bool(workers)
        self._raise_error()

    def _workers(self) -> set[str]:
        return set(self._server.workers) - self._service.departed

    def _raise_error(self) -> None:
        if self._service.error is not None:
            raise self._service.error
