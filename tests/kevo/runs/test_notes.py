"""What a search has told its user stays in its run folder."""

from pathlib import Path

import pytest

from kevo.runs import notes, status
from kevo.runs.folder import Run
from tests.support.searches import SETTINGS


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"search": SETTINGS.to_json()})


def test_the_last_notes_are_read(run: Run) -> None:
    assert notes.read(run) == status.read(run.path).notes == ()
    for number in range(150):
        notes.append(run, f"note {number}")
    assert status.read(run.path).notes == tuple(f"note {number}" for number in range(50, 150))


def test_a_long_file_is_read_from_its_end_only(run: Run) -> None:
    for letter in "ab":
        notes.append(run, letter * 40_000)
    notes.append(run, "the last")
    assert notes.read(run) == ("b" * 40_000, "the last")


def test_lines_that_are_damaged_are_left_out(run: Run) -> None:
    notes.append(run, "first")
    with (run.path / "notes.jsonl").open("a") as file:
        file.write('[]\nno json\n{"text": "second"}\n{"text": "half a li')
    assert notes.read(run) == ("first", "second")


def test_a_link_is_not_followed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"text": "secret"}\n')
    (run.path / "notes.jsonl").symlink_to(tmp_path / "elsewhere")
    notes.append(run, "not there")
    assert notes.read(run) == () and (tmp_path / "elsewhere").read_text() == '{"text": "secret"}\n'
