"""The folder of one search: made, opened, locked and written to."""

import json
import math
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kevo.errors import RunError
from kevo.runs import folder, trial_reader
from kevo.runs.folder import Run
from tests.support.records import FAILED, RECORD


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"seed": 0})


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process, which says "ready" and waits on its stdin."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(folder.__file__).parents[2],
    )


@pytest.mark.parametrize("name", ["checkpoints", "plots", "search", "search/trial_0/trial.json.tmp"])
def test_open_refuses_links(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "mine").mkdir()
    (run.path / name).parent.mkdir(parents=True, exist_ok=True)
    (run.path / name).symlink_to(tmp_path / "mine")
    with pytest.raises(RunError, match=f"{name} is a link"):
        Run.open(run.path)


def test_open_refuses_a_name_that_is_too_long() -> None:
    with pytest.raises(RunError, match="is no run folder"):
        Run.open("x" * 5000)


def test_folders_of_one_name_do_not_collide(tmp_path: Path) -> None:
    folders = [folder.new_folder(tmp_path / "runs", "digits") for _ in range(3)]
    assert [path.name for path in folders] == ["digits", "digits-2", "digits-3"]
    assert all(path.is_dir() for path in folders)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Cannot write"):
        folder.new_folder(tmp_path / "file", "digits")


def test_a_full_disk_is_named_whatever_was_written(run: Run) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with (
            pytest.raises(RunError, match=r"Cannot write .*best\.keras.*Make room"),
            run.replacing("best.keras") as path,
        ):
            path.write_bytes(bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in run.path.iterdir() if path.name != ".lock"] == ["settings.json"]


def test_settings_come_back(tmp_path: Path) -> None:
    settings = {"seed": 3, "space": {"families": ["conv"]}, "max_time": None}
    Run.create(tmp_path / "a" / "b", settings)
    assert Run.open(tmp_path / "a" / "b").settings == settings


def test_an_empty_folder_may_become_a_run(tmp_path: Path) -> None:
    assert Run.create(tmp_path, {}).path == tmp_path


def test_a_search_that_was_killed_while_it_began_leaves_the_folder_free(tmp_path: Path) -> None:
    (tmp_path / ".partial-0123456789abcdef.json").write_text("{")
    (tmp_path / ".lock").touch()
    assert Run.create(tmp_path, {"seed": 1}).settings == {"seed": 1}


def test_create_refuses_a_run(run: Run) -> None:
    with pytest.raises(RunError, match=r"already holds a run.*kevo resume"):
        Run.create(run.path, {"seed": 1})
    assert Run.open(run.path).settings == {"seed": 0}


def test_create_leaves_a_folder_in_use_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"picture")
    with pytest.raises(RunError, match="not empty"):
        Run.create(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_create_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Cannot write"):
        Run.create(tmp_path / "file", {})


def test_open_refuses_what_is_no_run(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RunError, match="no run folder"):
            Run.open(path)


@pytest.mark.parametrize("content", [b"", b'{"seed": ', b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_open_refuses_damaged_settings(run: Run, content: bytes) -> None:
    (run.path / "settings.json").write_bytes(content)
    with pytest.raises(RunError, match=r"settings\.json is damaged"):
        Run.open(run.path)


def test_nan_is_written_as_null(run: Run) -> None:
    run.append_trial(replace(FAILED, metrics={"loss": math.nan}, history=[{"loss": math.inf}], stages=["head"]))
    run.write_json("numbers.json", {"a": [math.nan, (1.5, -math.inf)]})
    assert run.read_json("numbers.json") == {"a": [None, [1.5, None]]}
    text = (run.path / "trials.jsonl").read_text()
    assert json.loads(text)["history"] == [{"loss": None}]
    assert "NaN" not in text and "Infinity" not in text
    (record,) = trial_reader.read_trials(run)
    assert math.isnan(record.metrics["loss"]) and math.isnan(record.history[0]["loss"])


def test_labels_keep_their_order(run: Run) -> None:
    run.write_labels(["zebra", "ape", "Käfer"])
    assert json.loads((run.path / "labels.json").read_text()) == ["zebra", "ape", "Käfer"]


def test_read_json_names_a_missing_file(run: Run) -> None:
    with pytest.raises(RunError, match=r"Cannot read .*result\.json"):
        run.read_json("result.json")


def test_files_have_ordinary_permissions(run: Run) -> None:
    (run.path / "ordinary").touch()
    ordinary = (run.path / "ordinary").stat().st_mode
    assert (run.path / "settings.json").stat().st_mode == ordinary


def test_links_are_replaced_and_not_written_through(run: Run, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    for name in ("labels.json", "trials.jsonl"):
        (run.path / name).symlink_to(outside)
    run.write_labels(["a", "b"])
    with pytest.raises(RunError, match="Cannot write"):
        run.append_trial(RECORD)
    assert outside.read_text() == "mine"
    assert not (run.path / "labels.json").is_symlink()


def test_one_search_in_a_folder(run: Run) -> None:
    with (
        run.locked(),
        pytest.raises(RunError, match=r"Another search is at work in .*run"),
        Run.open(run.path).locked(),
    ):
        pass
    with run.locked():
        pass


def test_looking_keeps_nobody_out(run: Run) -> None:
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            assert run.is_busy in (True, False)
            time.sleep(0.001)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(30):
            with run.locked():
                pass
    finally:
        is_over.set()
        thread.join()
    with run.locked(), pytest.raises(RunError, match="Another search is at work"), run.locked():
        pass


def test_folders_that_are_half_written_are_removed(run: Run) -> None:
    (run.path / ".partial-x").mkdir()
    (run.path / ".partial-x" / ".partial-y").touch()
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints" / ".partial-z").mkdir()
    with run.locked():
        assert sorted(path.name for path in run.path.rglob("*")) == [".lock", "checkpoints", "settings.json"]


def test_a_killed_search_leaves_the_folder_free(run: Run) -> None:
    code = """
import sys
from kevo.runs.folder import Run
run = Run.open(sys.argv[1])
with run.locked(), run.replacing("best.keras") as path:
    path.write_bytes(b"half")
    print("ready", flush=True)
    sys.stdin.read()
"""
    with python(code, run.path) as other:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        with pytest.raises(RunError, match="Another search"), run.locked():
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert list(run.path.glob(".partial-*.keras"))
    with run.locked():
        assert sorted(os.listdir(run.path)) == [".lock", "settings.json"]


def test_a_trial_outlives_its_process(run: Run) -> None:
    code = """
import sys
from kevo.runs.records import TrialRecord
from kevo.runs.folder import Run
import json
run = Run.open(sys.argv[1])
run.append_trial(TrialRecord.from_json(json.loads(sys.argv[2])))
print("ready", flush=True)
sys.stdin.read()
"""
    with python(code, run.path, json.dumps(RECORD.to_json())) as other:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert trial_reader.read_trials(run) == [RECORD]


def test_two_searches_begin_in_one_folder(tmp_path: Path) -> None:
    code = """
import sys
from kevo.errors import RunError
from kevo.runs.folder import Run
print("ready", flush=True)
sys.stdin.readline()
try:
    Run.create(sys.argv[1], {"by": sys.argv[2]})
except RunError:
    print("refused", flush=True)
else:
    print("created", flush=True)
"""
    others = [python(code, tmp_path / "run", number) for number in range(4)]
    for other in others:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
    for other in others:
        assert other.stdin is not None
        other.stdin.write("go\n")
        other.stdin.flush()
    answers = [other.communicate()[0].strip() for other in others]
    assert sorted(answers) == ["created", "refused", "refused", "refused"]
    assert Run.open(tmp_path / "run").settings == {"by": str(answers.index("created"))}


def test_lines_are_set_aside_and_the_others_stay(run: Run) -> None:
    assert run.trial_lines() == []
    (run.path / "trials.jsonl").write_bytes(b"one\ntwo\nthree\nhalf a li")
    assert run.trial_lines() == [b"one", b"two", b"three"]
    assert run.set_lines_aside([1, 3]) == Path("damaged/trials.jsonl")
    assert run.trial_lines() == [b"two"]
    assert (run.path / "damaged/trials.jsonl").read_bytes() == b"one\nthree\n"
    assert run.set_lines_aside([1]) == Path("damaged/trials-2.jsonl") and run.trial_lines() == []


def test_what_cannot_be_used_is_set_aside(run: Run) -> None:
    run.write_json("checkpoints/1.keras", "no model")
    words = run.set_aside("checkpoints/1.keras", "It is damaged. Restore it, or start a new search.")
    assert words == "It is damaged. It is set aside as damaged/checkpoints/1.keras, and the search goes on without it."
    assert not (run.path / "checkpoints/1.keras").exists()
    assert run.read_json("damaged/checkpoints/1.keras") == "no model"


def test_it_says_how_much_it_holds(run: Run) -> None:
    before = run.num_bytes()
    with run.replacing("checkpoints/1.keras") as path:
        path.write_bytes(bytes(1000))
    assert (run.num_bytes("checkpoints"), run.num_bytes()) == (1000, before + 1000)
    assert run.num_bytes("plots") == 0
