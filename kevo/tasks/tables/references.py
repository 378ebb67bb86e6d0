"""Strong models of other kinds on the same splits: is a network worth it for this table?

Gradient-boosted trees are hard to beat on tables (Grinsztajn, Oyallon and Varoquaux 2022, "Why do tree-based models
still outperform deep learning on typical tabular data?", arXiv:2207.08815), and so are linear models on small ones.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.tasks.folds import rows_of
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.reference import Reference
from kevo.tasks.prepared import references
from kevo.tasks.tables.dataset import Split, TableDataset
from kevo.tasks.tables.encoding import PLAIN
from kevo.tasks.tables.stages import PreparedRows

TREES = "HistGradientBoosting"
_WORDS = "of scikit-learn, with its default settings"
_MAX_CELLS = 10_000_000
"""Rows times columns that are learned from: more takes minutes."""
_MAX_ITERATIONS = 1000
_PENALTIES = tuple(10.0**power for power in range(-3, 5))

_Rows = npt.NDArray[np.floating]


def fit(dataset: TableDataset, *, seed: int) -> list[Reference]:
    """Trains boosted trees and a linear model, and scores both.

    Args:
        dataset: The data set. Of more than ten million values, as many training rows are taken by chance.
        seed: Seed of what is left to chance.
    """
    return [trees(dataset, seed=seed), linear(dataset, seed=seed)]


def trees(dataset: TableDataset, *, seed: int) -> Reference:
    """Trains scikit-learn's histogram gradient boosting with its default settings; arguments as for `fit`."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    # What stands for categories may not be mistaken for amounts; trees handle missing numbers by themselves.
    kinds = [column.kind for column in dataset.columns if column.kind != "category"]
    is_categorical = np.array([kind == "code" for kind in kinds] + [True] * dataset.train.categories.shape[1])
    kind = HistGradientBoostingClassifier if isinstance(dataset.output, Classes) else HistGradientBoostingRegressor
    model = kind(random_state=seed, categorical_features=is_categorical)

    def matrix(part: TableDataset, name: str) -> _Rows:
        return _matrix(part, getattr(part, name))

    return _fit(TREES, model, dataset, lambda part: functools.partial(matrix, part), seed)


def linear(dataset: TableDataset, *, seed: int) -> Reference:
    """Trains logistic or ridge regression on the columns as networks see them; arguments as for `fit`."""
    from sklearn.linear_model import LogisticRegression, RidgeCV

    def prepared(part: TableDataset) -> Callable[[str], _Rows]:
        rows = PreparedRows(part)
        return lambda name: rows.prepared(PLAIN, getattr(part, name))

    model, kind = RidgeCV(_PENALTIES), "Ridge"
    if isinstance(dataset.output, Classes):
        model, kind = LogisticRegression(max_iter=_MAX_ITERATIONS), "Logistic"
    return _fit(f"{kind} regression", model, dataset, prepared, seed)


def _fit(
    name: str, model: Any, dataset: TableDataset, matrices: Callable[[TableDataset], Callable[[str], _Rows]], seed: int
) -> Reference:
    parts = [] if dataset.folds is None else list(rows_of(dataset.folds))
    folds = [
        references.Fold(judged, part, matrices(part))
        for judged, part in ((judged, dataset.part(learned, judged)) for learned, judged in parts)
    ]
    options: dict[str, Any] = {"seed": seed, "max_cells": _MAX_CELLS, "folds": folds}
    return references.fit(name, _WORDS, model, dataset, matrices(dataset), **options)


def _matrix(dataset: TableDataset, split: Split) -> npt.NDArray[np.float64]:
    """Returns numbers, codes as positions among their values, and categories side by side, shape (n, num_columns)."""
    columns = [column for column in dataset.columns if column.kind != "category"]
    numbers = split.numbers.astype(np.float64)
    for place, column in enumerate(columns):
        if column.kind == "code":
            numbers[:, place] = _positions(numbers[:, place], np.array(column.values, np.float64))
    return np.concatenate([numbers, split.categories], axis=1)


def _positions(values: npt.NDArray[np.float64], known: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the positions of values among the known ones; NaN for unknown values."""
    places = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[places] == values, places, np.nan)
