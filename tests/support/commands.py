"""Commands that run on this checkout, as a user would run them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.project import ROOT


def output_of(command: Sequence[str | Path], folder: Path) -> str:
    """Runs a command in a folder, which has to succeed, and returns its standard output."""
    # The command `kevo` of the environment in use comes first, and the checkout before anything installed.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def printed_accuracy(output: str) -> float:
    """Returns the number of the line that begins with `test accuracy`."""
    (line,) = (line for line in output.splitlines() if line.startswith("test accuracy"))
    return float(line.split()[-1])
