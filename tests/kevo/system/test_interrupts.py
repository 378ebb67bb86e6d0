"""Ctrl-C, taken at a safe moment."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from kevo.system import interrupts
from kevo.system.interrupts import Interrupt, Interrupts, Terminations, redelivering


@pytest.fixture(autouse=True)
def plain_handlers() -> Iterator[None]:
    """The handlers of a new process: other libraries that were loaded before set some of their own."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_is_a_first_ctrl_c_and_never_a_second(number: int) -> None:
    with Terminations(), Interrupts() as one:
        for _ in range(2):
            os.kill(os.getpid(), number)
        with pytest.raises(Interrupt):
            one.check()
        os.kill(os.getpid(), number)
        one.check()
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_request_to_end_is_heard_before_and_ignored_after_the_training() -> None:
    with Terminations() as outer, Terminations() as inner:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert inner is not outer
    with Terminations() as one:
        one.ignore()
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("own", [signal.SIG_IGN, lambda number, frame: None])
def test_a_signal_that_is_ignored_or_handled_stays_so(own: Any) -> None:
    before = signal.signal(signal.SIGHUP, own)
    try:
        with Terminations():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is own
    finally:
        signal.signal(signal.SIGHUP, before)


def test_nothing_is_written_to_a_terminal_that_is_gone() -> None:
    script = """
        import os, signal, sys
        from kevo.system.interrupts import Terminations
        copy = os.dup(2)
        with Terminations():
            try:
                print("ready", flush=True)
                while True:
                    signal.pause()
            except KeyboardInterrupt:
                os.write(2, b"words")
                os.write(copy, b"words")
        os._exit(3)
    """
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        assert os.read(ours, 100).startswith(b"ready")
        # A terminal that is closed.
        process.send_signal(signal.SIGHUP)
        os.close(ours)
        assert process.wait() == 3


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
