import math

from benchmarks.speed.tables import median_of
from tests.benchmarks.speed.samples import measurement


def test_median_needs_every_seed() -> None:
    rows = [measurement(peak=peak) for peak in (1.0, 5.0, 3.0)]
    assert median_of(rows, lambda one: one.peak) == 3.0
    assert math.isnan(median_of([*rows, measurement(peak=math.nan)], lambda one: one.peak))
