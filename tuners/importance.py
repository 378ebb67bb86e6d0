"""Which genes made candidates better or worse than others.

A random forest learns to tell from its genes how a candidate ranks (Breiman 2001, Random Forests,
doi:10.1023/A:1010933404324). A gene matters as much as the forest errs more when the gene's values change places among
the candidates that have it, each tree asked about those only that it has not seen. Hutter et al. 2014, An Efficient
Approach for Assessing Hyperparameter Importance, proceedings.mlr.press/v32/hutter14.html, ask a forest too.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tuners.genome import Genome

_LEAST_CANDIDATES = 24
_LEAST_EXPLAINED = 0.1
"""Share of the variance that the forest must explain on candidates that its trees have not seen."""
_NUM_TREES = 128
_NUM_ERRORS = 2.0
"""By how many standard errors, over all trees, a gene must differ from one that tells nothing."""
_LOG_RATIO = 30
_LARGEST = 1e30
"""What is larger is no number that a gene has, and none that a tree takes."""

_Numbers = npt.NDArray[np.float32]


def importance(genomes: Sequence[Genome], fitness: Sequence[float]) -> dict[str, float]:
    """Returns how much each gene mattered in a search.

    Evolution looks closely at what is good: the shares tell of the candidates that there were, not of the whole space.

    Args:
        genomes: Those of the candidates, all trained for the same length.
        fitness: Of each.

    Returns:
        Shares by gene that sum to 1, the largest first; genes that tell nothing are left out. Empty where there are
        fewer than 24 candidates, or where their genes do not tell which are better. The same candidates always give the
        same shares.
    """
    names = sorted({name for genome in genomes for name in genome})
    values: dict[str, list[object]] = {name: [genome.get(name) for genome in genomes] for name in names}
    values = {name: column for name, column in values.items() if len({repr(one) for one in column} - {"None"}) > 1}
    if len(genomes) < _LEAST_CANDIDATES or not values or len(set(fitness)) == 1:
        return {}
    raised = _errors_raised(values, np.array(fitness, np.float64))
    total = sum(raised.values())
    return {name: raised[name] / total for name in sorted(raised, key=lambda name: -raised[name])}


def _errors_raised(values: dict[str, list[object]], fitness: npt.NDArray[np.float64]) -> dict[str, float]:
    """Returns how much larger a forest's squared error is without each gene; none where it knows too little with all.

    Args:
        values: The values of each gene, `None` where a candidate does not have it.
        fitness: Of each candidate.
    """
    from scipy.stats import rankdata
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(0)
    blocks = {name: _columns(column, rng) for name, column in values.items()}
    inputs = np.hstack(list(blocks.values()))
    ends = np.cumsum([block.shape[1] for block in blocks.values()])
    places = {name: slice(end - block.shape[1], end) for (name, block), end in zip(blocks.items(), ends, strict=True)}
    has = {name: np.array([value is not None for value in column]) for name, column in values.items()}
    # Ranks, since a few that learned nothing would outweigh all differences among the others.
    ranks = rankdata(fitness) / len(fitness)
    forest = RandomForestRegressor(
        _NUM_TREES, max_features=0.5, min_samples_leaf=2, oob_score=True, n_jobs=1, random_state=0
    ).fit(inputs, ranks)
    if forest.oob_score_ < _LEAST_EXPLAINED:
        return {}
    raised = np.zeros((_NUM_TREES, len(blocks)))
    for number, (tree, seen) in enumerate(zip(forest.estimators_, forest.estimators_samples_, strict=True)):
        unseen = np.setdiff1d(np.arange(len(ranks)), seen)
        errors = (tree.predict(inputs, check_input=False) - ranks) ** 2
        asked = set(tree.tree_.feature)
        for column, (name, place) in enumerate(places.items()):
            rows = unseen[has[name][unseen]]
            if len(rows) and not asked.isdisjoint(range(place.start, place.stop)):
                changed = inputs[rows]
                changed[:, place] = inputs[rng.permutation(rows), place]
                after = (tree.predict(changed, check_input=False) - ranks[rows]) ** 2
                raised[number, column] = (after - errors[rows]).sum() / len(unseen)
    means, doubts = raised.mean(axis=0), raised.std(axis=0) / math.sqrt(_NUM_TREES)
    counts = means > _NUM_ERRORS * doubts
    return {name: float(mean) for name, mean, does in zip(blocks, means, counts, strict=True) if does}


def _columns(values: Sequence[object], rng: np.random.Generator) -> _Numbers:
    """Returns a gene as a forest sees it: numbers as they are, in logarithms where they span much, others as 0 or 1.

    Whoever lacks the gene gets the value of someone who has it, by chance: so its column says nothing of what decides
    who has it, and the gene that does is not robbed of its share.
    """
    numbers = [value for value in values if isinstance(value, int | float) and abs(value) <= _LARGEST]
    known: Sequence[object] = numbers or [value for value in values if value is not None]
    filled: list[Any] = [value if value in known else known[int(rng.integers(len(known)))] for value in values]
    if numbers:
        column = np.array(filled, np.float64)
        is_wide = min(numbers) > 0 and max(numbers) > _LOG_RATIO * min(numbers)
        return (np.log(column) if is_wide else column).astype(np.float32)[:, None]
    kinds = sorted({str(value) for value in known})
    return np.array([[str(value) == kind for kind in kinds] for value in filled], np.float32)
