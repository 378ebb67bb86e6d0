"""Draws the state of a search in a few lines of a terminal, and the result of a trial in one."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from kevo.progress import charts
from kevo.progress.board import Board, Running
from kevo.runs.records import TrialRecord
from kevo.system.text import count, duration, metric_name, printable

_LABEL = 14
"""Columns for the name of what a line tells."""
_BAR = 12
_CHART = 60
_CHART_ROWS = 3
_MAX_REASONS = 2
_STYLES = ("cyan", "green", "magenta", "yellow", "blue")
"""Of the kinds of networks, in the task's order."""
_PANEL_SHARE = 0.6
"""The part of a terminal's lines that may be drawn on; above it candidates that ended scroll by."""
_LEAST_ROWS = 3
_WORTHWHILE = 16
"""Fewer columns than that are too few for a genome in words."""


@dataclass(frozen=True, slots=True)
class Paper:
    """The terminal: its columns and lines, and whether it takes ASCII only."""

    width: int
    height: int
    ascii_only: bool = False

    def text(self, words: str) -> str:
        """Returns words as they can be shown, in one line."""
        words = printable(words)
        return words.encode("ascii", "replace").decode() if self.ascii_only else words

    def cropped(self, words: str, width: int) -> str:
        """Returns words in so many columns at most."""
        words = self.text(words)
        dots = "..." if self.ascii_only else "…"
        if cell_len(words) <= width:
            return words
        return (set_cell_size(words, max(0, width - len(dots))).rstrip() + dots)[: max(0, width)]


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a line. Where there is no room for all, those of the greatest rank go first."""

    words: str
    style: str = ""
    rank: int = 0


def draw(board: Board, paper: Paper, *, memory: Sequence[int] = ()) -> list[Text]:
    """Draws a search.

    Args:
        board: What is known of it.
        paper: What to draw on. Fewer lines than it has are drawn, in fewer columns.
        memory: Bytes that this process and its children hold.

    Returns:
        One text for each line.
    """
    room = max(_LEAST_ROWS, int(_PANEL_SHARE * paper.height))
    # What is told, from the top, and how soon it is left out where lines are few.
    blocks: list[tuple[int, list[Text]]] = [
        (0, [_header(board, paper)]),
        (2, _best(board, paper)),
        (5, _chart(board, paper, rows=1 if room < 2 * _LABEL - 15 else _CHART_ROWS)),
        (4, _population(board, paper)[:1]),
        (8, _population(board, paper)[1:]),
        (1, _running(board, paper, rows=max(1, room - 7))),
        (3, _candidates(board, paper)),
        (6, _skipped(board, paper)),
        (7, _machine(board, paper, memory)),
    ]
    left, kept = room, set()
    for rank, lines in sorted(blocks, key=lambda block: block[0]):
        if lines and len(lines) <= left:
            left -= len(lines)
            kept.add(rank)
    drawn = [line for rank, lines in blocks if rank in kept for line in lines]
    for line in drawn:
        line.truncate(paper.width)
    return drawn


def ended(record: TrialRecord, best: TrialRecord | None, board: Board, paper: Paper) -> Text:
    """Draws the result of a trial, in one line unless it failed."""
    number = _Part(f"{record.number + 1:>4}{' full' if record.full_length else ''}", "bold" if best is record else "")
    if record.fitness is None:
        line = Text(f"{number.words}  ")
        line.append(paper.text(f"failed after {duration(record.seconds)}: {record.reason}"), "red")
        return line
    standing = _Part("best so far", "bold green", 1) if best is record else _Part(_best_so_far(best), "dim", 5)
    return _line(
        paper,
        [
            number,
            _Part(f"{metric_name(board.objective.metric)} {record.fitness:.4f}", "bold" if best is record else ""),
            _Part(f"{count(record.num_parameters or 0):>6} parameters", "", 4),
            _Part(f"{record.num_epochs:>3} epochs", "", 3),
            _Part(f"{duration(record.seconds):>6}", "", 2),
            standing,
        ],
        _described(record, board),
    )


def _described(record: TrialRecord, board: Board) -> str:
    return "" if board.kind is None else board.kind.describe(record.genome)


def _best_so_far(best: TrialRecord | None) -> str:
    return "" if best is None else f"best {best.fitness:.4f}"


def _header(board: Board, paper: Paper) -> Text:
    rule = "-" if paper.ascii_only else "─"
    if board.opening is None:
        name, time = "kevo", "reads the data"
    else:
        name, left = board.opening.run_folder.name, board.seconds_left
        time = f"{_whole(board.seconds)} so far" if left is None else f"{_whole(left)} left"
        time = f"{board.phase}, {time}" if board.phase else time
    time = paper.cropped(time, paper.width - 8)
    name = paper.cropped(name, paper.width - len(time) - 8)
    line = Text(f"{rule}{rule} ", "dim")
    line.append(name, "bold not dim")
    line.append(f" {rule * (paper.width - cell_len(name) - len(time) - 8)} ")
    line.append(time, "bold not dim")
    line.append(f" {rule}{rule}")
    return line


def _best(board: Board, paper: Paper) -> list[Text]:
    if (best := board.best) is None:
        return []
    score = f"{metric_name(board.objective.metric)} {best.fitness:.4f}"
    return [
        _line(
            paper,
            [_label("best"), _Part(score, "bold green"), _Part(f"candidate {best.number + 1}", "", 1)],
            _described(best, board),
        )
    ]


def _chart(board: Board, paper: Paper, *, rows: int) -> list[Text]:
    """Draws the best score so far against time."""
    width = min(_CHART, paper.width - _LABEL - 8)
    if not board.bests or width < _WORTHWHILE:
        return []
    name, points = metric_name(board.objective.metric), board.bests
    scores = [score for _, score in points]
    if paper.ascii_only or rows == 1:
        steps = charts.staircase(points, until=board.seconds, width=width)
        lines, ends = [charts.bars(steps, ascii_only=paper.ascii_only)], [f"{scores[-1]:.4f}"]
    else:
        steps = charts.staircase(points, until=board.seconds, width=2 * width)
        lines = charts.curve(steps, height=rows)
        ends = [f"{max(scores):.4f}", *[""] * (rows - 2), f"{min(scores):.4f}" if len(set(scores)) > 1 else ""]
    labels = [name, *[""] * (len(lines) - 1)]
    return [
        Text.assemble((f"{label:<{_LABEL}}", "dim"), (line, "green"), (f"  {end}", "dim"))
        for label, line, end in zip(labels, lines, ends, strict=True)
    ]


def _population(board: Board, paper: Paper) -> list[Text]:
    """Draws a mark for each member of the population, the best first, above the letter of its kind of network."""
    if not board.population:
        return []
    shown = board.population[: max(1, paper.width - _LABEL - 20)]
    fitness = [record.fitness or 0.0 for record in shown]
    sign = 1 if board.objective.direction == "max" else -1
    heights = [sign * one for one in fitness]
    # A hopeless one would make all others look alike.
    lowest = heights[0] - 2 * (heights[0] - statistics.median(heights))
    heights = [max(one, lowest) for one in heights] if lowest < heights[0] else heights
    marks, letters = (Text.assemble((f"{label:<{_LABEL}}", "dim")) for label in ("population", ""))
    kinds = [] if board.kind is None else [board.kind.network_kind(record.genome) for record in shown]
    known = () if board.kind is None else board.kind.network_kinds
    styles = dict(zip(known, itertools.cycle(_STYLES), strict=False))
    for kind, mark in zip(kinds, charts.bars(heights, ascii_only=paper.ascii_only), strict=True):
        marks.append(mark, styles[kind])
        letters.append(kind.letter, styles[kind])
    marks.append(f"  {fitness[0]:.4f} to {fitness[-1]:.4f}" if len(shown) > 1 else f"  {fitness[0]:.4f}")
    legend = ", ".join(f"{kind.letter} {kind.words}" for kind in known if kind in kinds)
    letters.append(f"  {paper.cropped(legend, paper.width - _LABEL - len(shown) - 2)}", "dim")
    return [marks, letters]


def _running(board: Board, paper: Paper, *, rows: int) -> list[Text]:
    if not board.running and board.opening is not None and not board.is_closed:
        return [Text(f"      nothing trains: {board.phase or 'the search begins'}", "dim")]
    running = sorted(board.running.items())
    num_shown = len(running) if len(running) <= rows else max(0, rows - 1)
    lines = [_training(number, one, board.clock() - one.began, paper) for number, one in running[:num_shown]]
    if more := len(running) - num_shown:
        lines.append(Text(f"      {f'and {more} more' if lines else f'{more} in training'}", "dim"))
    return lines


def _training(number: int, one: Running, seconds: float, paper: Paper) -> Text:
    if not one.stage:
        epoch = ""
    elif one.total > 1:
        epoch = f"epoch {min(int(one.done) + 1, one.total)}/{one.total}"
    else:
        epoch = f"{min(1.0, max(0.0, one.done)):.0%}"
    score = f"{metric_name(one.metric)} {one.score:.3f}" if one.metric else ""
    full, empty = "#-" if paper.ascii_only else "━─"
    share = min(1.0, max(0.0, one.done / one.total)) if one.total else 0.0
    bar = full * int(share * _BAR)
    return _line(
        paper,
        [
            _Part(f"{number + 1:>4}", "bold"),
            _Part(f"{bar}{empty * (_BAR - len(bar))}", "blue", 4),
            _Part(f"{paper.cropped(one.stage or 'begins', 9):<9}"),
            _Part(f"{epoch:<11}", "", 1),
            _Part(f"{score:<14}", "", 2),
            _Part(f"{_whole(seconds):>5}", "", 3),
            _Part(paper.cropped(one.worker, 20), "", 5),
        ],
        one.words,
    )


def _candidates(board: Board, paper: Paper) -> list[Text]:
    if board.opening is None:
        return []
    most = board.opening.settings.max_trials
    words = f"{board.num_completed} completed, {board.num_failed} failed"
    parts = [_label("candidates"), _Part(words if most is None else f"{words}, {most} at most")]
    if (failure := board.last_failure) is None:
        return [_line(paper, parts)]
    return [
        _line(paper, parts),
        _line(paper, [_label("last failure")], f"{failure.number + 1}: {failure.reason}", "red"),
    ]


def _skipped(board: Board, paper: Paper) -> list[Text]:
    sums: dict[str, dict[str, int]] = {}
    for (what, reason), num in board.num_skipped.most_common():
        sums.setdefault(what, {})[reason] = num
    words = []
    for what, nums in sums.items():
        reasons = [f"{num} {reason}" for reason, num in nums.items()] if len(nums) > 1 else list(nums)
        more = [f"{len(reasons) - _MAX_REASONS} other reasons"] if len(reasons) > _MAX_REASONS else []
        words.append(f"{sum(nums.values())} {what} ({', '.join([*reasons[:_MAX_REASONS], *more])})")
    return [_line(paper, [_label("skipped")], "; ".join(words), "")] if words else []


def _machine(board: Board, paper: Paper, memory: Sequence[int]) -> list[Text]:
    if board.opening is None:
        return []
    held = " + ".join(f"{one / 1e9:.1f}" for one in memory)
    words = f"{held} GB of memory; {board.opening.devices}" if held else board.opening.devices
    return [_line(paper, [_label("machine")], words, "")]


def _label(words: str) -> _Part:
    # Two columns are between this and what follows.
    return _Part(f"{words:<{_LABEL - 2}}", "dim")


def _line(paper: Paper, parts: Sequence[_Part], rest: str = "", style: str = "dim") -> Text:
    """Puts parts beside each other, and behind them as much of the rest as there is room for."""
    parts = [part for part in parts if part.words]
    while sum(cell_len(part.words) + 2 for part in parts) - 2 > paper.width:
        last = max(parts, key=lambda part: part.rank)
        if not last.rank:
            break
        parts = [part for part in parts if part is not last]
    line = Text()
    for place, part in enumerate(parts):
        line.append("  " if place else "")
        line.append(part.words, part.style)
    left = paper.width - line.cell_len - 2
    if rest and left >= _WORTHWHILE:
        line.append(f"  {paper.cropped(rest, left)}", style)
    return line


def _whole(seconds: float) -> str:
    """Says whole seconds in words: tenths would only flicker."""
    return f"{int(seconds)} s" if seconds < 60 else duration(int(seconds))
