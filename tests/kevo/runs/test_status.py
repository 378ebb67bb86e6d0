"""How a search is doing, as another process sees it."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import kevo
from kevo.cli import main
from kevo.errors import RunError
from kevo.runs import ranking, status
from kevo.runs.folder import Run
from kevo.runs.status import Status, Training
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from tests.support.samples import stripes
from tests.support.searches import SETTINGS, Diary, record

ROOT = Path(__file__).parents[3]
LIMITED = dataclasses.replace(SETTINGS, max_time=600.0)


def run_folder(path: Path, settings: kevo.Settings = LIMITED) -> Run:
    return Run.create(path / "run", {"search": settings.to_json()})


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.long
def test_a_whole_search_as_others_see_it(tmp_path: Path) -> None:
    seen: list[Status] = []

    class Watching(Diary):
        def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
            seen.append(status.read(tmp_path / "run"))

    diary = Watching()
    result = kevo.search(stripes(120), dataclasses.replace(LIMITED, epochs=2), out=tmp_path / "run", listener=diary)
    assert {one.state for one in seen} == {"running"}
    assert {one.worker for found in seen for one in found.trainings} <= {"here"}
    values = json.loads(command("status", result.run_folder, "--json").stdout)
    assert values["state"] == "finished" and values["seconds"] == result.seconds and values["seconds_left"] is None
    assert (values["trials_completed"], values["trials_failed"]) == (result.trials_completed, result.trials_failed)
    best = ranking.winner(diary.records, [OBJECTIVES["accuracy"]], num_judged=result.validation.num_examples)
    assert best is not None and best.genome == result.genome
    assert (values["best"]["number"], values["best"]["score"]) == (best.number, best.fitness)
    files = [path for path in result.run_folder.rglob("*") if path.is_file()]
    assert values["num_bytes"] == sum(path.stat().st_size for path in files)
    in_checkpoints = [path for path in files if path.parent.name == "checkpoints"]
    assert values["num_bytes_of_checkpoints"] == sum(path.stat().st_size for path in in_checkpoints) > 0
    text = command("status", result.run_folder).stdout
    assert text.splitlines()[0] == f"{result.run_folder}: finished"
    assert f"{result.trials_completed} completed, {result.trials_failed} failed, of 3 at most" in text
    # Of a search that is over only the records of the winner and of the last trial are read, where none came since.
    trials, told = result.run_folder / "trials.jsonl", result.run_folder / "result.json"
    over = status.read(result.run_folder)
    lines = trials.read_bytes().splitlines(keepends=True)
    read = [result.trial_id.encode() in line or line is lines[-1] for line in lines]
    others = [line if is_read else b"?" * (len(line) - 1) + b"\n" for line, is_read in zip(lines, read, strict=True)]
    trials.write_bytes(b"".join(others))
    os.utime(trials, ns=(told.stat().st_mtime_ns,) * 2)
    assert b"?" in trials.read_bytes() and status.read(result.run_folder) == over
    os.utime(told, ns=(0, 0))
    with pytest.raises(RunError, match="is damaged"):
        status.read(result.run_folder)
    trials.write_bytes(b"".join(lines))
    assert status.read(result.run_folder) == over
    # An interrupted search may have a result too.
    rewritten = {**json.loads((result.run_folder / "result.json").read_text()), "interrupted": True}
    (result.run_folder / "result.json").write_text(json.dumps(rewritten))
    interrupted = status.read(result.run_folder)
    assert interrupted.state == "interrupted" and interrupted.seconds == diary.records[-1].finished_at
    # The same by all records.
    os.utime(told, ns=(0, 0))
    assert status.read(result.run_folder) == interrupted


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("settings.json", "[]"),
        ("settings.json", '{"search": {"epochs": "\\u001b[2J"}}'),
        ("trials.jsonl", "{}\n"),
        ("trials.jsonl", json.dumps(record("1", 0.5).to_json() | {"genome": {}}) + "\n"),
        ("trials.jsonl", json.dumps(record("1", 0.5).to_json() | {"metrics": {}}) + "\n"),
        ("result.json", "7"),
        ("result.json", '{"interrupted": false, "seconds": Infinity}'),
        ("status.json", "half a li"),
        ("status.json", '{"seconds": 1, "written_at": NaN, "trainings": []}'),
        ("status.json", '{"seconds": 1, "written_at": 1, "trainings": [3]}'),
        ("status.json", '{"seconds": 1, "written_at": 1, "trainings": [{"number": 1e400}]}'),
    ],
)
def test_a_damaged_folder_is_named(tmp_path: Path, name: str, content: str) -> None:
    run = run_folder(tmp_path)
    (run.path / name).write_text(content)
    if name == "status.json":
        with run.locked():
            done = command("status", run.path)
    else:
        done = command("status", run.path)
    assert done.exit_code == 2 and done.stdout == "" and isinstance(done.exception, SystemExit)
    assert name in done.stderr and "damaged" in done.stderr


def test_no_pipe_is_waited_for(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    (run.path / ".lock").unlink()
    os.mkfifo(run.path / ".lock")
    done = command("status", run.path)
    assert done.exit_code == 2 and ".lock is no plain file" in done.stderr
    assert command("status", tmp_path / "nowhere").exit_code == 2


def test_words_of_others_do_not_move_the_cursor(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    evil = {"number": 0, "words": "\x1b[2J", "worker": "\r", "stage": "", "epoch": 0, "num_epochs": 0, "started_at": 0}
    run.write_json("status.json", {"seconds": 9.0, "written_at": 0.0, "trainings": [evil]})
    with run.locked():
        done = command("status", run.path)
    assert done.exit_code == 0 and "?[2J" in done.stdout and not {"\x1b", "\r"} & set(done.stdout)


def test_it_reads_while_files_come_and_go(tmp_path: Path) -> None:
    run, is_over = run_folder(tmp_path), threading.Event()

    def come_and_go() -> None:
        while not is_over.is_set():
            for name in ("work/a/b", "search/trial_1/trial.json", "result.json"):
                run.write_json(name, {"interrupted": True})
            for name in ("work/a/b", "search/trial_1/trial.json", "result.json"):
                (run.path / name).unlink()
            for name in ("work/a", "search/trial_1"):
                (run.path / name).rmdir()

    thread = threading.Thread(target=come_and_go)
    # Whoever comes first removes what was left half-written.
    with run.locked():
        thread.start()
        try:
            assert {status.read(run.path).state for _ in range(200)} == {"running"}
        finally:
            is_over.set()
            thread.join()


def test_what_a_search_at_work_writes_is_read_until_it_ends(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    one = Training(number=3, words="conv stack", worker="here", stage="train", epoch=2, num_epochs=20, started_at=1.0)
    status.write(run, [one], seconds=100.0)
    # What a killed search left behind says nothing.
    assert status.read(run.path).trainings == ()
    with run.locked():
        found = status.read(run.path)
        assert found.trainings == (one,) and found.seconds >= 100 and found.state == "running"
        status.remove(run)
        status.remove(run)
        assert not (run.path / "status.json").exists() and status.read(run.path).trainings == ()


def test_one_reader_reads_on_from_where_it_was(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    reader = status.StatusReader(run.path)
    assert reader.read().best is None
    run.append_trial(record("1", 0.5, is_paused=False))
    first = reader.read()
    trials = run.path / "trials.jsonl"
    # What it has read already may be anything now.
    with trials.open("r+b") as file:
        file.write(b"?")
    run.append_trial(record("2", 0.75, number=1, is_paused=False))
    run.append_trial(record("2-full", 0.7, number=2, is_paused=False, full_length=True))
    second = reader.read()
    assert (first.trials_completed, second.trials_completed) == (1, 2)
    assert first.best is not None and second.best is not None and (first.best.score, second.best.score) == (0.5, 0.75)
    with pytest.raises(RunError, match="Line 1 of "):
        status.read(run.path)


def test_sizes_of_a_search_at_work_are_those_that_it_has_measured(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    measured = status.Sizes.of(run)
    assert measured.whole == sum(path.stat().st_size for path in run.path.rglob("*")) and measured.checkpoints == 0
    status.write(run, [], seconds=1.0, sizes=status.Sizes(7000, 500))
    with run.locked():
        found = status.read(run.path)
    assert (found.num_bytes, found.num_bytes_of_checkpoints) == (7000, 500)


def test_of_the_oracles_trials_it_reads_nothing_and_looks_at_nothing(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    (run.path / "search").mkdir()
    (run.path / "search/trial_0").symlink_to(tmp_path)
    assert status.read(run.path).state == "interrupted"
    with pytest.raises(RunError, match="is a link"):
        Run.open(run.path)
    (run.path / "plots").symlink_to(tmp_path)
    with pytest.raises(RunError, match="is a link"):
        status.read(run.path)


def test_it_loads_no_tensorflow(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    run.append_trial(record("1", 0.5))
    watch = """
import atexit, runpy, sys
heavy = {"tensorflow", "keras", "keras_tuner"}
atexit.register(lambda: print("loaded:", sorted(heavy & sys.modules.keys()), file=sys.stderr))
sys.argv[0] = "kevo"
runpy.run_module("kevo", run_name="__main__")
"""
    arguments = [sys.executable, "-c", watch, "status", run.path]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "1 completed" in done.stdout
    assert done.stderr.splitlines()[-1] == "loaded: []"
