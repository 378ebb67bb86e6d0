"""The command: what it prints where, and how it ends."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import IO

import h5py
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kevo.cli import main
from kevo.cli.options import Duration
from kevo.tasks.images.backbones import BACKBONES
from tests.support.samples import stripes

QUICK = ["--space", "small", "--max-trials", "2", "--population", "2", "--epochs", "1", "--workers", "0"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    pictures, labels = stripes(90)
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        path = root / ("upright", "level", "none")[label] / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path, quality=95)
    (root / "none" / "broken.jpg").write_bytes(b"\xff\xd8\xff not a picture")
    return root


def kevo(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kevo", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.fixture(scope="module")
def searched(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    # As the command is without options, with a worker of its own.
    return kevo("search", folder, *QUICK, "--workers", "1", cwd=tmp_path_factory.mktemp("cwd"))


def test_stdout_is_one_json_object(searched: subprocess.CompletedProcess[str]) -> None:
    assert searched.returncode == 0, searched.stderr
    result = json.loads(searched.stdout)
    assert result["trials_completed"] == 2
    assert set(result["test"]["recall"]) == {"level", "none", "upright"}
    assert result["words"].startswith("conv stack")


@pytest.mark.long
def test_on_a_terminal_the_result_is_said_in_words_and_what_to_do_next(
    searched: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    run = json.loads(searched.stdout)["run_folder"]
    command = [sys.executable, "-m", "kevo", "resume", run, "--quiet"]
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, cwd=tmp_path)
        os.close(theirs)
        # Linux ends a terminal whose other side is closed with an error.
        said = b"".join(takewhile(bool, iter(partial(read_or_end, terminal), None)))
    assert process.wait() == 0
    lines = said.decode().splitlines()
    # What is too long for a line goes on in the next one, below its beginning.
    assert all(len(line) <= 80 for line in lines if len(line.split()) > 2 and not line.startswith("kevo "))
    begun = [line.split() for line in lines if not line.startswith(" ")]
    words, commands = begun[: begun.index([])], begun[begun.index([]) + 1 :]
    assert [line[0] for line in words[:5]] == ["test", "validation", "model", "search", "file"]
    assert "accuracy" in words[0] and f"{run}/best.keras" in words[4]
    assert [line[:2] for line in commands] == [["kevo", name] for name in ("report", "predict", "evaluate")]


def read_or_end(terminal: IO[bytes]) -> bytes:
    try:
        return terminal.read(4096)
    except OSError:
        return b""


def test_stderr_tells_what_happened_and_nothing_else(searched: subprocess.CompletedProcess[str]) -> None:
    lines = searched.stderr.splitlines()
    assert any("broken.jpg" in line for line in lines)
    assert sum("accuracy" in line and "parameters" in line for line in lines) >= 2
    noise = ("cudart", "oneDNN", "WARNING", "Traceback", "Reloading", "cuda", "absl")
    assert not [line for line in lines if any(word in line for word in noise)]


def test_the_model_loads(searched: subprocess.CompletedProcess[str], folder: Path) -> None:
    result = json.loads(searched.stdout)
    run = Path(result["run_folder"])
    assert run.is_absolute() and run.parent.name == "kevo-runs"
    model = keras.models.load_model(result["model_path"])
    picture = np.asarray(Image.open(folder / "level" / "1.jpg"))
    assert model.predict(picture[None], verbose=0).shape == (1, 3)


@pytest.mark.long
def test_quiet_prints_the_result_alone(folder: Path, tmp_path: Path) -> None:
    done = kevo("search", folder, *QUICK, "--max-trials", "1", "--quiet", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert json.loads(done.stdout)["run_folder"] == str(tmp_path / "run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "nowhere"], "nowhere"),
        (
            ["search", "--space", "huge"],
            "'huge' is not one of 'small', 'default', 'wide', 'deepga', 'evolved', 'nasgp'",
        ),
        (["search", "--weights", "mobilenet_v2"], "Expected NAME=PATH, NAME=imagenet or NAME=none"),
        (["search", "--weights", "mobilnet=none"], "Did you mean 'mobilenet'"),
        (["search", "--weights", "vgg16=absent.h5"], "absent.h5"),
        (["search", "--max-time", "soon"], "'soon' is no length of time"),
        (["search", "--strategy", "mirrored", "digits"], "Mirroring needs at least two GPUs for each worker"),
        (["search", "--minimize", "size"], "'size' is not one of 'params', 'seconds', 'flops', 'bytes'"),
        (["search", "--max-params", "100"], "the smallest that was found has 234. Raise --max-params"),
        (["search", "--max-trials", "0"], "0 is not in the range x>=1"),
        (["search", "--seed", "-1"], "-1 is not in the range 0<=x<=2147483647"),
        (["resume", "nowhere"], "nowhere is no run folder"),
        (["status", "nowhere"], "nowhere is no run folder"),
        (["stop", "nowhere"], "nowhere is no run folder"),
        (["search", "--patience", "0"], "0 is not in the range x>=1"),
        (["search", "digits", "--out", "taken"], "taken is not empty"),
        (["search", "absent.csv", "--target", "kind"], "There is no file absent.csv. Expected a CSV file"),
        (["search", "digits", "--target", "kind"], "Expected the path of a .csv file"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, arguments)
    assert isinstance(done.exception, SystemExit) and done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken"]


def test_a_users_mistake_shows_no_traceback(tmp_path: Path) -> None:
    done = kevo("status", "nowhere", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and "nowhere" in line


@contextmanager
def begun(folder: Path, cwd: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A search that has its first candidate, in the folder `run`."""
    command = [sys.executable, "-m", "kevo", "search", folder, "--space", "small", "--out", "run", "--epochs", "4"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment
    ) as process:
        trials = cwd / "run" / "trials.jsonl"
        deadline = time.monotonic() + 240
        while not trials.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_with_130_and_the_resume_command(folder: Path, tmp_path: Path, number: int) -> None:
    with begun(folder, tmp_path) as process:
        process.send_signal(number)
        stdout, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert "kevo resume" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    result = json.loads(stdout)
    assert result["interrupted"]
    keras.models.load_model(result["model_path"])


@pytest.mark.long
@pytest.mark.parametrize("is_finishing", [False, True])
def test_a_second_ctrl_c_stops_at_once(folder: Path, tmp_path: Path, is_finishing: bool) -> None:
    with begun(folder, tmp_path, "--workers", "1") as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            pytest.skip(f"{children} is missing: no way to find workers")
        workers = [one for one in children.read_text().split() if b"execution.worker" in cmdline(one)]
        process.send_signal(signal.SIGINT)
        told = []
        if is_finishing:
            told = list(takewhile(lambda line: "keeping the best so far" not in line, process.stderr or []))
        else:
            # While it waits for its worker, or has only begun to score.
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert workers and [one for one in workers if b"execution.worker" in cmdline(one)] == []
    assert "kevo resume" in stderr.splitlines()[-1]
    assert not [line for line in [*told, *stderr.splitlines()] if "Traceback" in line or "ignored" in line]
    assert is_finishing or not (tmp_path / "run" / "result.json").exists()
    assert kevo("status", "run", cwd=tmp_path).stdout.startswith("run: interrupted; go on with: kevo resume run")


def cmdline(process: str) -> bytes:
    """The command of a process; nothing where it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.long
def test_stop_ends_a_search_from_another_terminal(folder: Path, tmp_path: Path) -> None:
    with begun(folder, tmp_path, "--workers", "0") as process:
        live = json.loads(kevo("status", "run", "--json", cwd=tmp_path).stdout)
        stopped = kevo("stop", "run", cwd=tmp_path)
        stdout, stderr = process.communicate()
    assert live["state"] == "running" and live["trials_completed"] >= 1 and live["seconds_left"] > 0
    assert stopped.returncode == 0 and stopped.stdout == "The search in run has ended. See: kevo status run\n"
    assert process.returncode == 130 and json.loads(stdout)["interrupted"]
    assert "kevo resume" in stderr.splitlines()[-1] and "Traceback" not in stderr
    again = kevo("stop", "run", cwd=tmp_path)
    assert again.returncode == 2 and "No search is at work in run" in again.stderr and again.stdout == ""
    assert sorted(path.name for path in (tmp_path / "run").glob(".*")) == [".lock"]


def test_doctor_says_what_there_is(tmp_path: Path) -> None:
    done = kevo("doctor", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    found = dict(re.split(r" {2,}", line, maxsplit=1) for line in done.stdout.splitlines())
    assert {"kevo", "packages", "processor", "memory", "GPUs", "--strategy auto", "features"} <= found.keys()
    assert found["weights"].endswith("others are downloaded when first used") and "mlflow (mlflow " in found["extras"]
    assert "tensorflow 2." in found["packages"] and "worker" in found["--strategy auto"]


def test_backbones_lists_the_table() -> None:
    lines = CliRunner().invoke(main, ["backbones"]).stdout.splitlines()
    heads = [line for line in lines if not line.startswith(" ")]
    assert [line.partition(":")[0] for line in heads] == list(BACKBONES)
    assert "mobilenet_v2: 2.3M parameters, ImageNet top-1 71.3 %, 9.0 MB to download" in heads
    cuts = [line for line in lines if line.startswith("  cut points")]
    assert all(row.cut_points[-1] in line for row, line in zip(BACKBONES.values(), cuts, strict=True))


def test_backbones_that_are_downloaded_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    folder = tmp_path / "models"
    folder.mkdir()
    # No checksum of this one is published: a file that can be read is taken to be whole.
    with h5py.File(folder / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", "w") as file:
        file["kernel"] = np.zeros(3, np.float32)
    rows = map(json.loads, CliRunner().invoke(main, ["backbones", "--json"]).stdout.splitlines())
    assert [row["name"] for row in rows if row["is_cached"]] == ["mobilenet_v2"]


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400)])
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds
