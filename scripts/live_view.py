"""Draws the live view of a search, as a terminal shows it, to docs/live.svg, which the README shows.

python scripts/live_view.py digits
"""

from __future__ import annotations

import argparse
import io
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

import kevo
from kevo.objective import Objective
from kevo.progress.board import Board
from kevo.progress.panel import Paper, draw, ended
from kevo.runs.records import TrialRecord
from kevo.system.memory import children, resident

PICTURE = Path(__file__).parent.parent / "docs/live.svg"
PAPER = Paper(width=104, height=30)
NUM_LINES = 8


class Recorder(Board):
    """Keeps the lines that a terminal shows at a moment of the search.

    Args:
        objective: What the search improves.
        moment: The moment in seconds; the first progress after it counts.
    """

    def __init__(self, objective: Objective, moment: float) -> None:
        super().__init__(objective)
        self._moment = moment
        self._lines: list[Text] = []
        self.shown: list[Text] = []

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        super().trial_ended(record, best)
        self._lines.append(ended(record, best, self, PAPER))

    def progress(self, number: int, *rest: object) -> None:
        super().progress(number, *rest)  # type: ignore[arg-type]
        if not self.shown and self.seconds >= self._moment:
            held = [size for size in (resident(), *map(resident, children())) if size is not None]
            self.shown = [*self._lines[-NUM_LINES:], *draw(self, PAPER, memory=held)]


def svg(lines: list[Text], *, title: str) -> str:
    """Returns terminal lines as an SVG picture, with fonts of the system instead of fonts from the network."""
    console = Console(record=True, width=PAPER.width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(line)
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title), flags=re.DOTALL)
    return drawn.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


def main() -> None:
    """Runs the search, and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="data, as for kevo search")
    parser.add_argument("--max-time", type=float, default=240.0, help="time limit of the search in seconds")
    parser.add_argument("--moment", type=float, default=0.7, help="when to draw, as a fraction of the time limit")
    parser.add_argument("--workers", type=int, default=1, help="number of workers")
    parser.add_argument("--weights", action="append", default=[], metavar="NAME=PATH", help="pretrained weights")
    arguments = parser.parse_args()
    weights = dict(one.split("=", 1) for one in arguments.weights)
    settings = kevo.Settings(max_time=arguments.max_time, workers=arguments.workers, weights=weights)
    recorder = Recorder(settings.objectives[0], arguments.moment * arguments.max_time)
    name = Path(arguments.data).stem
    with tempfile.TemporaryDirectory() as folder:
        kevo.search(arguments.data, settings, out=Path(folder) / name, listener=recorder)
    PICTURE.write_text(svg(recorder.shown, title=f"kevo search {name}"))


if __name__ == "__main__":
    main()
