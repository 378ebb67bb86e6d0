"""The state of a running search, as the views draw it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kevo.objective import Objective
from kevo.progress.events import NullListener, SearchStarted
from kevo.runs import ranking
from kevo.runs.records import TrialRecord
from kevo.tasks.protocols.kind import AnyKind


@dataclass(slots=True)
class Running:
    """A running trial; `began` is by the board's clock."""

    words: str
    worker: str
    began: float
    stage: str = ""
    done: float = 0.0
    total: int = 0
    metric: str = ""
    """The name of a score for people to watch; the loss where the task has none."""
    score: float = 0.0


@dataclass(slots=True)
class Board(NullListener):
    """A listener that remembers as much as one look at a search shows, however many candidates it trains.

    Args:
        objective: What the candidates compete for.
        clock: Tells the time in seconds.
    """

    objective: Objective
    clock: Callable[[], float] = time.monotonic
    opening: SearchStarted | None = None
    running: dict[int, Running] = field(default_factory=dict)
    best: TrialRecord | None = None
    population: list[TrialRecord] = field(default_factory=list)
    """Those who breed, the best first."""
    bests: list[tuple[float, float]] = field(default_factory=list)
    """When another candidate would have won than before, in seconds of search, and its fitness."""
    num_completed: int = 0
    num_failed: int = 0
    last_failure: TrialRecord | None = None
    num_skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many of what were stepped over, for which reason."""
    phase: str = ""
    """What the search is doing, in words."""
    is_closed: bool = False
    _opened_at: float = 0.0

    def search_started(self, opening: SearchStarted) -> None:
        self.opening, self._opened_at = opening, self.clock()
        objectives = opening.settings.objectives
        bests = ranking.winners(opening.records, objectives, num_judged=opening.num_judged)
        for record, best in zip(opening.records, bests, strict=True):
            self._take(record, best)

    def phase_began(self, phase: str, words: str) -> None:
        self.phase = words

    def skipped(self, what: str, reason: str, num: int) -> None:
        self.num_skipped[what, reason] += num

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        self.running[number] = Running(words, worker, self.clock())

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        if (running := self.running.get(number)) is not None:
            running.stage, running.done, running.total = stage, done, total
            own = {name: value for name, value in metrics.items() if not name.startswith("val_")}
            running.metric = next((name for name in own if name != "loss"), "loss" if "loss" in own else "")
            running.score = own.get(running.metric, 0.0)

    def trial_lost(self, number: int, reason: str) -> None:
        self.running.pop(number, None)

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        self.running.pop(record.number, None)
        self._take(record, best)

    def closed(self) -> None:
        self.running.clear()
        self.is_closed = True

    @property
    def kind(self) -> AnyKind | None:
        """The task; `None` before the search has begun."""
        return None if self.opening is None else self.opening.settings.kind

    @property
    def seconds(self) -> float:
        """How long the search has taken, over all sessions; 0 before it has begun."""
        return 0.0 if self.opening is None else self.opening.seconds + self.clock() - self._opened_at

    @property
    def seconds_left(self) -> float | None:
        """How long it may still take, nothing held back; `None` where there is no limit."""
        whole = None if self.opening is None else self.opening.settings.resolved_max_time
        return None if whole is None else max(0.0, whole - self.seconds)

    def _take(self, record: TrialRecord, best: TrialRecord | None) -> None:
        if best is not None and best is not self.best:
            self.bests.append((record.finished_at, best.fitness or 0.0))
        self.best = best
        if not record.full_length:
            self.num_completed += record.fitness is not None
            self.num_failed += record.fitness is None
        if record.fitness is None:
            self.last_failure = record
            return
        if not record.full_length:
            size = len(self.population) + 1 if self.opening is None else self.opening.settings.population
            self.population = ranking.ranked([*self.population, record], self.objective)[:size]
