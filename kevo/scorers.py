"""Objectives beyond those of a table: scikit-learn's scorers by name, and functions of the user's own.

A function belongs to the process in which it was given: a run folder keeps its name only, so that nobody's settings can
name code to be run.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from kevo.errors import SettingsError, describe_error
from kevo.objective import FUNCTION, IsSimple, Objective, function_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SCORERS: Mapping[str, tuple[str, ...]] = {
    "classification": (
        "d2_log_loss_score",
        "f1_macro",
        "f1_micro",
        "f1_weighted",
        "jaccard_macro",
        "jaccard_weighted",
        "matthews_corrcoef",
        "neg_brier_score",
        "neg_log_loss",
        "precision_macro",
        "precision_weighted",
        "recall_macro",
        "recall_weighted",
        "roc_auc_ovo",
        "roc_auc_ovr",
        "roc_auc_ovr_weighted",
    ),
    "regression": (
        "d2_absolute_error_score",
        "explained_variance",
        "neg_max_error",
        "neg_mean_absolute_error",
        "neg_mean_absolute_percentage_error",
        "neg_mean_squared_error",
        "neg_median_absolute_error",
        "neg_root_mean_squared_error",
    ),
}
"""Scorers of scikit-learn's that suit what is asked, by the word for that. They are known without loading it."""
_KNOWN = frozenset(name for names in SCORERS.values() for name in names)

Answered: TypeAlias = "Callable[[npt.NDArray[np.floating]], Any]"
"""Makes a fitted estimator, as scorers take one, whose features are a network's outputs."""


class Objectives(Mapping[str, Objective]):
    """What may be improved, by name. Iteration yields the rows of the table only.

    Args:
        table: The objectives whose metrics every training computes; the first is the default.
        further: Others, which are computed where they are asked for.
        tie_breaker: The metric that decides between equals of all others.
        answered: See `Answered`.
    """

    def __init__(
        self,
        table: Mapping[str, Objective],
        *,
        further: Mapping[str, Objective] | None = None,
        tie_breaker: str,
        answered: Answered,
    ) -> None:
        self._table = dict(table)
        self._further = dict(further or {})
        self._tie_breaker = tie_breaker
        self._answered = answered
        self._is_simple: IsSimple | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the table and of the others, without scikit-learn's."""
        return (*self._table, *self._further)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, name: object) -> bool:
        if name in self._table or name in self._further:
            return True
        if not isinstance(name, str):
            return False
        if name.startswith(FUNCTION):
            return name.removeprefix(FUNCTION).isidentifier()
        if name in _KNOWN:
            return True
        from sklearn.metrics import get_scorer_names

        return name in get_scorer_names()

    def preferring(self, is_simple: IsSimple) -> Objectives:
        """Returns the same, where of equals a simple one wins; see `Objective`."""
        found = copy.copy(self)
        found._is_simple = is_simple
        return found

    def __getitem__(self, name: str) -> Objective:
        return dataclasses.replace(self._named(name), is_simple=self._is_simple)

    def _named(self, name: str) -> Objective:
        if name in self._table:
            return self._table[name]
        if name in self._further:
            return self._further[name]
        if name not in self:
            raise KeyError(name)
        if name.startswith(FUNCTION):
            metric = f"val_{name.removeprefix(FUNCTION)}"
            return Objective(metric, "max", tie_breaker=self._tie_breaker, measure=_Function(name))
        measure = functools.partial(_by_scorer, name, self._answered)
        return Objective(f"val_{name}", "max", tie_breaker=self._tie_breaker, measure=measure)


class _Function:
    """A function of the user's, found when it is called: the settings of a run folder know its name only."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, outputs: npt.NDArray[np.floating], targets: npt.NDArray[Any]) -> float:
        return float(function_of(self._name)(targets, outputs))


def _by_scorer(name: str, answered: Answered, outputs: npt.NDArray[np.floating], targets: npt.NDArray[Any]) -> float:
    from sklearn.metrics import get_scorer

    return float(get_scorer(name)(answered(outputs), outputs, targets))


def further(
    objective: Objective | None, outputs: npt.NDArray[np.floating], targets: npt.NDArray[Any]
) -> dict[str, float]:
    """Returns the objective's score by its name, where it is none that is always computed.

    Args:
        objective: What is improved; `None` for what is always computed.
        outputs: A network's, shape (n, ...).
        targets: The true answers, shape (n, ...).
    """
    if objective is None or objective.measure is None:
        return {}
    return {objective.metric.removeprefix("val_"): objective.measure(outputs, targets)}


def check(objective: Objective, known: Objectives, *, size: int, targets: npt.NDArray[Any]) -> None:
    """Raises a `SettingsError` where an objective cannot judge answers of this kind.

    Args:
        objective: What is to be improved.
        known: What may be improved.
        size: Number of a network's outputs.
        targets: The true answers of the validation examples, shape (n, ...).
    """
    if objective.measure is None:
        return
    import numpy as np

    outputs = np.random.default_rng(0).random((len(targets), size))
    outputs = outputs / outputs.sum(axis=1, keepdims=True) if size > 1 else outputs
    try:
        value = objective.measure(outputs, targets)
        if np.isfinite(value):
            return
        reason = f"it is {value}"
    except SettingsError:
        raise
    except Exception as error:
        reason = describe_error(error)
    raise SettingsError(
        f"The objective {objective.metric.removeprefix('val_')!r} cannot judge the answers to these validation "
        f"examples: {reason.rstrip('.')}. Expected one of: {', '.join(known.named)}; or a scorer of scikit-learn's "
        "that takes such answers: for several classes, f1_macro in place of f1."
    )
