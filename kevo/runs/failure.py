"""Why a search failed, so that it can be told from one that was interrupted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from kevo.errors import KevoError, RunError, SearchInterruptedError, describe_error
from kevo.runs import layout
from kevo.runs.folder import Run


@dataclass(frozen=True, slots=True)
class Failure:
    """The error that ended the last session of a search.

    Args:
        kind: The name of the error's class.
        words: What was wrong, and what to do.
        at: When, in seconds since 1970.
    """

    kind: str
    words: str
    at: float


@contextlib.contextmanager
def written(run: Run) -> Iterator[None]:
    """Forgets that an earlier session failed, and writes it down where this one does; a user's stop is no failure."""
    path = run.path / layout.FAILURE
    with contextlib.suppress(OSError):
        path.unlink()
    try:
        yield
    except SearchInterruptedError:
        raise
    except Exception as error:
        words = str(error) if isinstance(error, KevoError) else describe_error(error)
        # A full disk is told by the error itself.
        with contextlib.suppress(RunError):
            run.write_json(layout.FAILURE, {"kind": type(error).__name__, "words": words, "at": time.time()})
        raise


def read(run: Run) -> Failure | None:
    """Returns why the last session failed; `None` where it did not, or where that cannot be read."""
    if not (run.path / layout.FAILURE).is_file():
        return None
    try:
        values = run.read_json(layout.FAILURE)
        return Failure(str(values["kind"]), str(values["words"]), float(values["at"]))
    except (RunError, LookupError, TypeError, ValueError):
        # That it failed is known without the reason.
        return Failure("", "The reason cannot be read.", 0.0)
