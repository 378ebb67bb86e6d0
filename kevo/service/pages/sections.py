"""What a task says of a result, as plain values that a template draws."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kevo.errors import KevoError
from kevo.runs.outcome import Outcome
from kevo.service.pages.charts import HEIGHT, LEFT, WIDTH
from kevo.tasks.pages import Bars, Block, CountMatrix, Known, Lines, Pages, Paragraph, Scatter, Share, Table

_SHADES = 8
_MOST_CLASSES = 40
_MOST_ROWS = 50
_MOST_POINTS = 500
_MARGIN = 28


def sections(pages: Pages, run: Path, outcome: Outcome) -> list[dict[str, Any]]:
    """Returns the sections of a report that need no data, such as scores by class and what columns are worth.

    Args:
        pages: The task's.
        run: The run folder.
        outcome: What the search has found.
    """
    known = Known(run_folder=run, validation=outcome.validation, test=outcome.test, dataset=None, reason="")
    found: list[dict[str, Any]] = []
    with contextlib.suppress(KevoError):
        for section in pages.sections(known):
            # The drawings stand above them already.
            parts = (block(part) for part in section.blocks if isinstance(part, Paragraph | Table))
            found.append({"title": section.title, "blocks": [one for one in parts if one is not None]})
    # What only says that there is no data says nothing here.
    return [one for one in found if any(part["kind"] == "table" for part in one["blocks"])]


def block(one: Block) -> dict[str, Any] | None:
    """Returns a block by its `kind`; `None` for what a page here does not show."""
    match one:
        case Paragraph():
            return _shown("paragraph", text=one.text) if one.text else None
        case Table():
            rows = [[_cell(cell) for cell in row] for row in one.rows[:_MOST_ROWS]]
            return _shown("table", label=one.label, head=one.head, rows=rows, num_rows=len(one.rows))
        case CountMatrix():
            return _shaded(one)
        case Bars():
            most = max((abs(value) for _, value in one.values), default=0.0) or 1.0
            rows = [[name, {"text": f"{value:.3f}", "share": abs(value) / most}] for name, value in one.values]
            table = {"label": one.title, "head": ("", one.label), "rows": rows[:_MOST_ROWS], "num_rows": len(rows)}
            return _shown("table", one.title, one.caption, **table)
        case Scatter():
            return _points(one)
        case Lines():
            return _lines(one)
    return None


def _shown(kind: str, title: str = "", caption: str = "", **values: Any) -> dict[str, Any]:
    return {"kind": kind, "title": title, "caption": caption, **values}


def _cell(cell: str | Share) -> dict[str, Any] | str:
    return {"text": f"{100 * cell.value:.1f}%", "share": cell.value} if isinstance(cell, Share) else cell


def _shaded(matrix: CountMatrix) -> dict[str, Any] | None:
    """Returns a confusion matrix with a shade for each cell, of its share of the row; `None` for too many classes."""
    if len(matrix.names) > _MOST_CLASSES:
        return None
    rows = []
    for name, counts in zip(matrix.names, matrix.counts, strict=True):
        total = sum(counts) or 1
        rows.append((name, [(count, math.ceil(_SHADES * count / total)) for count in counts]))
    return _shown("matrix", matrix.title, matrix.caption, names=matrix.names, rows=rows)


def _points(scatter: Scatter) -> dict[str, Any] | None:
    """Returns pairs as places of a drawing, with the line on which both numbers are the same."""
    points = _some([(x, y) for x, y in scatter.points if math.isfinite(x) and math.isfinite(y)])
    if not points:
        return None
    numbers = [number for point in points for number in point]
    low, high = min(numbers), max(numbers)
    span = (high - low) or 1.0

    def place(x: float, y: float) -> tuple[int, int]:
        across, up = (x - low) / span, (y - low) / span
        return round(LEFT + across * (WIDTH - LEFT - 12)), round(HEIGHT - _MARGIN - up * (HEIGHT - _MARGIN - 12))

    limits = {"low": f"{low:.4g}", "high": f"{high:.4g}", "start": place(low, low), "end": place(high, high)}
    about = {"x_label": scatter.x_label, "y_label": scatter.y_label, **limits}
    places = list(dict.fromkeys(place(x, y) for x, y in points))
    return _shown("scatter", scatter.title, scatter.caption, points=places, **about)


def _lines(one: Lines) -> dict[str, Any] | None:
    """Returns numbers in order as the corners of lines over the same steps."""
    kept = [(name, values[-_MOST_POINTS:]) for name, values in one.lines]
    known = [value for _, values in kept for value in values if math.isfinite(value)]
    if not known:
        return None
    low, high, steps = min(known), max(known), max(len(values) for _, values in kept)

    def place(step: int, value: float) -> str:
        across, up = step / ((steps - 1) or 1), (value - low) / ((high - low) or 1.0)
        return f"{round(LEFT + across * (WIDTH - LEFT - 12))},{round(HEIGHT - _MARGIN - up * (HEIGHT - _MARGIN - 12))}"

    drawn = [
        (name, " ".join(place(step, value) for step, value in enumerate(values) if math.isfinite(value)))
        for name, values in kept
    ]
    about = {"x_label": one.x_label, "y_label": one.y_label, "low": f"{low:.4g}", "high": f"{high:.4g}"}
    return _shown("lines", one.title, one.caption, lines=drawn, num_steps=steps, **about)


def _some(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    return points[:: math.ceil(len(points) / _MOST_POINTS)] if points else points
