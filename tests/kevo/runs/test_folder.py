import json
import math
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kevo.errors import RunError
from kevo.runs import folder
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord

RECORD = TrialRecord(
    number=0,
    trial_id="0007",
    generation=2,
    genome={"family": "conv", "conv/num_blocks": 3, "learning_rate": 1e-3, "flip": True},
    status="completed",
    fitness=0.875,
    metrics={"val_accuracy": 0.875, "val_loss": 0.4},
    history=[{"val_accuracy": 0.5, "val_loss": 1.1}, {"val_accuracy": 0.875, "val_loss": 0.4}],
    stages=["head", "fine-tune"],
    num_epochs=2,
    seconds=3.5,
    num_parameters=1234,
    finished_at=12.25,
)
FAILED = replace(
    RECORD, number=1, trial_id="0008", status="failed", fitness=None, num_parameters=None, reason='out of "memory"\nü'
)


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


@pytest.mark.parametrize("links", [{"0008": "0006"}, {"0007": "0008", "0008": "0007"}, {"0007": "0007"}])
def test_a_line_that_continues_nothing_is_named(run: Run, links: dict[str, str]) -> None:
    for record in (RECORD, FAILED):
        run.append_trial(replace(record, continues=links.get(record.trial_id)))
    with pytest.raises(RunError, match=r"Line \d of .*trials\.jsonl is damaged: trial \d+ continues trial \d+"):
        run.trials()


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


def test_trials_come_back(run: Run) -> None:
    run.append_trial(RECORD)
    run.append_trial(FAILED)
    assert Run.open(run.path).trials() == [RECORD, FAILED]


def test_trials_read_without_kevo(run: Run) -> None:
    run.append_trial(RECORD)
    run.append_trial(FAILED)
    lines = (run.path / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["trial_id"] for line in lines] == ["0007", "0008"]
    assert json.loads(lines[0])["genome"] == RECORD.genome
    assert json.loads(lines[1])["reason"] == FAILED.reason


def test_no_trials_yet(run: Run) -> None:
    assert run.trials() == []


def test_the_last_word_counts(run: Run) -> None:
    again = replace(RECORD, fitness=0.9)
    for record in (RECORD, FAILED, again):
        run.append_trial(record)
    assert run.trials() == [again, FAILED]


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_half_a_line_is_ignored_and_healed(run: Run, kept: int) -> None:
    for record in (RECORD, FAILED):
        run.append_trial(record)
    path = run.path / "trials.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:kept])
    assert run.trials() == [RECORD]
    run.append_trial(FAILED)
    assert run.trials() == [RECORD, FAILED]
    assert path.read_bytes() == first + second


def test_half_a_first_line_is_healed(run: Run) -> None:
    (run.path / "trials.jsonl").write_bytes(b'{"number": 0, "reason": "\xc3')
    assert run.trials() == []
    run.append_trial(RECORD)
    assert run.trials() == [RECORD]


@pytest.mark.parametrize(
    "change",
    [
        {"trial_id": "../../elsewhere"},
        {"trial_id": ""},
        {"status": "running"},
        {"status": "failed"},
        {"fitness": None},
        {"fitness": "high"},
        {"genome": None},
        {"metrics": [1.0]},
        {"history": [None]},
        {"history": []},
        {"number": 1e999},
        {"seconds": 1e999},
    ],
)
def test_a_damaged_line_is_named(run: Run, change: dict[str, object]) -> None:
    run.append_trial(FAILED)
    with (run.path / "trials.jsonl").open("a") as file:
        file.write(json.dumps({**RECORD.to_json(), **change}) + "\n")
    with pytest.raises(RunError, match=r"Line 2 of .*trials\.jsonl is damaged"):
        run.trials()


def test_a_line_that_lacks_a_field_is_named(run: Run) -> None:
    values = RECORD.to_json()
    del values["seconds"]
    (run.path / "trials.jsonl").write_text(json.dumps(values) + "\n")
    with pytest.raises(RunError, match="'seconds' is missing"):
        run.trials()


def test_damaged_lines_are_set_aside_and_the_rest_counts(run: Run) -> None:
    def check(record: TrialRecord) -> None:
        if record.num_epochs == 77:
            raise KeyError("family")

    lines = [
        json.dumps(replace(RECORD, trial_id=trial_id, **changes).to_json())
        for trial_id, changes in [("1", {}), ("2", {"num_epochs": 77}), ("3", {"continues": "2"}), ("4", {})]
    ]
    (run.path / "trials.jsonl").write_text("\n".join([*lines, '{"half": ', ""]))
    problems = run.mend_trials(check)
    assert [problem.split(": ")[1] for problem in problems] == [
        "it has no 'family'. It is set aside in damaged/trials.jsonl, and the search goes on without that candidate.",
        "trial 3 continues trial 2, of which no line before it tells. It is set aside in damaged/trials.jsonl, and the "
        "search goes on without that candidate.",
        "Expecting value",
    ]
    assert [record.trial_id for record in run.trials()] == ["1", "4"]
    assert (run.path / "damaged" / "trials.jsonl").read_text().splitlines() == [*lines[1:3], '{"half": ']
    assert run.mend_trials(check) == []
    # What was set aside before stays.
    (run.path / "trials.jsonl").write_text("{}\n")
    run.mend_trials(check)
    assert sorted(path.name for path in (run.path / "damaged").iterdir()) == ["trials-2.jsonl", "trials.jsonl"]


def test_nan_is_written_as_null(run: Run) -> None:
    run.append_trial(replace(FAILED, metrics={"loss": math.nan}, history=[{"loss": math.inf}], stages=["head"]))
    run.write_json("numbers.json", {"a": [math.nan, (1.5, -math.inf)]})
    assert run.read_json("numbers.json") == {"a": [None, [1.5, None]]}
    text = (run.path / "trials.jsonl").read_text()
    assert json.loads(text)["history"] == [{"loss": None}]
    assert "NaN" not in text and "Infinity" not in text
    (record,) = run.trials()
    assert math.isnan(record.metrics["loss"]) and math.isnan(record.history[0]["loss"])


@pytest.mark.parametrize("fitness", [math.nan, math.inf])
def test_nan_is_no_fitness(fitness: float) -> None:
    with pytest.raises(ValueError, match="finite fitness"):
        replace(RECORD, fitness=fitness)


def test_labels_keep_their_order(run: Run) -> None:
    run.write_labels(["zebra", "ape", "Käfer"])
    assert json.loads((run.path / "labels.json").read_text()) == ["zebra", "ape", "Käfer"]


def test_read_json_names_a_missing_file(run: Run) -> None:
    with pytest.raises(RunError, match=r"Cannot read .*result\.json"):
        run.read_json("result.json")


def test_replacing_shows_the_old_or_the_new_file(run: Run) -> None:
    with run.replacing("checkpoints/a.keras") as path:
        path.write_bytes(b"old")
    target = run.path / "checkpoints" / "a.keras"
    with run.replacing("checkpoints/a.keras") as path:
        assert path.suffix == ".keras"
        path.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_replacing_keeps_the_old_file_when_writing_fails(run: Run) -> None:
    run.write_json("best.keras", "old")
    before = sorted(run.path.iterdir())
    with pytest.raises(ZeroDivisionError), run.replacing("best.keras") as path:
        path.write_bytes(b"half")
        raise ZeroDivisionError
    assert run.read_json("best.keras") == "old"
    assert sorted(run.path.iterdir()) == before


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
    assert run.trials() == [RECORD]


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
