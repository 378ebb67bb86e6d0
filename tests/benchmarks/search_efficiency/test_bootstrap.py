import numpy as np
import pytest

from benchmarks.search_efficiency.bootstrap import difference, interval, resampled_means


def test_intervals() -> None:
    values = np.random.default_rng(0).normal(5, 2, size=400)
    low, high = interval(resampled_means(values))
    # The standard error is 0.1; its interval is 1.96 of them to either side.
    assert low == pytest.approx(values.mean() - 0.196, abs=0.03)
    assert high == pytest.approx(values.mean() + 0.196, abs=0.03)
    curves = resampled_means(np.stack([values, values + 1], axis=1))
    np.testing.assert_allclose(curves[:, 1] - curves[:, 0], 1)


def test_differences() -> None:
    rng = np.random.default_rng(0)
    hardness = rng.normal(0, 10, size=50)
    first, second = hardness + rng.normal(0, 1, size=50), hardness + rng.normal(1, 1, size=50)
    mean, low, high = difference(first, second, is_paired=True)
    assert low < mean < high < 0
    # Without pairs the landscapes' hardness hides it.
    mean, low, high = difference(first, second, is_paired=False)
    assert low < 0 < high
    assert difference(first, first[:3] - 100, is_paired=False)[1] > 0
