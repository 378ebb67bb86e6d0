"""Which columns a model needs: by how much it gets worse when a column's values change places.

Permutation importance (Breiman 2001, "Random forests", doi:10.1023/A:1010933404324). Of columns that say the same, each
seems to matter little, since the other one is still there.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.runs.atomic_files import loads
from kevo.tasks.tables.dataset import Inputs

Predict = Callable[[Inputs], npt.NDArray[np.floating]]
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
    columns: Inputs,
    labels: npt.NDArray[Any],
    *,
    score: Judge,
    loss: Judge,
    seed: int = 0,
) -> list[Importance]:
    """Measures how much a model needs each column.

    Args:
        predict: Returns outputs, shape (n, any), for raw columns.
        columns: The raw columns of rows that the model was not trained on, each of shape (n, 1). Of more than 1,000
            rows, as many are taken by chance.
        labels: The rows' answers, shape (n,).
        score: The higher the better, such as the accuracy.
        loss: The lower the better; it orders the columns.
        seed: Seed of the permutations.

    Returns:
        All columns, the most important first.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(labels))[:_MAX_ROWS]
    columns, labels = {name: values[chosen] for name, values in columns.items()}, labels[chosen]
    whole = predict(columns)
    best_score, best_loss = score(whole, labels), loss(whole, labels)
    num_repeats = max(1, min(_MAX_REPEATS, _MAX_PASSES // len(columns)))
    found = []
    for name, values in columns.items():
        scores = []
        for _ in range(num_repeats):
            outputs = predict({**columns, name: rng.permutation(values)})
            scores.append((best_score - score(outputs, labels), loss(outputs, labels)))
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
