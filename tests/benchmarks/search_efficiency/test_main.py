import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.search_efficiency.__main__ import main
from benchmarks.support.project import ROOT


@pytest.mark.long
def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # What is not installed is left out, and so are tables that are missing.
    script = (
        "import runpy, sys; from importlib import util; real = util.find_spec; "
        "util.find_spec = lambda name, *more: None if name == 'optuna' else real(name, *more); "
        "runpy.run_module('benchmarks.search_efficiency', run_name='__main__')"
    )
    arguments = ["--data", str(tmp_path / "none"), "--build", str(tmp_path)]
    arguments += ["--only", "macro,trap", "--budget", "50", "--jobs", "1", "--searchers", "aging,tpe", "--seeds"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *arguments, *more]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    done = run("2")
    assert done.returncode == 0, done.stderr
    assert "left out: macro (" in done.stderr
    assert "left out: tpe (optuna is not installed" in done.stderr
    assert "| aging evolution | 2 | " in done.stdout
    kept = tmp_path / "trap" / "aging.jsonl"
    before = kept.read_text()
    assert [json.loads(line)["seed"] for line in before.splitlines()] == [0, 1]

    # The command sets it for the processes to come.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # Measured once: the report alone is made again.
    main([*arguments[:-2], "aging", "--seeds", "2"])
    assert capsys.readouterr().out == done.stdout
    assert kept.read_text() == before

    main([*arguments[:-2], "aging", "--seeds", "1", "--fresh"])
    (line,) = map(json.loads, kept.read_text().splitlines())
    assert {**line, "seconds": 0} == {**json.loads(before.splitlines()[0]), "seconds": 0}


def test_command_refuses_unknown_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--searchers", "ageing"])
    assert "Got 'ageing', expected one of: kevo," in capsys.readouterr().err
