import math

import pytest

from tests.benchmarks.speed.samples import measurement, trial


def test_candidates_are_counted_by_hand() -> None:
    one = measurement(
        trials=(
            trial(10.0, 10.0, part="a"),
            trial(12.0, 2.0, part="a", memory=110.0),
            trial(40.0, 20.0, part="b", memory=120.0),
            trial(44.0, 4.0, part="a", memory=130.0),
            trial(80.0, 30.0, kind="conv", part="", accuracy=0.9, memory=140.0),
            trial(90.0, 5.0, accuracy=None, memory=150.0),
            trial(200.0, 50.0, accuracy=0.95, is_closing=True, memory=160.0),
        )
    )
    assert one.num_failed == 1
    assert one.search_seconds == 90
    assert one.per_hour == pytest.approx(5 * 3600 / 90)
    # Two of the frozen ones come after the first of their part.
    assert one.later_frozen_seconds == 3.0
    assert one.frozen_per_hour == pytest.approx(4 * 3600 / 36)
    assert one.median_seconds == 10.0
    assert one.best_validation == 0.95
    assert one.memory_slope == pytest.approx(10.0)


def test_choices_over_time() -> None:
    one = measurement()
    assert math.isnan(one.test_at(9))
    assert [one.test_at(seconds) for seconds in (10, 199, 200, 300)] == [0.7, 0.7, 0.95, 0.95]
    assert math.isnan(one.test_at(301))
    assert [one.seconds_to(accuracy) for accuracy in (0.7, 0.71, 0.96)] == [10.0, 200.0, math.inf]
