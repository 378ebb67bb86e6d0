"""What a person sees of a search where there is no terminal: a line for whatever is over."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Self, TextIO

from kevo.objective import Objective
from kevo.progress.events import NullListener, SearchStarted
from kevo.progress.formatting import ended_in_words, printable
from kevo.runs.records import TrialRecord


class Plain(NullListener):
    """A listener that writes lines.

    Args:
        stream: Where to, such as stderr. If it cannot be written any more, the search goes on.
        objective: What the candidates compete for.
    """

    def __init__(self, stream: TextIO, objective: Objective) -> None:
        self._stream = stream
        self._objective = objective

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def search_started(self, opening: SearchStarted) -> None:
        self._line(f"{opening.run_folder}: {opening.devices}")

    def note(self, text: str) -> None:
        self._line(text)

    def trial_lost(self, number: int, reason: str) -> None:
        self._line(f"{number + 1:>4}  lost: {reason}")

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        self._line(ended_in_words(record, best, self._objective))

    def _line(self, text: str) -> None:
        # A log on a full disk, or one that nobody reads any more, is no reason to lose a search.
        with contextlib.suppress(OSError):
            self._stream.write(f"{printable(text)}\n")
            self._stream.flush()
