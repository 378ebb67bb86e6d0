"""The weights that the linear part of a network begins with: those of a ridge regression on what the network sees.

Hoerl and Kennard 1970, "Ridge regression", doi:10.1080/00401706.1970.10488634.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def ridge(
    inputs: npt.NDArray[np.floating], targets: npt.NDArray[np.floating], *, penalty: float
) -> npt.NDArray[np.float32]:
    """Returns the weights of a ridge regression, and below them its constants, shape (num_inputs + 1, num_outputs).

    Args:
        inputs: Shape (n, num_inputs).
        targets: Shape (n, num_outputs).
        penalty: How much the squares of the weights count beside the squared errors; above 0.

    Example:
        >>> ridge(np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [3.0], [5.0]]), penalty=1e-9).round(3).tolist()
        [[2.0], [1.0]]
    """
    x, y = inputs.astype(np.float64), targets.astype(np.float64)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    centered = x - x_mean
    products = centered.T @ centered + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(products, centered.T @ (y - y_mean))
    return np.vstack([weights, y_mean - x_mean @ weights]).astype(np.float32)
