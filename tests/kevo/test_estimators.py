"""Searches as estimators of scikit-learn; `tests/docs/test_scikit_learn.py` has the list of checks."""

import pickle
import signal
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.model_selection import GroupKFold, cross_val_score

from kevo import KevoClassifier, KevoRegressor
from tests.support.samples import stripes
from tests.support.searches import TINY

SMALL = {"max_trials": 1, "epochs": 8, "final_epochs": 8, "num_finalists": 1, "space": "small", "random_state": 0}


def test_parameters_are_copied() -> None:
    one = KevoClassifier(max_time="5m", space="small")
    assert clone(one).get_params() == one.get_params()
    assert one.set_params(max_trials=3).max_trials == 3


@pytest.mark.parametrize(("counts", "expected"), [((10, 5, 1), [2, 1, 0]), ((2, 2), [1, 1])])
def test_each_class_is_learned_and_judged_by_its_part(counts: tuple[int, ...], expected: list[int]) -> None:
    answers = np.repeat(np.arange(len(counts)), counts)
    one = KevoClassifier()
    one.classes_ = np.arange(len(counts))
    train, validation = one._divided(answers, None, np.random.RandomState(0))
    assert sorted([*train, *validation]) == list(range(len(answers)))
    assert np.bincount(answers[validation], minlength=len(counts)).tolist() == expected


@pytest.mark.parametrize("kind", [KevoClassifier, KevoRegressor])
def test_groups_are_never_divided(kind: type[Any]) -> None:
    groups = np.repeat(np.arange(10), 6)
    answers = np.arange(60) % 3
    one = kind()
    one.classes_ = np.arange(3)
    train, validation = one._divided(answers, groups, np.random.RandomState(0))
    assert len(validation) and not set(groups[train]) & set(groups[validation])


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (np.zeros((4, 2)), [1, 1, 1, 1], "one class only"),
        (np.zeros((3, 2)), ["a", "b", "c"], "one example only"),
        (np.zeros((1, 2)), [1], "1 sample"),
        (np.zeros((4, 8, 8)), [0, 1, 0, 1], "dim 3"),
        (["a text", "another"], [0, 1], "search texts with kevo.search"),
        (np.zeros((4, 8, 8, 3)), [0, 1], "inconsistent numbers of samples"),
    ],
)
def test_what_cannot_be_learned_is_a_value_error(X: np.ndarray, y: list[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        KevoClassifier(**SMALL).fit(X, y)


@pytest.mark.long
def test_a_table_with_names_texts_and_gaps() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = load_wine(return_X_y=True, as_frame=True)
    X = X.assign(color=np.where(X["hue"] > 1, "red", "pale, or so"))
    X.loc[::9, "ash"] = np.nan
    names = np.array(["first", "second", "third"])[y]
    one = KevoClassifier(**SMALL).fit(X, names)
    assert one.classes_.tolist() == ["first", "second", "third"]
    assert (one.n_features_in_, list(one.feature_names_in_)) == (14, list(X.columns))
    probabilities = one.predict_proba(X)
    assert probabilities.shape == (178, 3) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert one.score(X, names) > 0.8
    again = pickle.loads(pickle.dumps(one))
    assert (again.predict_proba(X) == probabilities).all()
    with pytest.raises(ValueError, match="feature names"):
        one.predict(X.rename(columns={"ash": "dust"}))
    assert set(one.model_.input) == set(X.columns) and isinstance(pandas.DataFrame(one.trials_), pandas.DataFrame)


@pytest.mark.long
def test_pictures() -> None:
    pictures, labels = stripes(120)
    names = np.array(["across", "along", "none"])[labels]
    one = KevoClassifier(**{**SMALL, "space": TINY}).fit(pictures, names)
    assert one.score(pictures, names) > 0.8
    assert one.predict_proba(pictures[:3]).shape == (3, 3)
    with pytest.raises(ValueError, match=r"Expected pictures like those of `fit`: \(n, 16, 16, 3\)"):
        one.predict(pictures[:, :8])


@pytest.mark.long
def test_cross_validation_with_groups() -> None:
    X, y = load_wine(return_X_y=True)
    groups = np.arange(len(y)) % 30
    scores = cross_val_score(
        KevoClassifier(**SMALL), X, y, cv=GroupKFold(2), groups=groups, params={"groups": groups}, error_score="raise"
    )
    assert scores.shape == (2,) and scores.min() > 0.6


@pytest.mark.long
def test_numbers_and_the_same_seed_twice() -> None:
    X, y = load_diabetes(return_X_y=True)
    first, second = (KevoRegressor(**SMALL).fit(X, y) for _ in range(2))
    assert first.score(X, y) > 0.3
    assert (first.predict(X) == second.predict(X)).all()


def test_groups_and_folds_for_pictures_are_refused() -> None:
    pictures, labels = stripes(24)
    with pytest.raises(ValueError, match=r"Received `groups` with `folds` for pictures"):
        KevoClassifier(**SMALL, folds=2).fit(pictures, labels, groups=np.arange(24) % 6)


@pytest.mark.long
def test_a_table_over_folds_by_groups() -> None:
    X, y = load_wine(return_X_y=True)
    one = KevoClassifier(**SMALL, folds=3).fit(X, y, groups=np.arange(len(y)) % 30)
    assert one.score(X, y) > 0.8
    assert one.n_features_in_ == X.shape[1]


def test_a_fit_that_is_interrupted_keeps_the_best_and_warns() -> None:
    X, y = load_wine(return_X_y=True)
    calls = []

    def score(true: np.ndarray, outputs: np.ndarray) -> float:
        calls.append(len(true))
        # In the second candidate's only epoch.
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return float((outputs.argmax(axis=1) == true).mean())

    one = KevoClassifier(max_trials=3, epochs=1, space="small", random_state=0, objective=score)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        one.fit(X, y)
    assert "The search was interrupted: the model is the best so far." in [str(warning.message) for warning in told]
    assert one.predict(X).shape == y.shape and len(one.trials_) < 3
