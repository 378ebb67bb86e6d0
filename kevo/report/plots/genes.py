"""Which genes mattered, and which of their values went together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kevo.objective import Objective
from kevo.report.plots.scales import Even, plain, scale_of
from kevo.report.plots.style import BLUE, GREY, Drawn, empty, gene_label, metric_label, single, window
from kevo.runs.records import TrialRecord

_MOST_BARS = 15
_MOST_GENES = 9
_INACTIVE = -0.14
"""Where lines pass that have no such gene, below the values from 0 to 1."""
_SPREAD = 0.05


def gene_importance(importance: Mapping[str, float]) -> Figure:
    """Draws how much each gene mattered, the most important first.

    Args:
        importance: Shares by gene, as `kevo.report.gene_importance` returns them. Empty where nothing can be said.

    Returns:
        The figure, with at most 15 bars.
    """
    figure, axes = single("Which genes mattered", "Share of what all genes explain", "")
    ranked = sorted(importance.items(), key=lambda item: -item[1])[:_MOST_BARS]
    if not ranked:
        return empty(
            figure, axes, "Too few candidates, or none of their genes\nexplains why some are better than others"
        )
    figure.set_figheight(1.2 + 0.3 * len(ranked))
    places = range(len(ranked))
    axes.barh(places, [share for _, share in ranked], color=BLUE)
    axes.set_yticks(places, [gene_label(name) for name, _ in ranked], parse_math=False)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.12)
    for place, (_, share) in enumerate(ranked):
        words = f"{share:.0%}" if share >= 0.01 else "<1%"
        axes.annotate(words, (share, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return figure


def parallel_coordinates(
    records: Iterable[TrialRecord], *, objective: Objective, genes: Sequence[str] | None = None
) -> Figure:
    """Draws each candidate as a line through its genes to its fitness, the better ones darker and above the others.

    Inselberg 1985, The plane with parallel coordinates, doi:10.1007/BF01898350.

    Args:
        records: The candidates. Those that failed, and finalists, which trained for longer, have no line.
        objective: What they compete for.
        genes: Which genes, in their order. By default those that vary and that most candidates have.

    Returns:
        The figure. Whoever lacks a gene passes below its values.
    """
    sign = 1 if objective.direction == "max" else -1
    done = sorted(
        (record for record in records if record.fitness is not None and not record.full_length),
        key=lambda record: sign * (record.fitness or 0.0),
    )
    varying = _varying(done)
    names = [name for name in (varying if genes is None else genes) if name in varying][:_MOST_GENES]
    figure = Drawn(figsize=(max(6.4, 1.25 * (len(names) + 2)), 4.8), layout="constrained")
    axes = figure.subplots()
    axes.set_title("Genes and fitness: the darker, the better")
    if not names:
        return empty(figure, axes, "No two candidates differ" if done else "No candidate completed")
    rows = [[*(plain(record.genome.get(name)) for name in names), record.fitness] for record in done]
    *columns, fitness = zip(*rows, strict=True)
    low, high = window(fitness, direction=objective.direction)
    is_open = min(fitness) < low, max(fitness) > high
    scales = [*map(scale_of, columns), Even(low, high, is_open=is_open)]
    # Lines through the same values lie side by side, the best above.
    offsets = np.linspace(-_SPREAD / 2, _SPREAD / 2, len(done))
    shades = matplotlib.colormaps["cividis_r"](np.linspace(0.0, 1.0, len(done)))
    for row, offset, shade in zip(rows, offsets, shades, strict=True):
        heights = [
            (_INACTIVE if value is None else scale.height(value))
            + (offset if value is None or scale.has_steps else 0.0)
            for scale, value in zip(scales, row, strict=True)
        ]
        axes.plot(range(len(heights)), heights, color=shade, alpha=0.75, linewidth=1.1)
    for place, (scale, column) in enumerate(zip(scales, [*columns, fitness], strict=True)):
        axes.axvline(place, color=GREY, linewidth=0.8, zorder=3)
        for height, words in scale.marks:
            _write(axes, place, height, words)
        if None in column:
            _write(axes, place, _INACTIVE, "not there")
    labels = [gene_label(name).replace(" ", "\n", 1) for name in names]
    axes.set_xticks(range(len(scales)), [*labels, metric_label(objective.metric).replace(" ", "\n")], parse_math=False)
    axes.tick_params(axis="x", length=0)
    axes.set(yticks=[], xlim=(-0.3, len(scales) - 0.3), ylim=(_INACTIVE - 0.08, 1.06))
    axes.spines[:].set_visible(False)
    return figure


def _write(axes: Axes, place: int, height: float, words: str) -> None:
    """Writes a value beside its axis, legible above the lines."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
    axes.annotate(
        words,
        (place, height),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=7.5,
        parse_math=False,
        bbox=box,
        zorder=4,
    )


def _varying(records: Sequence[TrialRecord]) -> list[str]:
    """Returns the genes with more than one value, those that most candidates have first."""
    values: dict[str, list[object]] = {}
    for record in records:
        for name in record.genome:
            values.setdefault(name, []).append(plain(record.genome.get(name)))
    differing = [name for name, seen in values.items() if len(set(seen)) > 1]
    return sorted(differing, key=lambda name: -len(values[name]))
