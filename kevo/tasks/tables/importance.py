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

import numpy as np
import numpy.typing as npt

from kevo.runs.atomic_files import loads
from kevo.tasks.outputs.classes.evaluation import accuracy, cross_entropy

Predict = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.floating]]
_MAX_ROWS = 1000
_MAX_REPEATS, _MAX_PASSES = 5, 500
"""Each column is permuted several times, unless there are many."""


@dataclass(frozen=True, slots=True)
class Importance:
    """The loss of accuracy without a column, on average over several permutations.

    Args:
        column: The column's name.
        accuracy: How much lower the accuracy is without it.
        cross_entropy: How much higher the cross-entropy is without it.
        deviation: The standard deviation of `cross_entropy` over the permutations.
    """

    column: str
    accuracy: float
    cross_entropy: float
    deviation: float


def permutation_importance(
    predict: Predict,
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    *,
    places: Mapping[str, Sequence[int]],
    seed: int = 0,
) -> list[Importance]:
    """Measures how much a model needs each column.

    Args:
        predict: Returns class probabilities, shape (n, num_classes), for prepared columns.
        features: The prepared columns of rows that the model was not trained on, shape (n, num_features). Of more than
            1,000 rows, as many are taken by chance.
        labels: The rows' classes, shape (n,).
        places: Which features each column has become: they change places together.
        seed: Seed of the permutations.

    Returns:
        All columns, the most important first.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(labels))[:_MAX_ROWS]
    features, labels = features[chosen], labels[chosen]
    whole = predict(features)
    best_accuracy, best_loss = accuracy(whole, labels), cross_entropy(whole, labels)
    num_repeats = max(1, min(_MAX_REPEATS, _MAX_PASSES // len(places)))
    found = []
    for name, its in places.items():
        kept, scores = features[:, its], []
        for _ in range(num_repeats):
            features[:, its] = rng.permutation(kept)
            probabilities = predict(features)
            scores.append((best_accuracy - accuracy(probabilities, labels), cross_entropy(probabilities, labels)))
        features[:, its] = kept
        falls, losses = np.array(scores).T
        found.append(Importance(name, float(falls.mean()), float(losses.mean() - best_loss), float(losses.std())))
    return sorted(found, key=lambda one: -one.cross_entropy)


def dumps(found: Sequence[Importance]) -> str:
    """Returns JSON, which `read` reads."""
    return json.dumps([dataclasses.asdict(one) for one in found], indent=2)


def read(path: Path) -> list[Importance]:
    """Reads the importances of a file; returns none where it is missing or damaged."""
    try:
        values = loads(path.read_bytes())
        found = [
            Importance(str(one["column"]), *(float(one[name]) for name in ("accuracy", "cross_entropy", "deviation")))
            for one in values
        ]
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        return []
    return found if all(math.isfinite(one.accuracy + one.cross_entropy + one.deviation) for one in found) else []
