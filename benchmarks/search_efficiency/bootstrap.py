"""Means of regrets over seeds, and bootstrap intervals.

Intervals are percentile intervals of the bootstrap over seeds: Efron and Tibshirani 1993, An Introduction to the
Bootstrap, chapter 13, doi:10.1201/9780429246593.
"""

from collections.abc import Sequence

import numpy as np

from benchmarks.search_efficiency.landscapes import Floats
from benchmarks.search_efficiency.measurements import Measurement

_NUM_RESAMPLES = 2000


def regrets(rows: Sequence[Measurement], epochs: int) -> Floats:
    """Returns the regret of each search after a number of epochs."""
    return np.array([row.regret(epochs) for row in rows])


def resampled_means(values: Floats, *, seed: int = 0) -> Floats:
    """Returns the means of bootstrap resamples of `values` over its first axis, a resample in each row."""
    num = len(values)
    counts = np.random.default_rng(seed).multinomial(num, np.full(num, 1 / num), size=_NUM_RESAMPLES)
    means: Floats = counts @ values / num
    return means


def interval(means: Floats) -> tuple[Floats, Floats]:
    """Returns the bounds of the 95 % percentile interval of resampled means."""
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def difference(first: Floats, second: Floats, *, is_paired: bool) -> tuple[float, float, float]:
    """Returns the mean of `first` minus that of `second`, and the bounds of its 95 % interval.

    Args:
        first: One value for each seed.
        second: One value for each seed; if paired, of the same seeds in the same order.
        is_paired: Whether to compare seed by seed.
    """
    if is_paired:
        means = resampled_means(first - second)
    else:
        means = resampled_means(first, seed=0) - resampled_means(second, seed=1)
    low, high = interval(means)
    return float(first.mean() - second.mean()), float(low), float(high)
