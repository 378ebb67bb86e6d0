"""Rungs: most candidates train for few epochs, the best of them for more.

Successive halving, asynchronous as long as nobody knows the budget: a rung then promotes whenever it has earned it, and
never waits for a round to end.

- Jamieson and Talwalkar 2016, Non-stochastic best arm identification and hyperparameter optimization, arXiv:1502.07943
- Li et al. 2020, A system for massively parallel hyperparameter tuning, arXiv:1810.05934
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Run:
    """One training of a candidate, up to the epochs of its rung.

    Args:
        candidate: The same for all runs of one candidate.
        kind: Only candidates of one kind compete for promotion: fine-tuned networks start slowly, for instance.
        rung: Counts from 0.
        fitness: Greater is better. None while it trains, or if it failed.
        is_pending: Whether it still trains.
    """

    candidate: Hashable
    kind: Hashable
    rung: int
    fitness: float | None
    is_pending: bool = False


def costs(epochs: Sequence[int]) -> list[int]:
    """Returns the epochs that each rung adds to those of the rung below it."""
    return [after - before for before, after in zip([0, *epochs], epochs, strict=False)]


def num_spent(runs: Sequence[Run], epochs: Sequence[int]) -> list[int]:
    """Returns the epochs that runs of each rung have taken, or will; arguments as for `promoted_at_any_time`."""
    spent = [0] * len(epochs)
    reached: dict[Hashable, int] = defaultdict(int)
    for run in runs:
        spent[run.rung] += epochs[run.rung] - reached[run.candidate]
        reached[run.candidate] = epochs[run.rung]
    return spent


def promoted_at_any_time(runs: Sequence[Run], epochs: Sequence[int]) -> int | None:
    """Returns which run to continue in the next rung, as an index into `runs`; None if no rung has earned it.

    The fittest of its rung and kind that was not promoted yet goes up, from the topmost rung that can promote. For each
    kind, a rung may spend as many epochs as the rung below it has (Li et al. 2020).

    Args:
        runs: All so far, those of a candidate in rising order.
        epochs: For each rung, the epochs after which its training ends; rising.
    """
    step = costs(epochs)
    credits = _credits(runs, step)
    ready = [
        # Among kinds the one that is owed most, or else came first.
        (rung, credits[kind, rung + 1], -index)
        for (rung, kind), index in _fittest(runs, len(epochs)).items()
        if credits[kind, rung + 1] >= step[rung + 1]
    ]
    return -max(ready)[2] if ready else None


def promoted_within(runs: Sequence[Run], epochs: Sequence[int], *, budget: int, is_closed: bool = False) -> int | None:
    """Returns which run to continue in the next rung within a budget, as an index into `runs`; None if none is due.

    Rungs get equal shares of the budget and fill up one after the other (Jamieson and Talwalkar 2016). What a rung
    leaves of its share, since it does not come out even or nobody else can enter, goes to those above.

    Args:
        runs: As for `promoted_at_any_time`.
        epochs: As for `promoted_at_any_time`.
        budget: Epochs that all rungs together may spend.
        is_closed: Whether no new candidates will come; otherwise they do until the lowest rung has spent its share.
    """
    credits, best = _credits(runs, costs(epochs)), _fittest(runs, len(epochs))
    is_closed = is_closed or not has_room(runs, epochs, 0, budget=budget)
    for rung in range(len(epochs) - 1):
        if not is_closed:
            return None
        heirs = [(credits[kind, rung + 1], -index) for (other, kind), index in best.items() if other == rung]
        if heirs and has_room(runs, epochs, rung + 1, budget=budget):
            return -max(heirs)[1]
        is_closed = not heirs and not any(run.is_pending and run.rung == rung for run in runs)
        is_closed = is_closed or not has_room(runs, epochs, rung + 1, budget=budget)
    return None


def has_room(runs: Sequence[Run], epochs: Sequence[int], rung: int, *, budget: int) -> bool:
    """Tells whether a rung's share, and the rest of the shares below, suffice for one more run of it.

    Arguments are those of `promoted_within`.
    """
    spent = sum(num_spent(runs, epochs)[: rung + 1])
    return spent + costs(epochs)[rung] <= budget * (rung + 1) / len(epochs)


def _fittest(runs: Sequence[Run], num_rungs: int) -> dict[tuple[int, Hashable], int]:
    """Returns the fittest run of each rung and kind, among those that may go up."""
    highest: dict[Hashable, int] = defaultdict(int)
    for run in runs:
        highest[run.candidate] = max(highest[run.candidate], run.rung)
    best: dict[tuple[int, Hashable], int] = {}
    for index, run in enumerate(runs):
        if run.fitness is None or run.rung + 1 == num_rungs or run.rung < highest[run.candidate]:
            continue
        rival = best.get((run.rung, run.kind))
        if rival is None or run.fitness > (runs[rival].fitness or 0.0):
            best[run.rung, run.kind] = index
    return best


def _credits(runs: Sequence[Run], step: Sequence[int]) -> dict[tuple[Hashable, int], int]:
    """Returns, for each kind and rung, how many epochs more the rung below has spent than this one."""
    credits: dict[tuple[Hashable, int], int] = defaultdict(int)
    for run in runs:
        credits[run.kind, run.rung] -= step[run.rung]
        if run.fitness is not None:
            credits[run.kind, run.rung + 1] += step[run.rung]
    return credits


def at_full_length(runs: Sequence[Run], *, num_rungs: int) -> list[float]:
    """Returns the expected fitness of each run at the top rung: the mean gain of earlier promotions is added.

    Args:
        runs: All that have a fitness.
        num_rungs: Number of rungs.

    Returns:
        For each run its fitness, plus the median gain of the promotions of its kind from its rung upward. A kind that
        was never promoted gains as much as all others.
    """
    by_place = {(run.candidate, run.rung): run.fitness or 0.0 for run in runs}
    of_kind: dict[tuple[Hashable, int], list[float]] = defaultdict(list)
    of_all: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        after = by_place.get((run.candidate, run.rung + 1))
        if after is not None:
            gain = after - by_place[run.candidate, run.rung]
            of_kind[run.kind, run.rung].append(gain)
            of_all[run.rung].append(gain)
    return [
        by_place[run.candidate, run.rung]
        + sum(
            median(of_kind.get((run.kind, rung)) or of_all.get(rung) or [0.0])
            for rung in range(run.rung, num_rungs - 1)
        )
        for run in runs
    ]
