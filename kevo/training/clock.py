"""The time of one candidate: how much is gone, and whether it is up."""

from __future__ import annotations

import time

from kevo.training.effort import OutOfTimeError


class Clock:
    """Measures the time of one candidate from now on.

    Args:
        limit: How many seconds the candidate may take; `None` for no limit.
    """

    def __init__(self, limit: float | None) -> None:
        self._limit = limit
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """The time since the start, in seconds."""
        return time.monotonic() - self._started

    @property
    def left(self) -> float | None:
        """The time up to the limit, in seconds, negative after it; `None` where there is no limit."""
        return None if self._limit is None else self._limit - self.seconds

    @property
    def is_up(self) -> bool:
        """Whether more than the limit has passed."""
        return self.is_up_in(0.0)

    def is_up_in(self, seconds: float, *, share: float = 1.0) -> bool:
        """Returns whether the time, or a share of it, will be up `seconds` from now."""
        return self._limit is not None and share * self._limit - self.seconds < seconds

    def check(self, what: str, *, share: float = 1.0) -> None:
        """Ends the candidate if its time, or a share of it, is up.

        Args:
            what: As for `too_slow`.
            share: The share of its time.

        Raises:
            OutOfTimeError: the time is up.
        """
        if self._limit is not None and self.seconds > share * self._limit:
            raise self.too_slow(what)

    def too_slow(self, what: str) -> OutOfTimeError:
        """Returns the error that ends a candidate.

        Args:
            what: What took so long, with its verb: `the download of its weights takes`.
        """
        return OutOfTimeError(f"{what} more than its {self._limit or 0.0:.0f} seconds")
