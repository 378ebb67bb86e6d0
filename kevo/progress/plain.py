"""The view of a search without a terminal: a line for each trial that ends."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Self, TextIO

from kevo.objective import Objective
from kevo.progress.events import NullListener, SearchStarted
from kevo.runs.records import TrialRecord
from kevo.system.text import count, duration, metric_name, printable


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
        # Only now is it known what the data ask for.
        self._objective = opening.settings.objectives[0]
        self._line(f"{opening.run_folder}: {opening.devices}")

    def note(self, text: str) -> None:
        self._line(text)

    def trial_lost(self, number: int, reason: str) -> None:
        self._line(f"{number + 1:>4}  lost: {reason}")

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        self._line(_describe_trial(record, best, self._objective))

    def _line(self, text: str) -> None:
        # A log on a full disk, or one that nobody reads any more, is no reason to lose a search.
        with contextlib.suppress(OSError):
            self._stream.write(f"{printable(text)}\n")
            self._stream.flush()


def _describe_trial(record: TrialRecord, best: TrialRecord | None, objective: Objective) -> str:
    """Returns the result of a trial in one line, and whether it is the best so far."""
    number = f"{record.number + 1:>4}{' full' if record.full_length else ''}"
    if record.fitness is None:
        return f"{number}  failed after {duration(record.seconds)}: {record.reason}"
    marker = "  best so far" if best is record else f"  best {best.fitness:.4f}" if best else ""
    size = f"{count(record.num_parameters or 0)} parameters"
    cost = f"{record.num_epochs} epochs  {duration(record.seconds)}"
    if record.inherits is not None:
        cost += (
            f" after {record.inherited_epochs} of its parents, {record.inherited_share:.0%} of its weights inherited"
        )
    return f"{number}  {metric_name(objective.metric)} {record.fitness:.4f}  {size}  {cost}{marker}"
