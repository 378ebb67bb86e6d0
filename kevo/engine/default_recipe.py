"""What the recipe that a search begins with would have scored alone: what the search has to beat."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from kevo.engine.archive import full_length_id
from kevo.objective import Objective
from kevo.runs.outcome import DefaultRecipe
from kevo.runs.records import TrialRecord
from kevo.tasks.protocols.kind import AnyKind


def default_recipe(records: Iterable[TrialRecord], objective: Objective, kind: AnyKind) -> DefaultRecipe | None:
    """Returns the score of a search's first seed, as if it had been the only candidate.

    A seed that was no finalist has no final training. Its score is then predicted: that of its last training, and the
    median of what finalists have gained by theirs.

    Args:
        records: The trials of the search.
        objective: What the search improves.
        kind: The task, which says what the recipe is.

    Returns:
        The score; `None` where no seed could be trained.
    """
    known = {record.trial_id: record for record in records if record.fitness is not None}
    seeds = [record for record in known.values() if record.origin == "seed"]
    if not seeds:
        return None
    first = min(seeds, key=lambda record: record.number)
    # After a pause its last training is another trial.
    alike = [record for record in known.values() if record.genome == first.genome and not record.full_length]
    last = max(alike, key=lambda record: record.num_epochs)
    metric = objective.metric
    finals = {record.trial_id: known.get(full_length_id(record)) for record in known.values()}
    scores = [one.metrics[metric] for one in (last, *(finals[one.trial_id] for one in alike)) if one is not None]
    best = max if objective.direction == "max" else min
    gains = [best(final.metrics[metric] - known[name].metrics[metric], 0.0) for name, final in finals.items() if final]
    is_predicted = len(scores) == 1 and (bool(gains) or last.is_paused)
    score = best(scores)
    if is_predicted:
        score = max(0.0, score + statistics.median(gains or [0.0]))
        score = min(1.0, score) if objective.direction == "max" else score
    return DefaultRecipe(
        trial_id=first.trial_id,
        words=kind.describe(first.genome),
        metric=metric,
        score=score,
        is_predicted=is_predicted,
    )
