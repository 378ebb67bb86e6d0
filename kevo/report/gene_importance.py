"""Which genes made the candidates of a search better or worse than others."""

from __future__ import annotations

from collections.abc import Iterable

import tuners.importance
from kevo.runs.records import TrialRecord


def importance(records: Iterable[TrialRecord]) -> dict[str, float]:
    """Returns how much each gene mattered in a search; see `tuners.importance`.

    Args:
        records: The candidates. Of each its first training counts, so that all are compared at the same length;
            those that began with their parent's weights tell of more than their genome, and do not count.
    """
    first = [one for one in records if one.continues is None and one.inherits is None and not one.full_length]
    pairs = [(one.genome, one.fitness) for one in first if one.fitness is not None]
    return tuners.importance.importance([genome for genome, _ in pairs], [fitness for _, fitness in pairs])
