import time

from benchmarks.speed.clock import Clock


def test_a_paused_clock_does_not_count() -> None:
    clock = Clock()
    with clock.paused():
        time.sleep(0.05)
    before = clock.seconds
    assert 0 <= before <= time.monotonic() - clock.started - 0.05
