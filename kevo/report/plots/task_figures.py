"""The figures that a task asks for: counts by true and predicted names, bars, points, curves and lines."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from kevo.report.plots.style import BLUE, GREY, Drawn, short
from kevo.tasks.pages import Bars, CountMatrix, Curves, Drawing, Lines, Scatter

_MOST_COUNTED = 20
"""With more names than this, counts no longer fit into their fields."""
_MOST_NAMED = 100


def task_figure(drawing: Drawing) -> Figure:
    """Draws a figure of a task's; in a count matrix color is the share of the true name.

    Args:
        drawing: What to draw.
    """
    match drawing:
        case CountMatrix():
            return _count_matrix(drawing)
        case Bars():
            return _bars(drawing)
        case Scatter():
            return _scatter(drawing)
        case Curves():
            return _curves(drawing)
        case Lines():
            return _lines(drawing)


def _count_matrix(drawing: CountMatrix) -> Figure:
    counts = np.asarray(drawing.counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    num = len(drawing.names)
    side = min(3.5 + 0.4 * num, 16.0)
    figure = Drawn(figsize=(side + 1.0, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    figure.colorbar(image, ax=axes, label="Share of the true class", shrink=0.8)
    axes.set(title=drawing.title, xlabel="Predicted class", ylabel="True class")
    ticks = range(0, num, math.ceil(num / _MOST_NAMED))
    names = [short(drawing.names[tick]) for tick in ticks]
    size = 9 if num <= _MOST_COUNTED else 7
    # A class may be called "$5": what looks like a formula is none.
    axes.set_xticks(ticks, names, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(ticks, names, fontsize=size, parse_math=False)
    if num <= _MOST_COUNTED:
        for (row, column), share in np.ndenumerate(shares):
            color = "white" if share > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=8)
    return figure


def _bars(drawing: Bars) -> Figure:
    num = len(drawing.values)
    figure = Drawn(figsize=(8.0, 1.2 + 0.3 * num), layout="constrained")
    axes = figure.subplots()
    places = range(num)
    axes.barh(places, [value for _, value in drawing.values], color=BLUE)
    axes.set_yticks(places, [short(name) for name, _ in drawing.values], parse_math=False)
    axes.invert_yaxis()
    axes.set(title=drawing.title, xlabel=drawing.label)
    return figure


def _scatter(drawing: Scatter) -> Figure:
    figure = Drawn(figsize=(6.0, 6.0), layout="constrained")
    axes = figure.subplots()
    points = np.asarray(drawing.points, float).reshape(-1, 2)
    low, high = (points.min(), points.max()) if len(points) else (0.0, 1.0)
    axes.plot([low, high], [low, high], color=GREY, linestyle=":", zorder=1)
    axes.scatter(points[:, 0], points[:, 1], s=12, alpha=0.6, color=BLUE, edgecolors="none")
    axes.set(title=drawing.title, xlabel=drawing.x_label, ylabel=drawing.y_label)
    return figure


def _curves(drawing: Curves) -> Figure:
    figure = Drawn(figsize=(6.0, 6.0), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", zorder=1)
    for name, points in drawing.curves:
        x, y = zip(*points, strict=True)
        axes.step(x, y, where="post", label=short(name))
    axes.set(
        title=drawing.title, xlabel=drawing.x_label, ylabel=drawing.y_label, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01)
    )
    for text in axes.legend(loc="lower right", fontsize=8).get_texts():
        text.set_parse_math(False)
    return figure


def _lines(drawing: Lines) -> Figure:
    figure = Drawn(figsize=(9.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for place, (name, numbers) in enumerate(drawing.lines):
        # The first line is what the others are held against.
        style = "-" if place else ".:"
        axes.plot(range(1, len(numbers) + 1), numbers, style, color=None if place else GREY, label=short(name))
    axes.set(title=drawing.title, xlabel=drawing.x_label, ylabel=drawing.y_label)
    for text in axes.legend(fontsize=8).get_texts():
        text.set_parse_math(False)
    return figure
