"""Runs a search and draws what a terminal shows in the middle of it, as the README does: docs/live.svg.

    python scripts/live_view.py PICTURES --weights mobilenet_v2=WEIGHTS

where PICTURES and WEIGHTS are the photographs of cats and dogs and the weights that the project's tests use too.
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
from kevo.progress.board import Board
from kevo.progress.panel import Paper, draw, ended
from kevo.runs.records import TrialRecord
from kevo.system.memory import children, resident
from kevo.tasks.outputs.classes.objectives import OBJECTIVES

PICTURE = Path(__file__).parent.parent / "docs/live.svg"
PAPER = Paper(width=104, height=30)
NUM_LINES = 8


class Photographer(Board):
    """Remembers what a terminal shows at some moment.

    Args:
        moment: When, in seconds of search; the first step after it counts.
    """

    def __init__(self, moment: float) -> None:
        super().__init__(OBJECTIVES["accuracy"])
        self._moment = moment
        self._lines: list[Text] = []
        self.picture: list[Text] = []

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        super().trial_ended(record, best)
        self._lines.append(ended(record, best, self, PAPER))

    def progress(self, number: int, *rest: object) -> None:
        super().progress(number, *rest)  # type: ignore[arg-type]
        if not self.picture and self.seconds >= self._moment:
            held = [size for size in (resident(), *map(resident, children())) if size is not None]
            self.picture = [*self._lines[-NUM_LINES:], *draw(self, PAPER, memory=held)]


def svg(lines: list[Text], *, title: str) -> str:
    """Returns a picture of lines on a terminal that needs nothing from the network."""
    console = Console(record=True, width=PAPER.width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(line)
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title), flags=re.DOTALL)
    return drawn.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


def main() -> None:
    """Searches, and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="what to search on, as for kevo search")
    parser.add_argument("--max-time", type=float, default=300.0, help="seconds")
    parser.add_argument("--moment", type=float, default=0.7, help="the part of them after which to draw")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--weights", action="append", default=[], metavar="NAME=PATH")
    arguments = parser.parse_args()
    weights = dict(one.split("=", 1) for one in arguments.weights)
    settings = kevo.Settings(max_time=arguments.max_time, workers=arguments.workers, weights=weights)
    photographer = Photographer(arguments.moment * arguments.max_time)
    name = Path(arguments.data).stem
    with tempfile.TemporaryDirectory() as folder:
        kevo.search(arguments.data, settings, out=Path(folder) / name, listener=photographer)
    PICTURE.write_text(svg(photographer.picture, title=f"kevo search {name}"))


if __name__ == "__main__":
    main()
