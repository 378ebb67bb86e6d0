"""The objectives of a search for a classifier, by name."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kevo.objective import Measure, Objective, binomial_error
from kevo.scorers import Objectives
from kevo.tasks.outputs.classes import ranks

_CROSS_ENTROPY = "val_cross_entropy"
"""On a few hundred examples many candidates have the same accuracy; the one with the lower cross-entropy is better."""


def answered(probabilities: npt.NDArray[np.floating]) -> object:
    """Returns a fitted classifier whose features are these probabilities; see `scorers.Answered`."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Answered(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed.
        """Answers with its features."""

        classes_ = np.arange(probabilities.shape[1])

        def predict_proba(self, X: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
            # Scorers expect that they sum to 1 more closely than float32 has it.
            return np.asarray(X / X.sum(axis=1, dtype=np.float64, keepdims=True))

        def predict(self, X: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
            return np.asarray(X.argmax(axis=1))

        def __sklearn_is_fitted__(self) -> bool:
            return True

    return Answered()


def _by_rank(name: str, measure: Measure) -> Objective:
    return Objective(f"val_{name}", "max", tie_breaker=_CROSS_ENTROPY, standard_error=binomial_error, measure=measure)


_TABLE = {
    "accuracy": Objective("val_accuracy", "max", tie_breaker=_CROSS_ENTROPY, standard_error=binomial_error),
    "macro_f1": Objective("val_macro_f1", "max", tie_breaker=_CROSS_ENTROPY, standard_error=binomial_error),
    # Not `val_loss`: label smoothing and L2 are genes, and would change what is compared.
    "loss": Objective(_CROSS_ENTROPY, "min"),
}
OBJECTIVES = Objectives(
    _TABLE,
    further={
        "balanced_accuracy": _by_rank("balanced_accuracy", ranks.balanced_accuracy),
        "roc_auc": _by_rank("roc_auc", ranks.roc_auc),
        "average_precision": _by_rank("average_precision", ranks.average_precision),
        "top_5": _by_rank("top_5", ranks.top_5),
    },
    tie_breaker=_CROSS_ENTROPY,
    answered=answered,
)
"""The first is the default."""

COMPARED_SCORES = (("validation", "cross_entropy"), ("validation", "accuracy"), ("test", "accuracy"))
"""What tells an ensemble from a single model; see `TaskKind.compared_scores`."""
