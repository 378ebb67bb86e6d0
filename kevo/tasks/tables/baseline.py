"""A strong model of another kind on the same splits: is a network worth it for this table?

Gradient-boosted trees are hard to beat on tables (Grinsztajn, Oyallon and Varoquaux 2022, "Why do tree-based models
still outperform deep learning on typical tabular data?", arXiv:2207.08815).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from kevo.tasks.outputs.classes import evaluation
from kevo.tasks.outputs.classes.evaluation import Evaluation, evaluate
from kevo.tasks.tables.dataset import Split, TableDataset

NAME = "HistGradientBoosting"
_MAX_CELLS = 10_000_000
"""Rows times columns that are learned from: more takes minutes."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """How good the reference model is.

    Args:
        validation: Its scores on the validation split.
        test: Its scores on the test split.
        seconds: How long it took to train and to score.
    """

    validation: Evaluation
    test: Evaluation
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values, from which `from_json` makes the same."""
        return {
            "name": NAME,
            "validation": self.validation.to_json(),
            "test": self.test.to_json(),
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        validation, test = evaluation.parse(values["validation"]), evaluation.parse(values["test"])
        return cls(validation, test, float(values["seconds"]))


def fit(dataset: TableDataset, *, seed: int) -> Baseline:
    """Trains scikit-learn's histogram gradient boosting with its default settings, and scores it.

    Args:
        dataset: The data set. Of more than ten million values, as many training rows are taken by chance.
        seed: Seed of what is left to chance.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    began = time.monotonic()
    # What stands for categories may not be mistaken for amounts; trees handle missing numbers by themselves.
    kinds = [column.kind for column in dataset.columns if column.kind != "category"]
    is_categorical = np.array([kind == "code" for kind in kinds] + [True] * dataset.train.categories.shape[1])
    model = HistGradientBoostingClassifier(random_state=seed, categorical_features=is_categorical)
    train = dataset.train
    if len(train) > (most := _MAX_CELLS // len(dataset.columns)):
        train = train[np.random.default_rng(seed).permutation(len(train))[:most]]
    # On a busy machine its threads wait for each other far longer than one takes.
    with threadpool_limits(1):
        model.fit(_matrix(dataset, train), train.labels)

    def scored(split: Split) -> Evaluation:
        found = model.predict_proba(_matrix(dataset, split))
        # A class is a position in the class names.
        probabilities = np.zeros((len(split), dataset.num_classes))
        probabilities[:, model.classes_] = found
        return evaluate(probabilities, split.labels, class_names=dataset.class_names)

    return Baseline(scored(dataset.validation), scored(dataset.test), time.monotonic() - began)


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
