"""How a candidate learned."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from kevo.report.plots.style import BLUE, GREY, VERMILION, Drawn, count_along, empty, label, legend, short
from kevo.runs.records import TrialRecord


def learning_curves(record: TrialRecord) -> Figure:
    """Draws accuracy and loss of one candidate, on the training and the validation split, epoch by epoch.

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
