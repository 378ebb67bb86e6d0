"""A search that failed is told from one that was interrupted."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from kevo.cli import main
from kevo.errors import RunError, SearchFailedError, SearchInterruptedError
from kevo.report import page
from kevo.runs import failure, listing, reader, status
from kevo.runs.folder import Run
from tests.support.searches import SETTINGS


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"search": SETTINGS.to_json()})


def fail(run: Run, error: BaseException) -> None:
    with pytest.raises(type(error)), failure.written(run):
        raise error


def test_a_failure_is_told_until_the_next_session_begins(run: Run) -> None:
    fail(run, SearchFailedError("No candidate could be trained."))
    assert (status.read(run.path).state, status.read(run.path).failure) == ("failed", "No candidate could be trained.")
    assert reader.read(run.path).state == "failed" == listing.read(run.path.parent)[0].state
    assert "failed" in page._STATES
    told = CliRunner().invoke(main, ["status", str(run.path)]).stdout
    assert "failed      No candidate could be trained." in told and "kevo resume" in told
    with failure.written(run):
        assert status.read(run.path).state == "interrupted" and failure.read(run) is None
    assert failure.read(run) is None


def test_an_error_of_our_own_is_a_failure_too(run: Run) -> None:
    fail(run, ZeroDivisionError("division by zero"))
    found = failure.read(run)
    assert found is not None and (found.kind, found.words) == (
        "ZeroDivisionError",
        "ZeroDivisionError: division by zero",
    )


@pytest.mark.parametrize("error", [SearchInterruptedError("by hand"), KeyboardInterrupt()])
def test_a_stop_is_none(run: Run, error: BaseException) -> None:
    fail(run, error)
    assert status.read(run.path).state == "interrupted"


@pytest.mark.parametrize("content", ["", "[]", '{"kind": 1}', '{"kind": "", "words": "", "at": "x"}'])
def test_a_damaged_file_still_says_that_it_failed(run: Run, content: str) -> None:
    (run.path / "failure.json").write_text(content)
    assert status.read(run.path).failure == "The reason cannot be read."


def test_a_folder_that_cannot_be_written_hides_no_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Run, name: str, value: object) -> None:
        raise RunError("full")

    monkeypatch.setattr(Run, "write_json", refuse)
    fail(run, SearchFailedError("as it was"))
