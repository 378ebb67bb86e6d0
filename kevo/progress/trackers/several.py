"""Several listeners as one; a tracker that fails ends only itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from kevo.errors import describe_error
from kevo.progress import Listener, SearchStarted
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord

if TYPE_CHECKING:
    from kevo.tasks.protocols.task import Task


@runtime_checkable
class Tracker(Listener, Protocol):
    """A listener that is also told of the run folder and the result."""

    def on_search_begin(self, run: Run, task: Task) -> None:
        """A search begins, or goes on with the candidates that `run` holds already. Nothing is told before."""

    def on_result(self, result: Outcome) -> None:
        """All is written that a person looks at, but for the model card."""

    def on_search_end(self, result: Outcome | None) -> None:
        """Nothing more will happen; `None` if the search ended without a model."""


class TrackerGroup:
    """Tells several listeners of each event, in their order.

    A tracker that raises an error is named to the others once, and told nothing more. What other listeners raise goes
    through.

    Args:
        listeners: Who is told.

    Example:
        >>> from kevo.progress.trackers.tensorboard import TensorBoard
        >>> both = TrackerGroup([TensorBoard(), TensorBoard("elsewhere")])
        >>> result = kevo.search("digits", listener=both)  # doctest: +SKIP
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = list(listeners)

    def on_search_begin(self, run: Run, task: Task) -> None:
        """Tells the trackers."""
        self._tell(lambda one: one.on_search_begin(run, task) if isinstance(one, Tracker) else None)

    def on_result(self, result: Outcome) -> None:
        """Tells the trackers."""
        self._tell(lambda one: one.on_result(result) if isinstance(one, Tracker) else None)

    def on_search_end(self, result: Outcome | None) -> None:
        """Tells the trackers."""
        self._tell(lambda one: one.on_search_end(result) if isinstance(one, Tracker) else None)

    def search_started(self, opening: SearchStarted) -> None:
        """Tells all."""
        self._tell(lambda one: one.search_started(opening))

    def skipped(self, what: str, reason: str, num: int) -> None:
        """Tells all."""
        self._tell(lambda one: one.skipped(what, reason, num))

    def phase_began(self, phase: str, words: str) -> None:
        """Tells all."""
        self._tell(lambda one: one.phase_began(phase, words))

    def note(self, text: str) -> None:
        """Tells all."""
        self._tell(lambda one: one.note(text))

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        """Tells all."""
        self._tell(lambda one: one.trial_started(number, words, seconds_left, worker))

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        """Tells all."""
        self._tell(lambda one: one.progress(number, stage, done, total, metrics))

    def trial_lost(self, number: int, reason: str) -> None:
        """Tells all."""
        self._tell(lambda one: one.trial_lost(number, reason))

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        """Tells all."""
        self._tell(lambda one: one.trial_ended(record, best))

    def closed(self) -> None:
        """Tells all."""
        self._tell(lambda one: one.closed())

    def _tell(self, tell: Callable[[Listener], None]) -> None:
        for listener in list(self._listeners):
            try:
                tell(listener)
            except Exception as error:
                if not isinstance(listener, Tracker):
                    raise
                self._listeners.remove(listener)
                self.note(f"{type(listener).__name__} is told no more: {describe_error(error)}")
