"""The view of a search on a terminal: a line for each trial, and the present state below."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

import rich.live
from rich.console import Console, ConsoleDimensions, Group
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from kevo.objective import Objective
from kevo.progress.board import Board
from kevo.progress.events import SearchStarted
from kevo.progress.panel import Paper, draw, ended
from kevo.runs.records import TrialRecord
from kevo.system.memory import children, resident

_DRAW_SECONDS = 0.25
_MEMORY_SECONDS = 2.0
_MARGIN = 3
"""Columns that stay free: a terminal may begin a new line where the last one is written, and a Ctrl-C writes `^C`."""


class Live:
    """A listener that shows a search on a terminal while entered.

    Whoever tells it something only takes that down. A thread of its own writes, four times a second at most and only
    what is new: a terminal that is slow, was stopped with Ctrl-S or has gone holds up no training.

    Args:
        console: Where to draw. stdout is kept for the result, so this is stderr for the command.
        objective: What the candidates compete for.
    """

    def __init__(self, console: Console, objective: Objective) -> None:
        self._console = console
        self._board = Board(objective)
        self._lock = threading.Lock()
        self._has_news = True
        self._size: ConsoleDimensions | None = None
        self._lines: list[Text] = []
        self._drawn: list[int] = []
        self._drawn_at = self._measured_at = -math.inf
        self._memory: list[int] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._draw_on, name="live view", daemon=True)
        # What others print comes above the view.
        self._live = rich.live.Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._draw()
        with contextlib.suppress(OSError):
            self._live.stop()

    def search_started(self, opening: SearchStarted) -> None:
        with self._told():
            self._board.search_started(opening)

    def phase_began(self, phase: str, words: str) -> None:
        with self._told():
            self._board.phase_began(phase, words)

    def note(self, text: str) -> None:
        with self._told():
            self._lines.append(Text(self._paper.text(text)))

    def skipped(self, what: str, reason: str, num: int) -> None:
        with self._told():
            self._board.skipped(what, reason, num)

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        with self._told():
            self._board.trial_started(number, words, seconds_left, worker)

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        with self._told():
            self._board.progress(number, stage, done, total, metrics)

    def trial_lost(self, number: int, reason: str) -> None:
        with self._told():
            self._board.trial_lost(number, reason)
            self._lines.append(Text(self._paper.text(f"{number + 1:>4}  lost: {reason}"), "yellow"))

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        with self._told():
            self._board.trial_ended(record, best)
            self._lines.append(ended(record, best, self._board, self._paper))

    def closed(self) -> None:
        with self._told():
            self._board.closed()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        with self._lock:
            yield
            self._has_news = True

    @property
    def _paper(self) -> Paper:
        width, height = self._console.size
        is_plain = self._console.options.ascii_only or os.environ.get("TERM") == "linux"
        return Paper(max(1, width - _MARGIN), height, ascii_only=is_plain)

    def _draw_on(self) -> None:
        # A terminal that has gone is no reason to lose a search.
        with contextlib.suppress(OSError):
            self._draw()
            while not self._is_over.wait(_DRAW_SECONDS):
                self._draw()

    def _draw(self) -> None:
        """Draws changes; clocks count in whole seconds."""
        now = time.monotonic()
        has_changed = self._look_at_terminal()
        if now - self._measured_at >= _MEMORY_SECONDS:
            self._measured_at = now
            held = [resident(), *map(resident, children())]
            self._memory = [one for one in held if one is not None]
        if not (self._has_news or has_changed or now - self._drawn_at >= 1.0):
            return
        self._drawn_at = now
        with self._lock:
            self._has_news = False
            lines, self._lines = self._lines, []
            panel = draw(self._board, self._paper, memory=self._memory)
        self._drawn = [line.cell_len for line in panel]
        # Both at once, or a panel that is out of date would flash.
        with self._console:
            if lines:
                self._console.print(Group(*lines))
            self._live.update(Group(*panel), refresh=True)

    def _look_at_terminal(self) -> bool:
        """Returns whether the terminal has another size than before."""
        # Not by standard input and output, which may be something else.
        with contextlib.suppress(OSError, ValueError):
            size = ConsoleDimensions(*os.get_terminal_size(self._console.file.fileno()))
            if min(size) > 0 and size != self._size:
                self._console.size = self._size = size
                self._wipe_what_was_wrapped(size.width)
                return True
        return False

    def _wipe_what_was_wrapped(self, width: int) -> None:
        """Removes lines that a narrower terminal has broken in two, and of which rich knows nothing."""
        num_more = sum(max(1, math.ceil(one / width)) - 1 for one in self._drawn)
        self._console.control(
            Control(
                ControlType.CARRIAGE_RETURN,
                (ControlType.ERASE_IN_LINE, 2),
                *[(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * num_more,
            )
        )
