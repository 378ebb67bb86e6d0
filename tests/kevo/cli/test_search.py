"""`kevo search` and `kevo resume`: within the limits of a job, and with a run folder that somebody else has made."""

import dataclasses
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import kevo
from kevo.cli import main
from kevo.execution.devices import num_cores
from tests.support.audit import watched
from tests.support.control_groups import group, join
from tests.support.project import ROOT
from tests.support.samples import stripes
from tests.support.searches import SETTINGS, Diary

ONE = dataclasses.replace(SETTINGS, max_trials=1, epochs=1, final_epochs=1, num_finalists=1)
MOBILENET = "mobilenet_v2"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pictures and the finished search of somebody else, who has meant nothing bad yet."""
    folder = tmp_path_factory.mktemp("theirs")
    pictures, labels = stripes(60)
    np.savez(folder / "pictures.npz", x=pictures, y=labels)
    kevo.search(folder / "pictures.npz", ONE, out=folder / "run")
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of the user's own, with pictures in class folders."""
    for number, (picture, label) in enumerate(zip(*stripes(12), strict=True)):
        path = tmp_path / "elsewhere" / str(label) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return tmp_path / "elsewhere"


def theirs(made: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of the run folder whose settings somebody else has changed."""
    run = Path(shutil.copytree(made / "run", tmp_path / "run"))
    values = json.loads((run / "settings.json").read_text())
    change(values)
    (run / "settings.json").write_text(json.dumps(values))
    return run


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("data", ["cifar100", "elsewhere", "no such folder", "elsewhere/0/0.png"])
def test_data_that_somebody_else_names_is_neither_read_nor_fetched(
    made: Path, elsewhere: Path, tmp_path: Path, data: str
) -> None:
    named = str(tmp_path / data) if data.startswith("elsewhere") else data
    run = theirs(made, tmp_path, lambda values: values.update(data=named))
    before = files(elsewhere)
    with watched() as used:
        resumed = command("resume", run, "--quiet")
        shown = [
            command("status", run),
            command("runs", tmp_path),
            command("report", run),
            command("compare", run, run),
        ]
    assert resumed.exit_code == 2 and "Somebody else has begun the search" in resumed.stderr
    assert f"--data {named}" in resumed.stderr.replace("'", "") and resumed.stderr.count("\n") == 1
    assert [done.exit_code for done in shown] == [0, 0, 0, 0], [done.stderr for done in shown]
    assert [one for one in used if one.startswith(("network:", str(elsewhere)))] == []
    assert files(elsewhere) == before


def test_a_cache_that_somebody_else_names_is_not_made(made: Path, elsewhere: Path, tmp_path: Path) -> None:
    run = theirs(made, tmp_path, lambda values: values["search"].update(cache=str(elsewhere / "features")))
    with watched() as used:
        done = command("resume", run, "--quiet", "--data", made / "pictures.npz")
    assert done.exit_code == 0, done.stderr
    assert [one for one in used if one.startswith(("network:", str(elsewhere)))] == []
    assert not (elsewhere / "features").exists()


def test_weights_and_expressions_of_somebody_else_wait_for_a_word(made: Path, elsewhere: Path, tmp_path: Path) -> None:
    weights = elsewhere / "secret.h5"
    weights.write_bytes(b"no weights")

    def change(values: dict[str, Any]) -> None:
        values["search"].update(weights={MOBILENET: str(weights)}, options={"groups": "(x+)+y"})

    run, asked = theirs(made, tmp_path, change), ["--quiet", "--data", made / "pictures.npz"]
    with watched() as used:
        refused = command("resume", run, *asked)
    assert refused.exit_code == 2 and refused.stderr.count("\n") == 1
    named = f"it would use the weights {weights} of {MOBILENET} and the expression '(x+)+y' for groups of pictures"
    assert named in refused.stderr
    assert refused.stderr.strip().endswith(f"kevo resume {run} --data {made / 'pictures.npz'} --trust")
    # Not even the data is read before.
    assert [one for one in used if one.startswith(("network:", str(elsewhere), str(made / "pictures.npz")))] == []
    with watched() as used:
        trusted = command("resume", run, *asked, "--trust")
    assert trusted.exit_code == 2 and str(made / "pictures.npz") in used
    assert "groups" in trusted.stderr and "Somebody else" not in trusted.stderr


@pytest.mark.parametrize("name", ["population", "workers", "num_finalists", "max_trials", "epochs", "max_params"])
def test_numbers_beyond_all_machines_are_refused_at_once(made: Path, tmp_path: Path, name: str) -> None:
    run = theirs(made, tmp_path, lambda values: values["search"].update({name: 10**18}))
    done = command("resume", run, "--data", made / "pictures.npz")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert f"`{name}` must be " in done.stderr and "1000000000000000000" in done.stderr


class Leaving(Diary):
    """Ends a search before a worker is started."""

    def note(self, text: str) -> None:
        super().note(text)
        if "workers were asked for" in text:
            raise KeyboardInterrupt


def test_no_search_starts_more_workers_than_a_machine_can_bear(made: Path, tmp_path: Path) -> None:
    run = theirs(made, tmp_path, lambda values: values["search"].update(workers=1024, population=10_000))
    diary = Leaving()
    with pytest.raises(KeyboardInterrupt):
        kevo.resume(run, made / "pictures.npz", listener=diary)
    most = 4 * num_cores()
    assert diary.openings[0].devices.startswith(f"{most} workers")
    assert f"1,024 workers were asked for, and {most} are started: this machine has" in diary.notes[-1]


def limited(folder: Path, limit: Callable[[], object]) -> subprocess.CompletedProcess[str]:
    """A whole search of digits with a worker, in a process that is limited before it begins."""
    few = ["--max-trials", "1", "--epochs", "1", "--population", "2", "--space", "small", "--cache", "none"]
    command = [sys.executable, "-m", "kevo", "search", "digits", "--out", str(folder / "run"), *few]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, preexec_fn=limit, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.long
@pytest.mark.parametrize(("megabytes", "ends_with_a_model"), [(1200, True), (600, False)])
def test_a_search_in_a_small_job_ends_with_a_model_or_with_the_limit(
    tmp_path: Path, megabytes: int, ends_with_a_model: bool
) -> None:
    with group(megabytes * 4096 * 245) as made:
        done = limited(tmp_path, lambda: join(made))
    # The kernel has ended nothing: the search itself says what happened.
    assert done.returncode == (0 if ends_with_a_model else 1), done.stderr
    assert (tmp_path / "run" / "best.keras").exists() is ends_with_a_model
    named = f"Only {megabytes * 4096 * 245 / 1e9:.1f} GB" if ends_with_a_model else "MB of memory"
    assert f"{named}" in done.stderr and "the limit of its job or container, a control group" in done.stderr
    assert "Traceback" not in done.stderr
    if not ends_with_a_model:
        assert "the limit of its job or container" in done.stderr.splitlines()[-1]


@pytest.mark.long
@pytest.mark.parametrize(("gigabytes", "ends_with_a_model"), [(4, True), (2, False)])
def test_a_search_under_ulimit_ends_with_a_model_or_with_the_limit(
    tmp_path: Path, gigabytes: int, ends_with_a_model: bool
) -> None:
    size = gigabytes * 10**9
    done = limited(tmp_path, lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)))
    assert done.returncode == (0 if ends_with_a_model else 1), done.stderr
    assert (tmp_path / "run" / "best.keras").exists() is ends_with_a_model
    assert ("the limit of ulimit -v" in done.stderr.splitlines()[-1]) is not ends_with_a_model
    assert "Traceback" not in done.stderr and "too large" not in done.stderr
