"""Figures of the course of a search: fitness and seconds by generation and by time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from matplotlib.figure import Figure

from kevo.objective import Objective
from kevo.report.plots.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILION,
    count_along,
    empty,
    legend,
    metric_label,
    single,
    window,
)
from kevo.runs.records import TrialRecord

_UNITS = ((3 * 3600, 3600, "Hours"), (120, 60, "Minutes"), (0, 1, "Seconds"))
"""From how many seconds on time is counted in what."""


def fitness_by_generation(records: Iterable[TrialRecord], *, objective: Objective) -> Figure:
    """Draws the best and the mean fitness of each generation, and every candidate as a dot.

    Finalists are left out: they trained for longer than the generation they come from.

    Args:
        records: The candidates.
        objective: What they compete for; its direction says which one is the best.

    Returns:
        The figure. A generation without any fitness is a gap.
    """
    generations: dict[int, list[float]] = defaultdict(list)
    for record in records:
        if record.fitness is not None and not record.full_length:
            generations[record.generation].append(record.fitness)
    figure, axes = single("Fitness by generation", "Generation", metric_label(objective.metric))
    if not generations:
        return empty(figure, axes, "No candidate completed")
    # One number stands for each gap, however wide that is.
    span = sorted({*generations, *(number + 1 for number in generations if number < max(generations))})

    def each(summary: Callable[[list[float]], float]) -> list[float]:
        return [summary(generations[number]) if number in generations else math.nan for number in span]

    dots = [(number, fitness) for number, values in generations.items() for fitness in values]
    axes.plot(*zip(*dots, strict=True), ".", color=GREY, alpha=0.6, label="candidates")
    axes.plot(span, each(lambda values: sum(values) / len(values)), "s--", color=VERMILION, label="mean")
    axes.plot(span, each(max if objective.direction == "max" else min), "o-", color=BLUE, label="best")
    count_along(axes, span)
    legend(axes)
    return figure


def fitness_by_minute(
    records: Sequence[TrialRecord], *, objective: Objective, winners: Sequence[TrialRecord | None]
) -> Figure:
    """Draws every candidate as a dot where it ended, and the best so far as a line.

    Args:
        records: The candidates, those that were trained once more at the end included.
        objective: What they compete for.
        winners: For each record the one that would have won when it ended; see `kevo.runs.ranking.winners`.

    Returns:
        The figure, with time in seconds, minutes or hours, whichever suits.
    """
    done = sorted(
        (record.finished_at, record.fitness, record.full_length) for record in records if record.fitness is not None
    )
    seconds = done[-1][0] if done else 0.0
    _, unit, words = next(row for row in _UNITS if seconds >= row[0])
    figure, axes = single("Fitness by time", f"{words} of search", metric_label(objective.metric))
    if not done:
        return empty(figure, axes, "No candidate completed")
    # Where the best began belongs to the picture, however far it came.
    low, high = window([fitness for _, fitness, _ in done], direction=objective.direction)
    low, high = min(low, done[0][1]), max(high, done[0][1])
    within = [(at / unit, fitness, is_final) for at, fitness, is_final in done if low <= fitness <= high]
    for final, style in (
        (False, {"marker": ".", "color": GREY, "alpha": 0.6, "label": "candidates"}),
        (True, {"marker": "^", "color": GREEN, "label": "finalists"}),
    ):
        if dots := [(at, fitness) for at, fitness, is_final in within if is_final is final]:
            axes.plot(*zip(*dots, strict=True), linestyle="none", **style)
    if far := [at / unit for at, fitness, _ in done if not low <= fitness <= high]:
        marker, edge = ("v", 0.02) if objective.direction == "max" else ("^", 0.98)
        axes.plot(
            far,
            [edge] * len(far),
            marker,
            color=VERMILION,
            markersize=4,
            transform=axes.get_xaxis_transform(),
            label=f"{len(far)} far worse",
        )
    steps = [
        (record.finished_at / unit, winner.fitness)
        for record, winner in zip(records, winners, strict=True)
        if record.fitness is not None and winner is not None and winner.fitness is not None
    ]
    axes.plot(*zip(*steps, strict=True), color=BLUE, drawstyle="steps-post", label="best so far")
    axes.set_xlim(0, 1.03 * seconds / unit if seconds > 0 else 1.0)
    legend(axes)
    return figure


def seconds_by_generation(records: Iterable[TrialRecord]) -> Figure:
    """Draws how long the candidates of each generation trained, and how much of that was lost in failures.

    Finalists are left out, as in `fitness_by_generation`.

    Args:
        records: The candidates.

    Returns:
        The figure, with one stacked bar for each generation.
    """
    seconds: dict[str, dict[int, float]] = {"completed": defaultdict(float), "failed": defaultdict(float)}
    for record in records:
        if not record.full_length:
            seconds[record.status][record.generation] += record.seconds
    figure, axes = single("Training time by generation", "Generation", "Seconds, all candidates together")
    generations = sorted({number for bars in seconds.values() for number in bars})
    if not generations:
        return empty(figure, axes, "No candidate was trained")
    tops = [0.0] * len(generations)
    for status, color, hatch in (("completed", BLUE, None), ("failed", VERMILION, "//")):
        if seconds[status]:
            heights = [seconds[status].get(number, 0.0) for number in generations]
            axes.bar(generations, heights, bottom=tops, color=color, hatch=hatch, edgecolor="white", label=status)
            tops = [top + height for top, height in zip(tops, heights, strict=True)]
    count_along(axes, generations)
    if seconds["failed"]:
        # Above the bars, which may be as wide as the picture.
        axes.set_ylim(0, 1.25 * max(tops))
        legend(axes)
    return figure
