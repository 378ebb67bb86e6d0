"""Asking a search at work to end, from another terminal."""

import threading
import time
from pathlib import Path

import pytest

from kevo.errors import RunError
from kevo.runs import stop_request
from kevo.runs.folder import Run
from kevo.system import interrupts
from kevo.system.interrupts import Interrupt, Interrupts


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {})


def test_a_request_is_a_first_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_LOOK_SECONDS", 0.0)
    with run.locked(), Interrupts(lambda: stop_request.take(run)) as one:
        one.check()
        assert not stop_request.send(run, wait=0.0)
        with pytest.raises(Interrupt):
            one.check()
        one.check()
        # One for an earlier session.
        assert not stop_request.send(run, wait=0.0)
        assert stop_request.take(run) and not stop_request.take(run)
        one.check()


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
    assert stop_request.send(run, wait=20.0)
    assert seen == ["asked", "done"] and not (run.path / ".stop").exists()
    thread.join()


def test_where_nobody_searches_there_is_nothing_to_stop(run: Run) -> None:
    with pytest.raises(RunError, match="No search is at work"):
        stop_request.send(run, wait=0.0)
    assert not (run.path / ".stop").exists()
