"""Which trials are best, told by their records alone.

Candidates differ by chance too: the best of hundreds was lucky with some of the examples that it was judged by. So a
lead within one standard error of the best score counts as none, and among those the tie-breaker of the objective
decides; see `Objective.margin`. Where costs are minimized beside the objective there is no margin: what decides then is
the front, whose extremes stay what they are.

In all functions `objectives` are what a search improves, the one that decides first, and `num_judged` is the number of
examples that candidates are compared on; `None` where it is unknown, and then there is no margin either.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile

from kevo.objective import Objective
from kevo.runs.records import TrialRecord


def rivals(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Returns the trials that have a fitness. What was continued counts once, by its last training."""
    done = [record for record in records if record.fitness is not None]
    continued = {record.continues for record in done}
    return [record for record in done if record.trial_id not in continued]


def ranked(records: Iterable[TrialRecord], objective: Objective) -> list[TrialRecord]:
    """Returns the rivals by their scores, best first; the earlier one first where two are equal."""
    return sorted(rivals(records), key=lambda record: objective.rank(record.metrics), reverse=True)


def decided(
    records: Iterable[TrialRecord], objectives: Sequence[Objective], *, num_judged: int | None
) -> list[TrialRecord]:
    """Returns the rivals in the order in which they win."""
    ordered = ranked(records, objectives[0])
    equals = _equals(ordered, objectives, num_judged)
    return [*sorted(equals, key=lambda record: objectives[0].tie(record.metrics)), *ordered[len(equals) :]]


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
            best = min(equals, key=lambda one: objective.tie(one.metrics))
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
