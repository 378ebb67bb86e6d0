"""The events of a running search, and the listeners that are told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kevo.runs.records import TrialRecord
from kevo.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchStarted:
    """The state at the start of a session.

    Args:
        run_folder: Where everything is written.
        settings: How the search is to run.
        devices: Who trains where, in words.
        seconds: How long the search has taken so far, over all sessions.
        records: The candidates of earlier sessions, in the order in which they ended.
        best: The one of these that would win now; `None` if none has a fitness.
        num_judged: How many examples the candidates are compared on; `None` if that is unknown.
    """

    run_folder: Path
    settings: Settings
    devices: str
    seconds: float
    records: tuple[TrialRecord, ...] = ()
    best: TrialRecord | None = None
    num_judged: int | None = None


class Listener(Protocol):
    """Is told of each event as it happens, from any thread; the search waits until it returns.

    Who wants to hear of some of this only derives from `NullListener`.

    Example:
        >>> import kevo
        >>> from kevo.progress import NullListener
        >>> class Diary(NullListener):
        ...     def trial_ended(self, record, best):
        ...         print(record.number, record.fitness)
        >>> result = kevo.search("digits", kevo.Settings(max_trials=5), listener=Diary())  # doctest: +SKIP
    """

    def search_started(self, opening: SearchStarted) -> None:
        """The data is read, and all is ready for the first candidate."""

    def phase_began(self, phase: str, words: str) -> None:
        """Another phase of the search begins: one of `kevo.runs.phases.PHASES`, and what it is, in words."""

    def note(self, text: str) -> None:
        """Something that a user should know."""

    def skipped(self, what: str, reason: str, num: int) -> None:
        """So many more examples, or `genomes` that were never trained, are stepped over for this reason."""

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        """A worker starts to train a candidate; the one that ends no trial is the refit of the winner."""

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        """A step of a candidate's training is done."""

    def trial_lost(self, number: int, reason: str) -> None:
        """A candidate's worker is gone; the candidate is begun again, or ends as failed."""

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        """A candidate has finished or failed; `best` would win if the search ended now."""

    def closed(self) -> None:
        """The last training has ended; only notes on the result may follow. May come twice."""


class NullListener:
    """A listener that does nothing."""

    def search_started(self, opening: SearchStarted) -> None: ...
    def phase_began(self, phase: str, words: str) -> None: ...
    def note(self, text: str) -> None: ...
    def skipped(self, what: str, reason: str, num: int) -> None: ...
    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None: ...
    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None: ...
    def trial_lost(self, number: int, reason: str) -> None: ...
    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None: ...
    def closed(self) -> None: ...
