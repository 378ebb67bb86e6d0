"""The view of a running search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kevo.progress.events import Listener, NullListener, SearchStarted

if TYPE_CHECKING:
    from kevo.objective import Objective
    from kevo.progress.live import Live
    from kevo.progress.plain import Plain

__all__ = [
    "Listener",
    "NullListener",
    "SearchStarted",
    "for_stderr",
]


def for_stderr(objective: Objective) -> Live | Plain:
    """Returns the listener for stderr: a live view on a terminal, lines elsewhere.

    Args:
        objective: What the candidates compete for.
    """
    import sys

    from rich.console import Console

    from kevo.progress.live import Live
    from kevo.progress.plain import Plain

    console = Console(file=sys.stderr)
    # What environment variables make rich take for a terminal may still be a file.
    return Live(console, objective) if sys.stderr.isatty() and console.is_interactive else Plain(sys.stderr, objective)
