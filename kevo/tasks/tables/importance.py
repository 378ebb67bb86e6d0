"""Which columns a model needs: by how much it gets worse when a column's values change places.

Permutation importance (Breiman 2001, "Random forests", doi:10.1023/A:1010933404324). Of columns that say the same, each
seems to matter little, since the other one is still there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kevo.tasks.outputs.classes.evaluation import accuracy, cross_entropy
from kevo.tasks.tables.dataset import Inputs

Predict = Callable[[Inputs], npt.NDArray[np.floating]]
_MAX_ROWS = 2000


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
    predict: Predict, inputs: Inputs, labels: npt.NDArray[np.int64], *, seed: int = 0, num_repeats: int = 5
) -> list[Importance]:
    """Measures how much a model needs each column.

    Args:
        predict: Returns class probabilities, shape (n, num_classes), for raw columns.
        inputs: The raw columns by name, each of shape (n, 1), of rows that the model has not learned from. Of more than
            2,000 rows, as many are taken by chance.
        labels: The rows' classes, shape (n,).
        seed: Seed of the permutations.
        num_repeats: How many times each column is permuted.

    Returns:
        All columns, the most important first.
    """
    rng = np.random.default_rng(seed)
    if len(labels) > _MAX_ROWS:
        rows = np.sort(rng.choice(len(labels), _MAX_ROWS, replace=False))
        inputs, labels = {name: values[rows] for name, values in inputs.items()}, labels[rows]
    whole = predict(inputs)
    best_accuracy, best_loss = accuracy(whole, labels), cross_entropy(whole, labels)
    found = []
    for name, values in inputs.items():
        scores = []
        for _ in range(num_repeats):
            probabilities = predict({**inputs, name: rng.permutation(values)})
            scores.append((best_accuracy - accuracy(probabilities, labels), cross_entropy(probabilities, labels)))
        falls, losses = np.array(scores).T
        found.append(Importance(name, float(falls.mean()), float(losses.mean() - best_loss), float(losses.std())))
    return sorted(found, key=lambda one: -one.cross_entropy)
