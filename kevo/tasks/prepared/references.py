"""Trains cheap models of another kind on prepared examples; see `kevo.tasks.outputs.reference`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.reference import Reference
from kevo.tasks.prepared.stages import Answered


class Fold(NamedTuple):
    """A fold: the positions of the validation examples that it judges, its answers, and as `matrix` of `fit`."""

    rows: npt.NDArray[np.int64]
    dataset: Answered
    matrix: Callable[[str], Any]


def fit(
    name: str,
    words: str,
    model: Any,
    dataset: Answered,
    matrix: Callable[[str], Any],
    *,
    seed: int,
    max_cells: int | None = None,
    folds: Sequence[Fold] = (),
) -> Reference:
    """Trains a model of scikit-learn's on the training split, and scores it on the others.

    Args:
        name: What it is called.
        words: What it is, in a few words.
        model: The model.
        dataset: The answers.
        matrix: Returns the examples of a split as the model takes them, shape (n, num_features).
        seed: Seed of what is left to chance.
        max_cells: So many numbers are learned from at most, of as many examples as that is; `None` for all.
        folds: Those of the validation examples: each is judged by a model that has learned from the others. None where
            there is a validation split.
    """
    from threadpoolctl import threadpool_limits

    began = time.monotonic()

    def learn(part: Answered, features: Callable[[str], Any]) -> None:
        x, y = features("train"), part.labels("train")
        if max_cells is not None and x.shape[0] > (most := max_cells // x.shape[1]):
            chosen = np.random.default_rng(seed).permutation(len(y))[:most]
            x, y = x[chosen], y[chosen]
        model.fit(x, y)

    def outputs(rows: Any) -> npt.NDArray[np.floating]:
        if not isinstance(dataset.output, Classes):
            return np.asarray(model.predict(rows)).reshape(-1, 1)
        # A class is a position in the class names.
        probabilities = np.zeros((rows.shape[0], dataset.output.size))
        probabilities[:, model.classes_] = model.predict_proba(rows)
        return probabilities

    # On a busy machine its threads wait for each other far longer than one takes.
    with threadpool_limits(1):
        judged = np.zeros((len(dataset.labels("validation")), dataset.output.size))
        for fold in folds:
            learn(fold.dataset, fold.matrix)
            judged[fold.rows] = outputs(fold.matrix("validation"))
        learn(dataset, matrix)
        found = {"validation": judged if folds else outputs(matrix("validation")), "test": outputs(matrix("test"))}
    validation, test = (dataset.output.score(answers, dataset.labels(split)) for split, answers in found.items())
    return Reference(name, words, validation, test, time.monotonic() - began)
