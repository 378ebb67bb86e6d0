"""A search that takes too long ends before its trials are used up."""

import time
from collections.abc import Callable


class Deadline:
    """The time that a search may take, from its first question for a trial on.

    Args:
        seconds: How long; `None` for no limit.
        clock: Tells the time, in seconds.

    Raises:
        ValueError: The time is not positive.
    """

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        if seconds is not None and not seconds > 0:
            raise ValueError(f"`max_time` must be a positive number of seconds, or None. Received: {seconds}.")
        self.seconds = seconds
        self._clock = clock
        self._began: float | None = None

    def is_over(self) -> bool:
        """Tells whether the time is up; the first call starts it."""
        if self.seconds is None:
            return False
        if self._began is None:
            self._began = self._clock()
        return self._clock() - self._began >= self.seconds

    def start_again(self) -> None:
        """Has the next question start the time."""
        self._began = None
