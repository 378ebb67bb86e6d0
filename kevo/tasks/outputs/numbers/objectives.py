"""The objectives of a search for numbers, by name."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kevo.objective import Objective
from kevo.scorers import Objectives

_MSE = "val_mse"
"""It sees more of each example than the others, and decides where they are as good as equal."""


def r2_error(r2: float, num_examples: int) -> float:
    """Returns the standard error of a coefficient of determination.

    For large samples it is about 2 (1 - R2) sqrt(R2 / n) (Olkin and Finn 1995, "Correlations redux",
    doi:10.1037/0033-2909.118.1.155).

    Args:
        r2: The coefficient; one below 0 counts as 0.
        num_examples: The number of examples that it is computed on.

    Example:
        >>> round(r2_error(0.81, 100), 4)
        0.0342
    """
    share = min(max(r2, 0.0), 1.0)
    return 2 * (1 - share) * math.sqrt(share / num_examples)


def mae_error(mae: float, num_examples: int) -> float:
    """Returns the standard error of a mean absolute error, as it is for errors that are normally distributed.

    Args:
        mae: The mean absolute error.
        num_examples: The number of examples that it is computed on.

    Example:
        >>> round(mae_error(2.0, 100), 4)
        0.1511
    """
    return mae * math.sqrt((math.pi / 2 - 1) / num_examples)


def answered(numbers: npt.NDArray[np.floating]) -> object:
    """Returns a fitted regressor whose features are these numbers; see `scorers.Answered`."""
    from sklearn.base import BaseEstimator, RegressorMixin

    class Answered(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed.
        """Answers with its features."""

        def predict(self, X: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
            return X[:, 0]

        def __sklearn_is_fitted__(self) -> bool:
            return True

    return Answered()


_TABLE = {
    "r2": Objective("val_r2", "max", tie_breaker=_MSE, standard_error=r2_error),
    "mae": Objective("val_mae", "min", tie_breaker=_MSE, standard_error=mae_error),
    "rmse": Objective("val_rmse", "min"),
}
OBJECTIVES = Objectives(_TABLE, tie_breaker=_MSE, answered=answered)
"""The first is the default."""

COMPARED_SCORES = (("validation", "rmse"), ("validation", "r2"), ("test", "r2"))
"""What tells an ensemble from a single model; see `TaskKind.compared_scores`."""
