"""Rungs: most candidates train for few epochs, the best of them for more.

Asynchronous successive halving: a rung promotes whenever it has earned it, and never waits for a round to end.

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
    """

    candidate: Hashable
    kind: Hashable
    rung: int
    fitness: float | None


def promoted(runs: Sequence[Run], epochs: Sequence[int], *, budget: int | None = None) -> int | None:
    """Returns which run to continue in the next rung, as an index into `runs`; None if no rung has earned it.

    The fittest of its rung and kind that was not promoted yet goes up, from the topmost rung that can promote.

    Args:
        runs: All so far.
        epochs: For each rung, the epochs after which its training ends; rising.
        budget: Epochs that all rungs together may spend. A rung then spends its equal share before it promotes
            (Jamieson and Talwalkar 2016). By default nobody knows: for each kind, a rung may spend at any time as many
            epochs as the rung below it has (Li et al. 2020).
    """
    costs = _costs(epochs)
    earned: dict[tuple[Hashable, int], int] = defaultdict(int)
    spent: dict[tuple[Hashable, int], int] = defaultdict(int)
    highest: dict[Hashable, int] = defaultdict(int)
    for run in runs:
        highest[run.candidate] = max(highest[run.candidate], run.rung)
    best: dict[tuple[int, Hashable], int] = {}
    for index, run in enumerate(runs):
        spent[run.kind, run.rung] += costs[run.rung]
        if run.fitness is None:
            continue
        earned[run.kind, run.rung + 1] += costs[run.rung]
        if run.rung + 1 == len(epochs) or run.rung < highest[run.candidate]:
            continue
        rival = best.get((run.rung, run.kind))
        if rival is None or run.fitness > (runs[rival].fitness or 0.0):
            best[run.rung, run.kind] = index

    ready = []
    for (rung, kind), index in best.items():
        credit = earned[kind, rung + 1] - spent[kind, rung + 1]
        if budget is None:
            is_ready = credit >= costs[rung + 1]
        else:
            is_ready = has_spent(runs, epochs, rung, budget=budget)
            is_ready = is_ready and not has_spent(runs, epochs, rung + 1, budget=budget)
        if is_ready:
            # Among kinds the one that is owed most, or else came first.
            ready.append((rung, credit, -index))
    return -max(ready)[2] if ready else None


def has_spent(runs: Sequence[Run], epochs: Sequence[int], rung: int, *, budget: int) -> bool:
    """Tells whether a rung's equal share of the budget leaves it no further training; arguments as for `promoted`."""
    cost = _costs(epochs)[rung]
    return (1 + sum(run.rung == rung for run in runs)) * cost > budget / len(epochs)


def _costs(epochs: Sequence[int]) -> list[int]:
    return [after - before for before, after in zip([0, *epochs], epochs, strict=False)]


def at_full_length(runs: Sequence[Run], *, num_rungs: int) -> list[float]:
    """Returns what the fitness of each run would be at the top rung: what promotions have gained so far is added.

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
