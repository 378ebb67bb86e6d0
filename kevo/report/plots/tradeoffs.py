"""Trade-offs: candidates by score and size, and the front."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kevo.objective import COSTS, Objective
from kevo.report.plots.style import (
    BLUE,
    GREY,
    KIND_STYLES,
    Drawn,
    empty,
    in_few_letters,
    label,
    legend,
    logarithmic,
    metric_label,
    single,
)
from kevo.runs.records import TrialRecord
from kevo.system.text import metric_name
from kevo.tasks.protocols.kind import AnyKind, NetworkKind


def parameters_against_score(records: Iterable[TrialRecord], *, kind: AnyKind, level: float | None = None) -> Figure:
    """Draws the score of the candidates against their size.

    Args:
        records: The candidates. Those that failed have no place.
        kind: The task.
        level: What an answer without a model scores. Candidates that are no better are not on the line, unless all are.

    Returns:
        The figure. Kinds of networks differ in color and shape; the line joins the candidates that no other beats in
        both respects.
    """
    objective = next(iter(kind.objectives.values()))
    members: dict[NetworkKind, list[tuple[int, float]]] = defaultdict(list)
    for record in records:
        score = record.metrics.get(objective.metric, math.nan)
        if record.status == "completed" and record.num_parameters and math.isfinite(score):
            members[kind.network_kind(record.genome)].append((record.num_parameters, score))
    title = f"Size and {metric_name(objective.metric)}"
    figure, axes = single(title, "Parameters", metric_label(objective.metric))
    if not members:
        return empty(figure, axes, "No candidate completed")
    points = [point for of_kind in members.values() for point in of_kind]
    axes.plot(
        *zip(*_front([one for one in points if level is None or one[1] > level] or points), strict=True),
        color="black",
        drawstyle="steps-post",
        linewidth=1,
        zorder=1,
        label="Pareto front",
    )
    styles = zip(kind.network_kinds, itertools.cycle(KIND_STYLES), strict=False)
    for network_kind, (color, marker) in styles:
        if network_kind not in members:
            continue
        axes.scatter(
            *zip(*members[network_kind], strict=True),
            color=color,
            marker=marker,
            edgecolors="white",
            linewidths=0.5,
            label=network_kind.words,
        )
    # Room on both sides, so that there is a number on the axis even if all candidates are of one size.
    smallest, largest = min(points)[0] / 2, max(points)[0] * 2
    logarithmic(axes, smallest, largest)
    axes.set_xlim(smallest, largest)
    legend(axes)
    return figure


def front_of(
    records: Iterable[TrialRecord], *, front: Sequence[TrialRecord], objectives: Sequence[Objective]
) -> Figure:
    """Draws the candidates that no other beats in every objective, among all others.

    Args:
        records: All candidates. Those that failed have no place.
        front: Those on the front.
        objectives: What they competed for: one measure of quality, then one or more costs.

    Returns:
        The figure, with one axes for each cost, logarithmic where the candidates differ by more than a factor of ten.
        Each has a line of its own through those that none beats in these two respects: in large dots, with the numbers
        of the candidates where there is room. Others of the front are unbeaten only with all costs together.
    """
    if not front:
        return empty(*single("Front", "", ""), "No candidate completed")
    quality, *prices = objectives
    figure = Drawn(figsize=(6.4 * len(prices), 4.8), layout="constrained")
    members = {record.trial_id for record in front}
    others = [record for record in records if record.status == "completed" and record.trial_id not in members]
    panels = np.atleast_1d(figure.subplots(1, len(prices)))
    for axes, price in zip(panels, prices, strict=True):
        label(axes, "", COSTS[price.metric].capitalize().replace("Flops", "FLOPs"), metric_label(quality.metric))

        def places(records: Iterable[TrialRecord], cost: str = price.metric) -> list[tuple[float, float]]:
            return sorted((record.metrics[cost], record.metrics[quality.metric]) for record in records)

        # Who is unbeaten in all respects may well be beaten in these two.
        unbeaten = set(_front(places(front), is_min=quality.direction == "min"))
        beaten = [place for place in places(front) if place not in unbeaten]
        if others:
            axes.plot(*zip(*places(others), strict=True), ".", color=GREY, label="candidates")
        if beaten:
            axes.plot(
                *zip(*beaten, strict=True), "o", color=BLUE, markerfacecolor="white", label="front, by other costs"
            )
        axes.plot(
            *zip(*sorted(unbeaten), strict=True),
            "o-",
            color=BLUE,
            drawstyle="steps-post",
            markersize=7,
            label="front",
        )
        _scale(axes, [cost for cost, _ in places([*others, *front])])
        axes.margins(y=0.1)
        legend(axes)
    figure.suptitle("Front")
    # Only now is it known where everything stands.
    figure.draw_without_rendering()
    for axes, price in zip(panels, prices, strict=True):
        _name_where_there_is_room(
            axes, {str(one.number + 1): (one.metrics[price.metric], one.metrics[quality.metric]) for one in front}
        )
    return figure


def _scale(axes: Axes, costs: Sequence[float]) -> None:
    """Makes room for costs on the x-axis, and writes them in short."""
    smallest, largest = min(costs), max(costs)
    if smallest > 0 and largest > 10 * smallest:
        logarithmic(axes, smallest, largest)
    in_few_letters(axes)


def _name_where_there_is_room(axes: Axes, places: Mapping[str, tuple[float, float]]) -> None:
    """Writes names above their places; of two that would overlap, the first stays."""
    taken: list[tuple[float, float]] = []
    for name, place in places.items():
        x, y = axes.transData.transform(place) * 72 / axes.figure.dpi
        if all(abs(x - other_x) > 6 * len(name) or abs(y - other_y) > 10 for other_x, other_y in taken):
            taken.append((x, y))
            axes.annotate(name, place, xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8)


def _front(points: Iterable[tuple[float, float]], *, is_min: bool = False) -> list[tuple[float, float]]:
    """Returns the points that none beats in both respects: smaller, and more accurate.

    Args:
        points: Size and score of each.
        is_min: Whether lower scores are better.
    """
    sign = -1 if is_min else 1
    front: list[tuple[float, float]] = []
    for size, score in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        if not front or sign * score > sign * front[-1][1]:
            front.append((size, score))
    return front
