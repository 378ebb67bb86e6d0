"""The run that tries broken input: what it counts as a fault, and a few of its inputs."""

import time
from pathlib import Path

import pytest
from hypothesis import strategies as st

from benchmarks.fuzz import __main__ as fuzz
from benchmarks.fuzz import targets
from benchmarks.fuzz.targets import Target
from kevo.errors import DataError


def tried(function: object, *, share: int = 30) -> fuzz.Tally:
    target = Target("numbers", st.integers(0, 100), function, share)  # type: ignore[arg-type]
    return fuzz.run([target], seed=0, until=0.0)["numbers"]


def test_a_fault_is_counted_and_shown_at_its_smallest(capsys: pytest.CaptureFixture[str]) -> None:
    def odd(number: int) -> None:
        if number > 10:
            raise ZeroDivisionError

    assert tried(odd).faults == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said and "value=11" in said


def test_an_error_in_words_is_none() -> None:
    def refuse(number: int) -> None:
        raise DataError(f"Received {number}. Expected less.")

    tally = tried(lambda number: targets.refused(lambda: refuse(number)))
    assert tally.faults == 0 and tally.tried == tally.refused == 30


@pytest.mark.parametrize("words", ["", "two\nlines"])
def test_an_error_without_words_is_a_fault(words: str) -> None:
    def refuse(number: int) -> None:
        raise DataError(words)

    assert tried(lambda number: targets.refused(lambda: refuse(number))).faults == 1


def compute(seconds: float) -> None:
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


@pytest.mark.parametrize(
    ("name", "act"), [("_SECONDS", lambda number: compute(60)), ("_MOST_SECONDS", lambda number: time.sleep(60))]
)
def test_what_takes_too_long_is_a_fault(name: str, act: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, name, 0.05)
    assert tried(act, share=1).faults == 1


def test_waiting_for_the_machine_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "_SECONDS", 0.5)
    assert tried(lambda number: time.sleep(0.8), share=1).faults == 0


def faults(found: list[Target], *, share: int) -> dict[str, int]:
    few = [Target(target.name, target.inputs, target.tries, share) for target in found]
    tallies = fuzz.run(few, seed=1, until=0.0)
    assert all(tally.tried for tally in tallies.values())
    return {name: tally.faults for name, tally in tallies.items() if tally.faults}


def test_a_few_sources(tmp_path: Path) -> None:
    assert faults(targets.sources(tmp_path), share=8) == {}


@pytest.mark.long
def test_a_few_damaged_run_folders(tmp_path: Path) -> None:
    assert faults(targets.runs(tmp_path), share=4) == {}


def test_the_page_has_a_row_for_each_target() -> None:
    page = fuzz.report({"numbers": fuzz.Tally(1000, 300, 2, 0.25)}, minutes=10, first_seed=3)
    assert page.splitlines()[-1] == "| numbers | 1,000 | 700 | 300 | 2 | 0.2 |"
    assert "10 minutes, from seed 3 on" in page
    assert Path(fuzz.REPORT).parent.name == "benchmarks"
