"""How the winner learned, and what it confuses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from kevo.report.plots.style import BLUE, GREY, VERMILION, Drawn, count_along, empty, label, legend, short
from kevo.runs.records import TrialRecord

_MOST_ANNOTATED_CLASSES = 20
_MOST_NAMED_CLASSES = 100


def learning_curves(record: TrialRecord) -> Figure:
    """Draws accuracy and loss of one candidate, on training and validation pictures, epoch by epoch.

    Args:
        record: The candidate. A metric that its history lacks is left out.

    Returns:
        The figure, with two axes. A line marks where each further training stage starts.
    """
    figure = Drawn(figsize=(10, 4.2), layout="constrained")
    figure.suptitle("Learning curves of the best candidate")
    epochs = range(1, len(record.history) + 1)
    metrics = {"accuracy": "val_accuracy", "loss": "val_cross_entropy"}
    for axes, (metric, validation) in zip(figure.subplots(1, 2), metrics.items(), strict=True):
        label(axes, "", "Epoch", metric.capitalize())
        for name, words, style in (
            (metric, "training", {"color": VERMILION, "linestyle": "--", "marker": "s"}),
            (validation, "validation", {"color": BLUE, "linestyle": "-", "marker": "o"}),
        ):
            values = [epoch.get(name, math.nan) for epoch in record.history]
            if any(map(math.isfinite, values)):
                axes.plot(epochs, values, label=words, markersize=3, **style)
        if not axes.lines:
            empty(figure, axes, f"No {metric} was recorded")
            continue
        for epoch, (before, after) in enumerate(zip(record.stages, record.stages[1:], strict=False), start=1):
            if before != after:
                axes.axvline(epoch + 0.5, color=GREY, linestyle=":", label=f"{short(after)} starts")
        count_along(axes, epochs)
        legend(axes)
    return figure


def confusion_matrix(confusion: Sequence[Sequence[int]], *, class_names: Sequence[str]) -> Figure:
    """Draws which classes are taken for which.

    Args:
        confusion: Numbers of pictures, true classes in rows, predicted classes in columns.
        class_names: Names of the classes, in the order of the rows.

    Returns:
        The figure. Color is the share of the true class; numbers of pictures are written in where there is room.
    """
    counts = np.asarray(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    num_classes = len(class_names)
    side = min(3.5 + 0.4 * num_classes, 16.0)
    figure = Drawn(figsize=(side + 1.0, side), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    figure.colorbar(picture, ax=axes, label="Share of the true class", shrink=0.8)
    axes.set(title="Confusion matrix", xlabel="Predicted class", ylabel="True class")
    ticks = range(0, num_classes, math.ceil(num_classes / _MOST_NAMED_CLASSES))
    names = [short(class_names[tick]) for tick in ticks]
    size = 9 if num_classes <= _MOST_ANNOTATED_CLASSES else 7
    # A class may be called "$5": what looks like a formula is none.
    axes.set_xticks(ticks, names, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(ticks, names, fontsize=size, parse_math=False)
    if num_classes <= _MOST_ANNOTATED_CLASSES:
        for (row, column), share in np.ndenumerate(shares):
            color = "white" if share > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=8)
    return figure
