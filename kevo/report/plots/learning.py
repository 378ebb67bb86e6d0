"""How a candidate learned."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from kevo.report.plots.style import BLUE, GREY, VERMILION, Drawn, count_along, empty, label, legend, short
from kevo.runs.records import TrialRecord
from kevo.system.text import metric_name
from kevo.tasks.protocols.kind import AnyKind


def learning_curves(record: TrialRecord, *, kind: AnyKind) -> Figure:
    """Draws score and loss of one candidate, on the training and the validation split, epoch by epoch.

    Args:
        record: The candidate. A metric that its history lacks is left out.
        kind: The task.

    Returns:
        The figure, with two axes. A line marks where each further training stage starts.
    """
    figure = Drawn(figsize=(10, 4.2), layout="constrained")
    figure.suptitle("Learning curves of the best candidate")
    epochs = range(1, len(record.history) + 1)
    for axes, (metric, validation) in zip(figure.subplots(1, 2), kind.curves.items(), strict=True):
        name = metric_name(metric)
        label(axes, "", "Epoch", name[:1].upper() + name[1:])
        for key, words, style in (
            (metric, "training", {"color": VERMILION, "linestyle": "--", "marker": "s"}),
            (validation, "validation", {"color": BLUE, "linestyle": "-", "marker": "o"}),
        ):
            values = [epoch.get(key, math.nan) for epoch in record.history]
            if any(map(math.isfinite, values)):
                axes.plot(epochs, values, label=words, markersize=3, **style)
        if not axes.lines:
            empty(figure, axes, f"No {name} was recorded")
            continue
        for epoch, (before, after) in enumerate(zip(record.stages, record.stages[1:], strict=False), start=1):
            if before != after:
                axes.axvline(epoch + 0.5, color=GREY, linestyle=":", label=f"{short(after)} starts")
        count_along(axes, epochs)
        legend(axes)
    return figure
