"""The figures of a report: their names, captions and drawing functions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kevo.objective import COSTS, Objective
from kevo.report import plots
from kevo.report.gene_importance import importance
from kevo.report.plots.style import gene_label
from kevo.runs import ranking
from kevo.runs.reader import Facts
from kevo.runs.records import TrialRecord
from kevo.system.text import metric_name

_MANY = 1000
"""More dots or lines than these are drawn as pixels: a page of single shapes would be slow, and large."""
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure.

    Args:
        name: Its name, fit for a file.
        words: What it shows, for those who do not see it.
        draw: Draws it.
    """

    name: str
    words: str
    draw: Callable[[], Figure]

    def figure(self) -> Figure:
        """Draws the figure; many shapes are drawn as pixels."""
        figure = self.draw()
        for axes in figure.axes:
            _lighten(axes)
        return figure


def drawings(facts: Facts) -> Iterator[Drawing]:
    """Yields the figures that there is something to draw for, in the order of the page.

    Args:
        facts: What is known of the search.
    """
    records, objective, winner = facts.records, facts.objective, facts.winner
    if winner is not None:
        winners = facts.winners
        last = next(one for one in reversed(winners) if one is not None)
        better = max if objective.direction == "max" else min
        best = better(record.fitness for record in records if record.fitness is not None)
        # Among finalists, those within one standard error of the best are equals.
        why = " Of candidates that are about as good, the one with the lowest loss wins." * (winner.fitness != best)
        yield Drawing(
            "fitness",
            f"The best and the mean of each generation, and each candidate as a dot. The winner reaches "
            f"{metric_name(objective.metric, with_split=True)} {winner.fitness:.4g}, in generation {winner.generation}."
            f"{why}",
            lambda: plots.fitness_by_generation(records, objective=objective),
        )
        yield Drawing(
            "minutes",
            f"Each candidate as a dot where it ended, and the best so far as a line, which ends at "
            f"{metric_name(objective.metric, with_split=True)} {last.fitness:.4g}.",
            lambda: plots.fitness_by_minute(records, objective=objective, winners=winners),
        )
    if records:
        yield Drawing(
            "seconds",
            "How long the candidates of each generation trained, and how much of that was lost in failures.",
            lambda: plots.seconds_by_generation(records),
        )
    if winner is not None:
        yield Drawing(
            "family_tree",
            "The ancestors of the winner, each with its fitness, how it came to be, and the genes that it changed.",
            lambda: plots.family_tree(records, winner=winner, kind=facts.kind),
        )
        if shares := importance(records):
            yield Drawing("genes", _describe_shares(shares), lambda: plots.gene_importance(shares))
        yield Drawing(
            "parallel_coordinates",
            "Each candidate as a line through its genes to its fitness, the better ones darker.",
            lambda: plots.parallel_coordinates(records, objective=objective),
        )
        measured, objectives = priced(facts)
        members = front(measured, objectives)
        yield Drawing(
            "front",
            f"Candidates by {metric_name(objective.metric)} and "
            f"{' and '.join(COSTS[one.metric] for one in objectives[1:])}. {len(members)} of them no other beats in "
            "everything.",
            lambda: plots.front_of(measured, front=members, objectives=objectives),
        )
        yield Drawing(
            "learning_curves",
            "Score and loss of the best candidate, epoch by epoch, on the training and the validation split.",
            lambda: plots.learning_curves(winner, kind=facts.kind),
        )
    if facts.outcome is not None:
        for one in facts.kind.drawings(facts.outcome.test):
            yield Drawing(one.name, one.caption, functools.partial(plots.task_figure, one))


def priced(facts: Facts) -> tuple[list[TrialRecord], list[Objective]]:
    """Returns the candidates with their costs among their metrics, and the objectives to compare them by.

    Size and time are known of every candidate, whether the search minimized them or not. Of a search that has ended,
    those that are no better than an answer without a model are left out: the smallest of them would beat all others in
    size.
    """
    level = None if facts.outcome is None else facts.objective.level(facts.outcome.validation)
    costs = dict.fromkeys(("params", "seconds", *(one.metric for one in facts.objectives[1:])))
    measured = [
        dataclasses.replace(
            record, metrics={"params": float(record.num_parameters), "seconds": record.seconds, **record.metrics}
        )
        for record in ranking.informed(facts.rivals, facts.objective, level)
        if record.num_parameters
    ]
    return measured, [facts.objective, *(Objective(cost, "min") for cost in costs)]


def front(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[TrialRecord]:
    """Returns the candidates that no other beats in every objective, the best in the first one first; equals once."""
    signs = [1 if one.direction == "max" else -1 for one in objectives]
    points: dict[tuple[float, ...], TrialRecord] = {}
    for record in records:
        point = tuple(sign * record.metrics[one.metric] for sign, one in zip(signs, objectives, strict=True))
        points.setdefault(point, record)
    chosen: list[tuple[float, ...]] = []
    # Whoever beats a candidate comes before it in this order.
    for point in sorted(points, reverse=True):
        if not any(all(map(float.__ge__, other, point)) for other in chosen):
            chosen.append(point)
    return [points[point] for point in chosen]


def _lighten(axes: Axes) -> None:
    lines = axes.get_lines()
    for line in lines:
        if len(lines) > _MANY or np.size(line.get_xdata()) > _MANY:
            line.set_rasterized(True)
    for dots in axes.collections:
        if max(np.shape(dots.get_offsets())[0], len(dots.get_paths())) > _MANY:
            dots.set_rasterized(True)


def _describe_shares(shares: dict[str, float]) -> str:
    ranked = sorted(shares.items(), key=lambda item: -item[1])[:_MOST_NAMED]
    words = ", ".join(f"{gene_label(name)} {share:.0%}" for name, share in ranked)
    return f"What explains the most of why some candidates are better than others: {words}."
