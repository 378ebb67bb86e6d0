"""The objectives of a search for forecasts, by name."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kevo.objective import Objective
from kevo.scorers import Objectives
from kevo.tasks.outputs.numbers.objectives import mae_error, r2_error

_MSE = "val_mse"
"""It sees large errors better than the others, and decides where they are as good as equal."""


def answered(forecasts: npt.NDArray[np.floating]) -> object:
    """Returns a fitted regressor whose features are these forecasts; see `scorers.Answered`."""
    from sklearn.base import BaseEstimator, RegressorMixin

    class Answered(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed.
        """Answers with its features."""

        def predict(self, X: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
            return X

        def __sklearn_is_fitted__(self) -> bool:
            return True

    return Answered()


_TABLE = {
    "mase": Objective("val_mase", "min", tie_breaker=_MSE, standard_error=mae_error),
    "mae": Objective("val_mae", "min", tie_breaker=_MSE, standard_error=mae_error),
    "rmse": Objective("val_rmse", "min"),
    "r2": Objective("val_r2", "max", tie_breaker=_MSE, standard_error=r2_error),
}
OBJECTIVES = Objectives(_TABLE, tie_breaker=_MSE, answered=answered)
"""The first is the default."""

COMPARED_SCORES = (("validation", "rmse"), ("validation", "mase"), ("test", "mase"))
"""What tells an ensemble from a single model; see `TaskKind.compared_scores`."""
