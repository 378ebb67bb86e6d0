"""After how many steps a series repeats."""

import numpy as np
import pytest

from kevo.tasks.series.seasons import find
from tests.support.series import values


@pytest.mark.parametrize("candidates", [[4], []])
def test_a_season_under_a_trend(candidates: list[int]) -> None:
    assert find(values(), candidates) == 4


@pytest.mark.parametrize("candidates", [[12], [7, 168], []])
def test_chance_and_a_trend_are_no_season(candidates: list[int]) -> None:
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(size=150)
        assert find(noise.cumsum(), candidates) == 1
        assert find(noise + np.arange(150), candidates) == 1


def test_the_plainest_series() -> None:
    assert find(np.ones(50), [7]) == find(np.array([1.0, 2.0]), []) == 1
    assert find(np.tile([1.0, 2.0, 9.0], 3), [7]) == 1
