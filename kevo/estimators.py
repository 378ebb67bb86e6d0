"""Searches as scikit-learn estimators: `KevoClassifier` and `KevoRegressor`, for pictures and for tables.

Each `fit` is a search. Its run folder is temporary: a fitted estimator holds the saved model and nothing else, so that
it can be copied and pickled. See https://scikit-learn.org/stable/developers/develop.html.
"""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedGroupKFold
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from kevo import api
from kevo.errors import DataError, SettingsError
from kevo.runs import layout
from kevo.settings import MAX_SEED, Settings
from kevo.tasks.registry import kind_of

Answers = npt.NDArray[Any]
_KEPT = (layout.MODEL, layout.TASK, layout.LABELS)
"""The files of a run folder that a saved model is used with."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table with names of its columns, as kevo reads arrays."""

    values: npt.NDArray[Any]
    columns: Sequence[str]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self.values

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> _Table:
        return _Table(self.values[rows], self.columns)


class _Searching(BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed.
    """What both estimators share; see `KevoClassifier`."""

    _tasks: Mapping[str, str]
    """The task for each kind of data."""
    _is_numeric = False
    """Whether answers are numbers."""

    def __init__(
        self,
        *,
        max_time: float | str | None = None,
        max_trials: int | None = None,
        patience: int | None = None,
        epochs: int = 20,
        final_epochs: int | None = None,
        num_finalists: int = 3,
        population: int = 8,
        space: Any = "default",
        weights: Mapping[str, str] | None = None,
        objective: str = "auto",
        max_params: int | None = None,
        cache: str | None = None,
        workers: int | None = 0,
        validation_fraction: float = 0.2,
        folds: int | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.max_time = max_time
        self.max_trials = max_trials
        self.patience = patience
        self.epochs = epochs
        self.final_epochs = final_epochs
        self.num_finalists = num_finalists
        self.population = population
        self.space = space
        self.weights = weights
        self.objective = objective
        self.max_params = max_params
        self.cache = cache
        self.workers = workers
        self.validation_fraction = validation_fraction
        self.folds = folds
        self.random_state = random_state
        self.verbose = verbose

    @property
    def model_(self) -> Any:
        """The best model, a `keras.Model`: raw examples in, answers out."""
        check_is_fitted(self)
        return self._predictor.model

    def _search(self, X: Any, answers: Answers, groups: Any) -> None:
        """Searches with examples and their answers, and keeps the best model."""
        rng = check_random_state(self.random_state)
        train, validation = self._divided(answers, groups, rng)
        # Nothing is held back to be measured on: that is what the caller's own split or `cross_val_score` is for.
        parts = {"train": train, "validation": validation, "test": validation}
        options = {}
        if self._takes_tables:
            # Which columns to learn from the caller has decided.
            options["keep"] = ",".join(self._columns)
        if self.folds is not None and groups is not None:
            X, options["groups"] = self._with_groups(X, groups)
        data = {name: (X[rows], answers[rows]) for name, rows in parts.items()}
        settings = Settings(
            max_time=self.max_time,  # type: ignore[arg-type]  # It may be a text, such as 15m.
            max_trials=self.max_trials,
            patience=self.patience,
            epochs=self.epochs,
            final_epochs=self.final_epochs,
            num_finalists=self.num_finalists,
            population=self.population,
            task=self._tasks["tables" if self._takes_tables else "pictures"],
            options=options,
            folds=self.folds,
            space=self.space,
            weights=self.weights or {},
            objective=self.objective,
            max_params=self.max_params,
            cache=self.cache,
            workers=self.workers,
            seed=int(rng.randint(MAX_SEED)),
        )
        with tempfile.TemporaryDirectory(prefix="kevo-") as folder:
            try:
                result = api.search(data, settings, out=Path(folder) / "run", verbose=self.verbose)
            except (DataError, SettingsError) as error:
                raise ValueError(str(error)) from error
            if result.interrupted:
                warnings.warn("The search was interrupted: the model is the best so far.", stacklevel=3)
            self.words_ = result.words
            self.num_parameters_ = result.num_parameters
            self.trials_ = result.trials
            files = [result.run_folder / name for name in _KEPT]
            self._files = {path.name: path.read_bytes() for path in files if path.is_file()}
        self._open()

    def _with_groups(self, X: Any, groups: Any) -> tuple[_Table, str]:
        """Returns a table with a column of groups, from which nothing is learned, and that column's name."""
        if not self._takes_tables:
            raise ValueError(
                "Received `groups` with `folds` for pictures, whose arrays have no column for them. Leave the folds "
                "out, or search pictures in files: kevo.search(folder, folds=..., options={'groups': REGEX})."
            )
        name = next(
            name
            for name in itertools.chain(("groups",), map("groups_{}".format, itertools.count()))
            if name not in X.columns
        )
        column = np.array([f"group {one}" for one in groups], object)
        return _Table(np.column_stack([X.values.astype(object), column]), [*X.columns, name]), name

    def _divided(
        self, answers: Answers, groups: Any, rng: np.random.RandomState
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Returns the positions of the examples to learn from, and of those to choose by."""
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"`validation_fraction` must lie between 0 and 1. Received: {self.validation_fraction}.")
        if groups is None:
            return self._split(answers, rng)
        groups = column_or_1d(groups)
        check_consistent_length(answers, groups)
        if len(np.unique(groups)) < 2:
            raise ValueError("`groups` holds one group only. Expected two at least, which are never divided.")
        return self._split_groups(answers, groups, rng)

    def _split(
        self, answers: Answers, rng: np.random.RandomState
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        divide = ShuffleSplit(1, test_size=self.validation_fraction, random_state=rng)
        train, validation = next(divide.split(answers))
        return np.sort(train), np.sort(validation)

    def _split_groups(
        self, answers: Answers, groups: Any, rng: np.random.RandomState
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        divide = GroupShuffleSplit(1, test_size=self.validation_fraction, random_state=rng)
        train, validation = next(divide.split(answers, groups=groups))
        return np.sort(train), np.sort(validation)

    def _checked(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Returns examples and their answers, or raises an error of scikit-learn's."""
        shape = X.shape if hasattr(X, "shape") else np.asarray(X).shape
        self._takes_tables = len(shape) != 4
        if len(shape) == 1 and shape[0] and isinstance(next(iter(X)), str):
            raise ValueError("Received texts. Expected a table or pictures: search texts with kevo.search((X, y)).")
        if not self._takes_tables:
            pictures = check_array(X, allow_nd=True, dtype=None, ensure_min_samples=2, input_name="X", estimator=self)
            check_consistent_length(pictures, y)
            self.picture_shape_ = pictures.shape[1:]
            return pictures, y
        values, y = validate_data(
            self,
            X,
            y,
            dtype=None,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2,
            y_numeric=self._is_numeric,
            multi_output=True,
        )
        names = [str(name) for name in getattr(X, "columns", ())]
        if not names or len(set(names)) < len(names) or any("," in name for name in names):
            names = [f"column_{place}" for place in range(1, values.shape[1] + 1)]
        self._columns = names
        return _Table(values, names), y

    def _predictions(self, X: Any) -> list[dict[str, Any]]:
        """Returns what the model says of each example, as JSON values."""
        check_is_fitted(self)
        if self._takes_tables:
            values = validate_data(self, X, reset=False, dtype=None, ensure_all_finite="allow-nan")
            return [one.to_json() for one in self._predictor.predict(_Table(values, self._columns))]
        pictures = check_array(X, allow_nd=True, dtype=None, input_name="X", estimator=self)
        if pictures.shape[1:] != self.picture_shape_:
            raise ValueError(
                f"Received an array of shape {pictures.shape}. Expected pictures like those of `fit`: "
                f"(n, {', '.join(map(str, self.picture_shape_))})."
            )
        return [one.to_json() for one in self._predictor.predict(pictures)]

    def _open(self) -> None:
        with tempfile.TemporaryDirectory(prefix="kevo-") as folder:
            for name, content in self._files.items():
                (Path(folder) / name).write_bytes(content)
            kind = kind_of(self._tasks["tables" if self._takes_tables else "pictures"])
            self._predictor: Any = kind.predictor(Path(folder) / layout.MODEL)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_predictor")

    def __getstate__(self) -> dict[str, Any]:
        # A model is pickled as its file, which is read safely.
        return {name: value for name, value in super().__getstate__().items() if name != "_predictor"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        if "_files" in state:
            self._open()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.three_d_array = False
        tags.non_deterministic = self.max_trials is None or self.max_time is not None
        return tags


class KevoClassifier(ClassifierMixin, _Searching):  # type: ignore[misc]
    """A search for the best classifier, as a scikit-learn estimator. Each `fit` is a search.

    Args:
        max_time: How long a `fit` may take, in seconds or as in `15m`. Without this and `max_trials`: four minutes.
        max_trials: How many candidates a `fit` trains at most.
        patience: As in `kevo.Settings`, like all that is not named here.
        epochs: Epochs of a candidate.
        final_epochs: The same for the best candidates, which are trained once more at the end.
        num_finalists: How many those are.
        population: Size of a generation.
        space: What is searched: a preset's name, or a space of the task's.
        weights: Where the weights of backbones come from, for pictures.
        objective: What is improved on the validation examples.
        max_params: How many parameters a candidate may have.
        cache: Where features of frozen backbones are kept.
        workers: How many processes train; 0 trains in this one.
        validation_fraction: What part of the examples candidates are compared on. At the end the best one learns from
            these too.
        folds: For few examples: candidates are compared on all of them, in so many folds, in place of one part of
            them. With `groups`, for tables only.
        random_state: Seed of the splits, the evolution and the training. An integer gives the same model each time,
            where `max_trials` and no `max_time` is given.
        verbose: Whether to tell on stderr how the search goes.

    Attributes:
        classes_: The classes, in the order of the probabilities.
        model_: The best model.
        words_: What it is.
        num_parameters_: Its parameters.
        trials_: All candidates, as `SearchResult.trials` has them.
        n_features_in_, feature_names_in_: Number and names of the columns of a table.

    Example:
        >>> from sklearn.model_selection import cross_val_score
        >>> cross_val_score(KevoClassifier(max_time="5m"), pictures, labels, cv=3)  # doctest: +SKIP
    """

    _tasks = {"tables": "tables", "pictures": "images"}  # noqa: RUF012

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Searches the best classifier.

        Args:
            X: A table: an array or a data frame of numbers, texts and missing values, shape (n, columns). Or pictures:
                an array of shape (n, height, width, 1, 3 or 4) of numbers as `kevo.search` takes them.
            y: The class of each example, shape (n,).
            groups: The group of each example, shape (n,): those of one group are never on both sides of the inner
                split. `None` divides the examples as such.

        Raises:
            ValueError: examples or classes are none that can be learned from.
            KevoError: no candidate could be trained.
        """
        X, y = self._checked(X, y)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, answers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Received examples of one class only: {self.classes_[0]!r}. Expected two at least.")
        self._search(X, answers, groups)
        return self

    def _split(
        self, answers: Answers, rng: np.random.RandomState
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        # Other than scikit-learn's, this takes classes with one example only, too: they are learned, and not judged by.
        chosen = []
        for label in range(len(self.classes_)):
            positions = rng.permutation(np.flatnonzero(answers == label))
            num = min(max(1, round(self.validation_fraction * len(positions))), len(positions) - 1)
            chosen.append(positions[:num])
        validation = np.sort(np.concatenate(chosen))
        if not len(validation):
            raise ValueError("Each class has one example only. Expected more, so that there are some to choose by.")
        return np.setdiff1d(np.arange(len(answers)), validation), validation

    def _split_groups(
        self, answers: Answers, groups: Any, rng: np.random.RandomState
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        num = max(2, min(round(1 / self.validation_fraction), len(np.unique(groups))))
        divide = StratifiedGroupKFold(num, shuffle=True, random_state=rng)
        for train, validation in divide.split(answers, answers, groups):
            if len(np.unique(answers[train])) == len(self.classes_):
                return train, validation
        raise ValueError("Some class is in one group only. Expected every class in two groups at least.")

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Returns the probability of each class, shape (n, num_classes), in the order of `classes_`.

        Args:
            X: As for `fit`.
        """
        check_is_fitted(self)
        names = [str(place) for place in range(len(self.classes_))]
        found = [[one["probabilities"][name] for name in names] for one in self._predictions(X)]
        return np.array(found, np.float64).reshape(-1, len(names))

    def predict(self, X: Any) -> Answers:
        """Returns the likeliest class of each example, shape (n,).

        Args:
            X: As for `fit`.
        """
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])


class KevoRegressor(RegressorMixin, _Searching):  # type: ignore[misc]
    """A search for the best regressor, as a scikit-learn estimator. Each `fit` is a search.

    Its arguments and attributes are those of `KevoClassifier`, but for the classes.

    Example:
        >>> KevoRegressor(max_trials=5).fit(table, prices).score(others, their_prices)  # doctest: +SKIP
    """

    _tasks = {"tables": "table-regression", "pictures": "image-regression"}  # noqa: RUF012
    _is_numeric = True

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Searches the best regressor.

        Args:
            X: As for `KevoClassifier.fit`.
            y: The number of each example, shape (n,).
            groups: As for `KevoClassifier.fit`.

        Raises:
            ValueError: examples or numbers are none that can be learned from.
            KevoError: no candidate could be trained.
        """
        X, y = self._checked(X, y)
        numbers = column_or_1d(y, warn=True).astype(np.float64)
        if np.isnan(numbers).any() or np.isinf(numbers).any():
            raise ValueError("Input y contains NaN or infinity. Expected finite numbers.")
        self._search(X, numbers, groups)
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Returns the number of each example, shape (n,).

        Args:
            X: As for `fit`.
        """
        return np.array([one["value"] for one in self._predictions(X)], np.float64)
