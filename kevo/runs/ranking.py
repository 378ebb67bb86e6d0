"""Which trials are best, told by their records alone.

Candidates differ by chance too: the best of hundreds was lucky with some of the examples that it was judged by. So a
lead within one standard error of the best score counts as none: among those a simple network wins where the task tells
them apart, and then the tie-breaker of the objective decides; see `Objective.margin`. Where costs are minimized beside
the objective there is no margin: what decides then is the front, whose extremes stay what they are.

In all functions `objectives` are what a search improves, the one that decides first, and `num_judged` is the number of
independent examples that candidates are compared on; `None` where it is unknown, and then there is no margin either.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import overload

from kevo.objective import Objective
from kevo.runs.records import TrialRecord

_CLEAR = 2
"""A lead of more than so many standard errors is no chance: it would be one in a hundred times at most."""


def rivals(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Returns the trials that have a fitness. What was continued counts once, by its last training."""
    done = [record for record in records if record.fitness is not None]
    continued = {record.continues for record in done}
    return [record for record in done if record.trial_id not in continued]


def ranked(records: Iterable[TrialRecord], objective: Objective) -> list[TrialRecord]:
    """Returns the rivals by their scores, best first; the earlier one first where two are equal."""
    return sorted(rivals(records), key=lambda record: objective.rank(record.metrics), reverse=True)


def informed(records: Sequence[TrialRecord], objective: Objective, level: float | None) -> list[TrialRecord]:
    """Returns the trials that are better than an answer without a model; all of them where none is.

    Args:
        records: Trials with a fitness.
        objective: What they compete for.
        level: What such an answer scores; `None` where that is not known.
    """
    if level is None:
        return list(records)
    sign = 1 if objective.direction == "max" else -1
    return [one for one in records if sign * one.metrics[objective.metric] > sign * level] or list(records)


class Ranking(Sequence[TrialRecord]):
    """The rivals among trials, in the order in which they win.

    A further trial takes its place without the others being sorted again, unless it is the best so far.

    Args:
        objectives: As for all functions here.
        num_judged: As for all functions here.
        records: The trials, in the order in which they ended.
    """

    def __init__(
        self, objectives: Sequence[Objective], *, num_judged: int | None, records: Iterable[TrialRecord] = ()
    ) -> None:
        self._objectives = objectives
        self._num_judged = num_judged
        self._continued: set[str | None] = set()
        self._ordered: list[TrialRecord] = []
        self._best: TrialRecord | None = None
        """The one with the best score, whose equals are ordered by their tie-breakers."""
        self._take(records)

    @overload
    def __getitem__(self, index: int) -> TrialRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[TrialRecord]: ...
    def __getitem__(self, index: int | slice) -> TrialRecord | list[TrialRecord]:
        return self._ordered[index]

    def __iter__(self) -> Iterator[TrialRecord]:
        return iter(self._ordered)

    def __len__(self) -> int:
        return len(self._ordered)

    @property
    def equals(self) -> Iterator[TrialRecord]:
        """The best, and those whose lead or lag is within the margin; found as they are asked for."""
        place = self._place()
        return takewhile(lambda record: place(record)[0] == 0, self._ordered)

    def is_clearly_behind(self, record: TrialRecord) -> bool:
        """Tells whether a trial is behind the best by more than two standard errors; never where these are unknown."""
        if self._best is None:
            return False
        margin = _margin(self._best.metrics, self._objectives, self._num_judged)
        (best, _), (score, _) = (self._objectives[0].rank(one.metrics) for one in (self._best, record))
        return margin > 0 and best - score > _CLEAR * margin

    def with_one(self, record: TrialRecord) -> Ranking:
        """Returns the ranking with one more trial, which ended after the others."""
        found = Ranking(self._objectives, num_judged=self._num_judged)
        found._continued, found._best = {*self._continued}, self._best
        found._ordered = [*self._ordered]
        found.add(record)
        return found

    def add(self, record: TrialRecord) -> None:
        """Takes in one more trial, which ended after the others."""
        if record.fitness is None or record.trial_id in self._continued:
            return
        best, rank = self._best, self._objectives[0].rank
        is_best = best is None or rank(record.metrics) > rank(best.metrics)
        if is_best or record.continues is not None:
            self._take([*sorted(self._ordered, key=lambda one: rank(one.metrics), reverse=True), record])
        else:
            bisect.insort(self._ordered, record, key=self._place())

    def _take(self, records: Iterable[TrialRecord]) -> None:
        done = [record for record in records if record.fitness is not None]
        self._continued |= {record.continues for record in done if record.continues is not None}
        found = [record for record in done if record.trial_id not in self._continued]
        self._best = max(found, key=lambda record: self._objectives[0].rank(record.metrics), default=None)
        self._ordered = sorted(found, key=self._place())

    def _place(self) -> Callable[[TrialRecord], tuple[float, ...]]:
        """Returns the key by which trials are ordered; equals of the best come first, by their tie-breakers."""
        objective, best = self._objectives[0], self._best
        least = -math.inf
        if best is not None:
            least = objective.rank(best.metrics)[0] - _margin(best.metrics, self._objectives, self._num_judged)

        def place(record: TrialRecord) -> tuple[float, ...]:
            score, tie = objective.rank(record.metrics)
            if score < least:
                return (1, 0, -score, -tie)
            return (0, objective.is_complex(record.genome), -tie, -score)

        return place


def decided(
    records: Iterable[TrialRecord], objectives: Sequence[Objective], *, num_judged: int | None
) -> list[TrialRecord]:
    """Returns the rivals in the order in which they win."""
    return list(Ranking(objectives, num_judged=num_judged, records=records))


def winner(
    records: Iterable[TrialRecord], objectives: Sequence[Objective], *, num_judged: int | None
) -> TrialRecord | None:
    """Returns the trial that wins; `None` where none has a fitness."""
    return next(iter(decided(records, objectives, num_judged=num_judged)), None)


def winners(
    records: Iterable[TrialRecord], objectives: Sequence[Objective], *, num_judged: int | None
) -> Iterator[TrialRecord | None]:
    """Yields after each record the trial that would win by then; `None` before the first fitness.

    Args:
        records: In the order in which they ended.
        objectives: As for all functions here.
        num_judged: As for all functions here.
    """
    objective = objectives[0]

    def place(record: TrialRecord) -> tuple[float, ...]:
        return tuple(-value for value in objective.rank(record.metrics))

    # Kept in order, since to sort anew for each record would take long in a long search.
    ordered: list[TrialRecord] = []
    best: TrialRecord | None = None
    for record in records:
        if record.fitness is not None:
            ordered = [one for one in ordered if one.trial_id != record.continues] if record.continues else ordered
            bisect.insort(ordered, record, key=place)
            equals = _equals(ordered, objectives, num_judged)
            best = min(equals, key=lambda one: (objective.is_complex(one.genome), objective.tie(one.metrics)))
        yield best


def beats(
    ours: Mapping[str, float], theirs: Mapping[str, float], objectives: Sequence[Objective], *, num_judged: int | None
) -> bool:
    """Tells whether metrics win over others by the rule by which trials win."""
    objective = objectives[0]
    (our_score, our_tie), (their_score, their_tie) = objective.rank(ours), objective.rank(theirs)
    best = ours if our_score >= their_score else theirs
    if abs(our_score - their_score) > _margin(best, objectives, num_judged):
        return our_score > their_score
    return (our_tie, our_score) > (their_tie, their_score)


def is_level(
    ours: Mapping[str, float], theirs: Mapping[str, float], objectives: Sequence[Objective], *, num_judged: int | None
) -> bool:
    """Tells whether metrics are better than others, or no further behind than chance may account for."""
    rank = objectives[0].rank
    return rank(ours)[0] >= rank(theirs)[0] - _margin(theirs, objectives, num_judged)


def _equals(
    ordered: Sequence[TrialRecord], objectives: Sequence[Objective], num_judged: int | None
) -> list[TrialRecord]:
    """Returns the first of ranked trials, up to the last whose score counts as equal to the best."""
    if not ordered:
        return []
    best, objective = ordered[0].metrics, objectives[0]
    worst = objective.rank(best)[0] - _margin(best, objectives, num_judged)
    return list(takewhile(lambda record: objective.rank(record.metrics)[0] >= worst, ordered))


def _margin(best: Mapping[str, float], objectives: Sequence[Objective], num_judged: int | None) -> float:
    if len(objectives) > 1 or num_judged is None:
        return 0.0
    return objectives[0].margin(best[objectives[0].metric], num_examples=num_judged)
