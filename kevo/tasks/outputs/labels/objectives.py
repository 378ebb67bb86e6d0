"""The objectives of a search for several labels at once, by name."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kevo.objective import Objective, binomial_error
from kevo.scorers import Objectives

_CROSS_ENTROPY = "val_binary_cross_entropy"
"""It sees more of each example than the order of examples, or what lies on which side of a threshold."""


def answered(probabilities: npt.NDArray[np.floating]) -> object:
    """Returns a fitted classifier whose features are these probabilities; see `scorers.Answered`."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Answered(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed.
        """Answers with its features."""

        classes_ = [np.arange(2)] * probabilities.shape[1]

        def predict_proba(self, X: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
            return X

        def predict(self, X: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
            return (X >= 0.5).astype(np.int64)

        def __sklearn_is_fitted__(self) -> bool:
            return True

    return Answered()


_TABLE = {
    "average_precision": Objective(
        "val_average_precision", "max", tie_breaker=_CROSS_ENTROPY, standard_error=binomial_error
    ),
    "macro_f1": Objective("val_macro_f1", "max", tie_breaker=_CROSS_ENTROPY, standard_error=binomial_error),
    # Not `val_loss`: label smoothing and L2 are genes, and would change what is compared.
    "loss": Objective(_CROSS_ENTROPY, "min"),
}
OBJECTIVES = Objectives(_TABLE, tie_breaker=_CROSS_ENTROPY, answered=answered)
"""The first is the default."""

COMPARED_SCORES = (
    ("validation", "binary_cross_entropy"),
    ("validation", "average_precision"),
    ("test", "average_precision"),
)
"""What tells an ensemble from a single model; see `TaskKind.compared_scores`."""
