"""Principal components of which tokens texts have: features that need no training.

Deerwester et al. 1990, "Indexing by latent semantic analysis"; found by random projections (Halko et al. 2011, "Finding
structure with randomness", arXiv:0909.4061).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Components(NamedTuple):
    """Components of the training texts.

    Args:
        vectors: How much each token counts for each component, shape (num_tokens, num).
        mean: The mean of each component over the training texts.
        variance: The variance of each; 1 for components beyond those that there are.
    """

    vectors: npt.NDArray[np.float32]
    mean: tuple[float, ...]
    variance: tuple[float, ...]


def find(numbers: npt.NDArray[np.int32], weights: npt.NDArray[np.float32], *, num: int) -> Components:
    """Finds the first principal components of texts.

    Args:
        numbers: The tokens of the training texts, shape (n, length).
        weights: How much each token counts, shape (num_tokens,). The squares of a text's weights are made to sum to 1.
        num: Number of components. Where there are fewer, the others are 0.
    """
    from scipy.sparse import csr_array
    from sklearn.utils.extmath import randomized_svd

    num_texts, length = numbers.shape
    found = weights[numbers]
    found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    rows = np.repeat(np.arange(num_texts), length)
    matrix = csr_array((found.reshape(-1), (rows, numbers.reshape(-1))), shape=(num_texts, len(weights)))
    matrix.eliminate_zeros()
    vectors = np.zeros((len(weights), num), np.float32)
    if most := min(num, *matrix.shape):
        vectors[:, :most] = randomized_svd(matrix, most, random_state=0)[2].T
    features = matrix @ vectors
    variance = features.var(axis=0)
    is_empty = variance < np.finfo(np.float32).eps
    vectors[:, is_empty] = 0.0
    mean = np.where(is_empty, 0.0, features.mean(axis=0))
    return Components(vectors, tuple(mean.tolist()), tuple(np.where(is_empty, 1.0, variance).tolist()))
