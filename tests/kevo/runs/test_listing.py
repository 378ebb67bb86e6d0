import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kevo.cli import main
from kevo.runs.folder import Run
from tests.support.searches import SETTINGS, record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, started, accuracy in (("old", "2026-01-01T10:00:00+00:00", 0.5), ("new", "2026-02-01T11:30:00", 0.75)):
        run = Run.create(tmp_path / name, {"search": SETTINGS.to_json(), "started": started, "data": f"/data/{name}"})
        run.append_trial(record("0", accuracy, finished_at=75.0))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "settings.json").write_text("{")
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "old")
    return tmp_path


def test_a_line_for_each_run_the_newest_first(folder: Path) -> None:
    done = CliRunner().invoke(main, ["runs", str(folder)])
    assert done.exit_code == 0
    headline, *rows = (line.split("  ") for line in done.stdout.splitlines())
    assert headline[0].strip() == "run"
    assert [[cell.strip() for cell in row if cell] for row in rows] == [
        ["new", "interrupted", "2026-02-01 11:30", "1 min 15 s", "new", "1", "accuracy", "0.7500"],
        ["old", "interrupted", "2026-01-01 10:00", "1 min 15 s", "old", "1", "accuracy", "0.5000"],
        ["broken", "damaged"],
    ]


def test_json_has_a_line_for_each_and_says_what_is_damaged(folder: Path) -> None:
    done = CliRunner().invoke(main, ["runs", str(folder), "--json"])
    newest, _, broken = map(json.loads, done.stdout.splitlines())
    assert newest["run_folder"] == str(folder / "new") and newest["best"] == 0.75 and newest["test"] is None
    assert broken["state"] == "damaged" and "settings.json is damaged" in broken["reason"]


def test_a_run_folder_may_be_named_itself(folder: Path) -> None:
    done = CliRunner().invoke(main, ["runs", str(folder / "old")])
    assert len(done.stdout.splitlines()) == 2


def test_no_folder_is_said_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["runs", str(tmp_path / "nowhere")])
    assert done.exit_code == 2 and done.stderr.startswith(f"Error: There is no folder {tmp_path / 'nowhere'}.")
