"""Every example runs as its reader would run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(command: list[str | Path], cwd: Path) -> str:
    # The command `kevo` of the environment in use comes first, and the checkout before anything installed.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracy(output: str) -> float:
    (line,) = (line for line in output.splitlines() if line.startswith("test accuracy"))
    return float(line.split()[-1])


@pytest.mark.parametrize(
    "command",
    [
        ["bash", ROOT / "examples/search_digits.sh", "run", "--max-trials", "1", "--epochs", "8"],
        [sys.executable, ROOT / "examples/search_arrays.py", "--max-trials", "1", "--epochs", "8"],
    ],
    ids=["command", "python"],
)
def test_digits(command: list[str | Path], tmp_path: Path) -> None:
    assert accuracy(run(command, tmp_path)) > 0.9


def test_an_operator_of_ones_own(tmp_path: Path) -> None:
    (line,) = run([sys.executable, ROOT / "examples/own_operator.py"], tmp_path).splitlines()
    assert float(line.split()[-1]) < 1.0
