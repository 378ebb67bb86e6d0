"""Which columns a model needs: by how much it gets worse when a column's values change places.

Permutation importance (Breiman 2001, "Random forests", doi:10.1023/A:1010933404324). Of columns that say the same, each
seems to matter little, since the other one is still there.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.runs.atomic_files import loads

Predict = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.floating]]
Judge = Callable[[npt.NDArray[np.floating], npt.NDArray[Any]], float]
"""Returns one number for outputs, shape (n, any), and the true answers, shape (n, ...)."""
_MAX_ROWS = 1000
_MAX_REPEATS, _MAX_PASSES = 5, 500
"""Each column is permuted several times, unless there are many."""


@dataclass(frozen=True, slots=True)
class Importance:
    """What a model loses without a column, on average over several permutations.

    Args:
        column: The column's name.
        score: How much lower the score is without it.
        loss: How much higher the loss is without it.
        deviation: The standard deviation of `loss` over the permutations.
    """

    column: str
    score: float
    loss: float
    deviation: float


def permutation_importance(
    predict: Predict,
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[Any],
    *,
    places: Mapping[str, Sequence[int]],
    score: Judge,
    loss: Judge,
    seed: int = 0,
) -> list[Importance]:
    """Measures how much a model needs each column.

    Args:
        predict: Returns outputs, shape (n, any), for prepared columns.
        features: The prepared columns of rows that the model was not trained on, shape (n, num_features). Of more than
            1,000 rows, as many are taken by chance.
        labels: The rows' answers, shape (n,).
        places: Which features each column has become: they change places together.
        score: The higher the better, such as the accuracy.
        loss: The lower the better; it orders the columns.
        seed: Seed of the permutations.

    Returns:
        All columns, the most important first.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(labels))[:_MAX_ROWS]
    features, labels = features[chosen], labels[chosen]
    whole = predict(features)
    best_score, best_loss = score(whole, labels), loss(whole, labels)
    num_repeats = max(1, min(_MAX_REPEATS, _MAX_PASSES // len(places)))
    found = []
    for name, its in places.items():
        kept, scores = features[:, its], []
        for _ in range(num_repeats):
            features[:, its] = rng.permutation(kept)
            outputs = predict(features)
            scores.append((best_score - score(outputs, labels), loss(outputs, labels)))
        features[:, its] = kept
        falls, losses = np.array(scores).T
        found.append(Importance(name, float(falls.mean()), float(losses.mean() - best_loss), float(losses.std())))
    return sorted(found, key=lambda one: -one.loss)


def dumps(found: Sequence[Importance]) -> str:
    """Returns JSON, which `read` reads."""
    return json.dumps([dataclasses.asdict(one) for one in found], indent=2)


def read(path: Path) -> list[Importance]:
    """Reads the importances of a file; returns none where it is missing or damaged."""
    try:
        values = loads(path.read_bytes())
        found = [
            Importance(str(one["column"]), *(float(one[name]) for name in ("score", "loss", "deviation")))
            for one in values
        ]
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        return []
    return found if all(math.isfinite(one.score + one.loss + one.deviation) for one in found) else []
