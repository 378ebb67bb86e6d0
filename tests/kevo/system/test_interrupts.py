"""Ctrl-C, taken at a safe moment."""

import gc
import os
import signal
import threading
import time
import weakref
from pathlib import Path

import pytest

from kevo.errors import RunError
from kevo.runs.folder import Run
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


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {})


def test_a_request_is_a_first_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_LOOK_SECONDS", 0.0)
    with run.locked(), Interrupts(run) as one:
        one.check()
        assert not interrupts.stop(run, wait=0.0)
        with pytest.raises(Interrupt):
            one.check()
        one.check()
        # One for an earlier session.
        assert not interrupts.stop(run, wait=0.0)
        assert one.clear() and not one.clear()
        one.check()


def test_requests_are_looked_for_now_and_then_only(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_LOOK_SECONDS", 1000.0)
    one = Interrupts(run)
    with run.locked():
        one.check()
        interrupts.stop(run, wait=0.0)
        one.check()
    assert one.clear()


def test_who_asks_waits_until_the_search_has_ended(run: Run) -> None:
    is_at_work, seen = threading.Event(), []

    def search() -> None:
        with run.locked():
            is_at_work.set()
            while not (run.path / ".stop").exists():
                time.sleep(0.01)
            seen.append("asked")
            time.sleep(0.3)
            seen.append("done")

    thread = threading.Thread(target=search)
    thread.start()
    is_at_work.wait(20)
    assert interrupts.stop(run, wait=20.0)
    assert seen == ["asked", "done"] and not (run.path / ".stop").exists()
    thread.join()


def test_where_nobody_searches_there_is_nothing_to_stop(run: Run) -> None:
    with pytest.raises(RunError, match="No search is at work"):
        interrupts.stop(run, wait=0.0)
    assert not (run.path / ".stop").exists()
