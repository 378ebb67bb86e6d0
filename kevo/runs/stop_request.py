"""A request that the search at work in a run folder ends as on a first Ctrl-C, with the best so far.

It is a file. No signal is sent: a run folder may come from someone else, and with it the number of a process.
"""

from __future__ import annotations

import os
import time

from kevo.errors import RunError
from kevo.runs import layout
from kevo.runs.atomic_files import writing
from kevo.runs.folder import Run

_LOOK_SECONDS = 0.2


def send(run: Run, *, wait: float) -> bool:
    """Asks the search at work in a run folder to end.

    Args:
        run: The folder.
        wait: Seconds until it must have ended.

    Returns:
        Whether it has ended; otherwise it still may.

    Raises:
        RunError: no search is at work there, or the folder cannot be written.
    """
    if not run.is_busy:
        raise RunError(f"No search is at work in {run.path}, so that there is nothing to stop. See: kevo status.")
    request, until = run.path / layout.STOP, time.monotonic() + wait
    with writing(request):
        os.close(os.open(request, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644))
    while run.is_busy:
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK_SECONDS)
    # The search may have ended by itself before it looked.
    request.unlink(missing_ok=True)
    return True


def take(run: Run) -> bool:
    """Removes a request, and returns whether there was one."""
    try:
        (run.path / layout.STOP).unlink()
    except OSError:
        return False
    return True
