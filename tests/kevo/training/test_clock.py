"""The time of one candidate."""

import pytest

from kevo.training import clock
from kevo.training.effort import OutOfTimeError


class Time:
    """A clock that stands still until it is set."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(clock, "time", time)
    return time


def test_time_is_up_when_more_than_the_limit_has_passed(time: Time) -> None:
    one = clock.Clock(10.0)
    time.now += 10.0
    assert one.seconds == 10.0 and not one.is_up
    assert one.is_up_in(0.5) and not one.is_up_in(0.0)
    time.now -= 5.0
    assert one.is_up_in(2.5, share=0.7) and not one.is_up_in(1.5, share=0.7)
    time.now += 5.0
    one.check("nothing takes")
    time.now += 0.5
    assert one.is_up
    with pytest.raises(OutOfTimeError, match="the download takes more than its 10 seconds"):
        one.check("the download takes")


def test_without_a_limit_time_is_never_up(time: Time) -> None:
    one = clock.Clock(None)
    time.now += 1e9
    assert not one.is_up and not one.is_up_in(1e9)
    one.check("nothing takes")
