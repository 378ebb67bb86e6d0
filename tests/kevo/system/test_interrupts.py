"""Ctrl-C, taken at a safe moment."""

import gc
import os
import signal
import time
import weakref

import pytest

from kevo.system import interrupts
from kevo.system.interrupts import Interrupt, Interrupts, redelivering


def test_the_first_is_raised_at_the_check_and_once() -> None:
    with Interrupts() as one:
        one.check()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupt):
            one.check()
        one.check()


def test_the_second_is_pythons_own() -> None:
    with Interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


class Thing:
    pass


@pytest.mark.filterwarnings("error")
def test_one_that_python_loses_comes_again() -> None:
    thing = Thing()
    _reference = weakref.ref(thing, lambda dead: os.kill(os.getpid(), signal.SIGINT))
    until = time.monotonic() + 20
    with pytest.raises(KeyboardInterrupt), redelivering():
        # Python may take it here, or lose it in the callback.
        del thing
        gc.collect()
        while time.monotonic() < until:
            time.sleep(0.01)
    assert time.monotonic() < until


def test_a_request_is_a_first_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_LOOK_SECONDS", 0.0)
    requests = [False, True, False, False]
    with Interrupts(lambda: requests.pop(0)) as one:
        one.check()
        with pytest.raises(Interrupt):
            one.check()
        one.check()
    assert requests == [False]


def test_requests_are_looked_for_now_and_then_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_LOOK_SECONDS", 1000.0)
    requests = [False, True]
    one = Interrupts(lambda: requests.pop(0))
    one.check()
    one.check()
    assert requests == [True]
