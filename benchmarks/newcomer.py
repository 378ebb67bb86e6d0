"""Times a newcomer's path: from a folder of pictures to a prediction on a new picture, in three commands.

    python benchmarks/newcomer.py PICTURES NEW --weights mobilenet_v2=PATH --max-time 3m --write

PICTURES is a folder with one folder for each class, and NEW a picture that is not in it. The commands are those of the
README, each in a process of its own, in an empty folder; `--write` puts the table into the README.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

# The checkout is measured, even where another version is installed.
sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.support.pages import replace_section

ROOT = Path(__file__).parent.parent
SECTION = "newcomer"
HEAD = """\
| command | seconds | what it says |
|---|---|---|"""


def rows(pictures: Path, new: Path, *, max_time: str, weights: Sequence[str]) -> list[str]:
    """Runs the three commands, and returns a line of the table for each and one for all.

    Args:
        pictures: The folder of class folders.
        new: A picture that is not in it.
        max_time: How long to search.
        weights: Pretrained weights, as `kevo search` takes them.
    """
    lines, total = [], 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").symlink_to(pictures.resolve())
        shutil.copyfile(new, folder / "new.jpg")
        search = ["search", "pictures/", "--max-time", max_time, "--out", "runs/pictures"]
        for shown, more in (
            (search, [word for pair in weights for word in ("--weights", pair)]),
            (["report", "runs/pictures"], []),
            (["predict", "runs/pictures", "new.jpg"], []),
        ):
            began = time.monotonic()
            said = _run([*shown, *more], folder)
            seconds = time.monotonic() - began
            total += seconds
            lines.append(f"| `kevo {' '.join(shown)}` | {seconds:.0f} | {_in_short(shown[0], said, folder)} |")
    return [*lines, f"| all three | {total:.0f} | |"]


def _run(arguments: Sequence[str], folder: Path) -> str:
    """Returns what a command prints as its result."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "kevo", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()


def _in_short(command: str, said: str, folder: Path) -> str:
    if command == "search":
        test = json.loads(said)["test"]
        return f"test accuracy {test['accuracy']:.3f} on {test['num_pictures']} pictures"
    if command == "report":
        return f"{Path(said).name}, {(folder / said).stat().st_size / 1e6:.1f} MB"
    return f"`{' '.join(said.split())}`"


def main(given: Sequence[str] | None = None) -> None:
    """Runs the commands once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a folder of class folders")
    parser.add_argument("new", type=Path, help="a picture that is not in it")
    parser.add_argument("--max-time", default="3m", help="how long to search")
    parser.add_argument("--weights", action="append", default=[], help="pretrained weights: NAME=PATH")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args(given)
    weights = [_absolute(pair) for pair in arguments.weights]
    table = [HEAD, *rows(arguments.pictures, arguments.new, max_time=arguments.max_time, weights=weights)]
    print("\n".join(table))
    if arguments.write:
        replace_section(ROOT / "README.md", SECTION, "\n".join(table))


def _absolute(pair: str) -> str:
    name, _, path = pair.partition("=")
    return f"{name}={Path(path).resolve()}"


if __name__ == "__main__":
    main()
