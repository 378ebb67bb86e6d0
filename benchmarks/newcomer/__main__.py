"""Times a newcomer's path: from a folder of pictures to a prediction on a new picture, in three commands.

    python -m benchmarks.newcomer PICTURES NEW --weights mobilenet_v2=PATH --max-time 3m --write

PICTURES is a folder with a folder for each class, and NEW a picture that is not in it. Each command runs in a process
of its own, in an empty folder.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.support import project
from benchmarks.support.command_line import parser
from benchmarks.support.processes import machine, run_kevo
from kevo.system.text import byte_size

REPORT = project.PAGES / "newcomer.md"
ABOUT = """\
# A newcomer's path

The time from a folder of pictures to a prediction on a new picture, in three commands, each in a process of its own.
Measured by `python -m benchmarks.newcomer PICTURES NEW --write`."""
HEAD = """\
| command | seconds | what it says |
|---|---|---|"""


def rows(pictures: Path, new: Path, *, max_time: str, weights: Sequence[str]) -> list[str]:
    """Runs the three commands, and returns a row of the table for each and one for all.

    Args:
        pictures: Folder of class folders.
        new: A picture that is not in it.
        max_time: Time limit of the search.
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
            output = run_kevo([*shown, *more], folder=folder)
            seconds = time.monotonic() - began
            total += seconds
            lines.append(f"| `kevo {' '.join(shown)}` | {seconds:.0f} | {_summary(shown[0], output, folder)} |")
    return [*lines, f"| all three | {total:.0f} | |"]


def _summary(command: str, output: str, folder: Path) -> str:
    """Returns what a command printed, in short."""
    if command == "search":
        test = json.loads(output)["test"]
        return f"test accuracy {test['accuracy']:.3f} on {test['num_examples']} pictures"
    if command == "report":
        return f"{Path(output).name}, {byte_size((folder / output).stat().st_size)}"
    return f"`{' '.join(output.split())}`"


def main(given: Sequence[str] | None = None) -> None:
    """Runs the commands once, and prints the table."""
    options = parser(__doc__)
    options.add_argument("pictures", type=Path, help="folder of class folders")
    options.add_argument("new", type=Path, help="a picture that is not in it")
    options.add_argument("--max-time", default="3m", help="time limit of the search")
    options.add_argument("--weights", action="append", default=[], help="pretrained weights: NAME=PATH")
    options.add_argument("--write", action="store_true", help="write the report to docs/benchmarks")
    arguments = options.parse_args(given)
    weights = [_absolute(pair) for pair in arguments.weights]
    table = [HEAD, *rows(arguments.pictures, arguments.new, max_time=arguments.max_time, weights=weights)]
    print("\n".join(table))
    if arguments.write:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text("\n".join([ABOUT, "", f"Machine: {machine()}.", "", *table, ""]))


def _absolute(pair: str) -> str:
    name, _, path = pair.partition("=")
    return f"{name}={Path(path).resolve()}"


if __name__ == "__main__":
    main()
