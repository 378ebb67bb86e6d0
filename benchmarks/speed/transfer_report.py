"""The report of transfer learning against the clock: its tables, its figure and the table of the README."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.speed.measurements import TITLES
from benchmarks.speed.tables import Group, machines, median_of
from benchmarks.support.numbers import cell, median, ratio
from benchmarks.support.pages import table

CHECKPOINTS = (2, 5, 15)
"""Minutes after which the tables show the test accuracy."""
# Okabe and Ito 2008, Color Universal Design; dashes tell the curves apart where colors do not.
STYLES = {"kevo": ("#000000", "-"), "random": ("#009e73", ":"), "bayesian": ("#cc79a7", "--")}
ABOUT = """\
# Transfer learning against the clock

What `python -m benchmarks.speed.transfer` measured on cats_vs_dogs (2,000 photographs, a fifth of them for validation,
and 500 to test): conv stacks and a MobileNetV2 (alpha 0.35) with ImageNet weights, frozen at any cut or fine-tuned. All
tools have the same space, splits and time. Each search runs alone in a process of its own. The clock starts before the
pictures are read, with everything imported. kevo's cache is empty at first. Keras Tuner's networks are compiled by the
same code as kevo's, and trained by `fit` for up to 20 epochs with `EarlyStopping` (patience 5); a candidate that
fine-tunes trains its head first. Pictures are resized to a network's input before `fit`. Only kevo has the gene
`mirror`, since `fit` validates the network that it trains, which takes no mirrored pictures. BayesianOptimization
begins with 5 random trials; with its default of three per gene it would make no others within the time.

Numbers are medians over seeds. A search's choice is the model with the best validation accuracy so far: for Keras Tuner
from the end of the epoch, for kevo from the end of the candidate, if kevo kept its model. Choices are scored on the
test pictures after the search. Candidates are those that did not fail, without kevo's final trainings, and per hour
until the last one ended. "Frozen per hour" are candidates with a frozen backbone per hour of their own training; "a
later frozen one" is a candidate whose backbone, cut and size an earlier one had, too. Memory is resident memory of the
process, including files of features that are mapped into it, and its growth with each candidate the slope of the least
squares line. "Without mapped files" leaves these out, which the system may drop at any time; it stands there where each
seed was measured so.

kevo was developed on this data set, and its test pictures were looked at on the way. There are 500 of them, so that the
standard error of an accuracy of 0.97 is 0.008.

What the time of kevo's candidates was spent on before they became faster, and what it is spent on now, is in [the
design](../design.md#where-the-time-of-a-candidate-went)."""


def report(found: Sequence[Group], *, figure: str) -> str:
    """Returns the report in Markdown.

    Args:
        found: The measurements, the longest searches first.
        figure: Address of the figure.
    """
    parts = [ABOUT, f"Machine: {machines(found)}.", f"![Test accuracy over time]({figure})"]
    for group in found:
        parts += [f"## {group.setting}", _speeds(group), _accuracies(group)]
        if comparison := _comparison(group):
            parts.append(comparison)
    return "\n\n".join(parts) + "\n"


def _speeds(group: Group) -> str:
    head = (
        "tool",
        "seeds",
        "candidates",
        "failed",
        "candidates per hour",
        "frozen per hour",
        "a later frozen one, s",
        "peak memory, MB",
        "without mapped files, MB",
        "MB more per candidate",
    )
    return table(
        head,
        (
            (
                TITLES[tool],
                str(len(rows)),
                cell(median_of(rows, lambda one: len(one.searched)), "g"),
                cell(median_of(rows, lambda one: one.num_failed), "g"),
                cell(median_of(rows, lambda one: one.per_hour), ".1f"),
                # A search without such a candidate does not count.
                cell(median(one.frozen_per_hour for one in rows), ".1f"),
                cell(median(one.later_frozen_seconds for one in rows), ".2f"),
                cell(median_of(rows, lambda one: one.peak), ".0f"),
                cell(median_of(rows, lambda one: one.own_peak), ".0f"),
                cell(median_of(rows, lambda one: one.memory_slope), ".1f"),
            )
            for tool, rows in group.by_tool.items()
        ),
    )


def _accuracies(group: Group) -> str:
    marks = _marks(group)
    return "Test accuracy:\n\n" + table(
        ("tool", *(f"after {mark} min" for mark in marks), "at the end", "ensemble"),
        (
            (
                TITLES[tool],
                *(cell(median_of(rows, lambda one, mark=mark: one.test_at(60 * mark)), ".4f") for mark in marks),  # type: ignore[misc]
                cell(median_of(rows, lambda one: one.test), ".4f"),
                cell(median(one.ensemble for one in rows if one.ensemble is not None), ".4f"),
            )
            for tool, rows in group.by_tool.items()
        ),
    )


def _marks(group: Group) -> list[int]:
    return [mark for mark in CHECKPOINTS if 60 * mark < group.limit]


def _comparison(group: Group) -> str:
    """Returns a table of kevo against each other tool, seed by seed; empty if no seed has both."""
    lines = []
    for tool in group.by_tool:
        pairs = group.pairs(tool)
        if tool == "kevo" or not pairs:
            continue
        reached = [our.seconds_to(math.nan if their.test is None else their.test) for our, their in pairs]
        lines.append(
            (
                TITLES[tool],
                str(len(pairs)),
                ratio(*(median(row.per_hour for row in rows) for rows in zip(*pairs, strict=True))),
                ratio(*(median(row.frozen_per_hour for row in rows) for rows in zip(*pairs, strict=True))),
                cell(median(reached), ".0f"),
                f"{sum(map(math.isfinite, reached))} of {len(reached)}",
                ratio(*(median(row.peak for row in rows) for rows in zip(*pairs, strict=True))),
            )
        )
    if not lines:
        return ""
    return table(
        (
            "kevo against",
            "seeds",
            "times the candidates per hour",
            "times the frozen per hour",
            "seconds to its final test accuracy",
            "reached by",
            "times its peak memory",
        ),
        lines,
    )


def readme_table(group: Group, *, page: str) -> str:
    """Returns the table of the README, with a link to the report, by the name of its page."""
    marks = _marks(group)
    shown = table(
        (
            f"{group.setting}, cats_vs_dogs",
            "seeds",
            "candidates per hour",
            *(f"test accuracy after {mark} min" for mark in marks),
            "at the end",
            "peak memory, MB",
        ),
        (
            (
                TITLES[tool],
                str(len(rows)),
                cell(median_of(rows, lambda one: one.per_hour), ".0f"),
                *(cell(median_of(rows, lambda one, mark=mark: one.test_at(60 * mark)), ".3f") for mark in marks),  # type: ignore[misc]
                cell(median_of(rows, lambda one: one.test), ".3f"),
                cell(median_of(rows, lambda one: one.peak), ".0f"),
            )
            for tool, rows in group.by_tool.items()
        ),
    )
    whole = f"[The whole report](docs/benchmarks/{page})"
    return f"{shown}\n\n{whole} has a figure, the times to each other's accuracies, and memory."


def draw(group: Group, path: Path) -> None:
    """Draws the test accuracy of each search's choice over time, and the median over seeds, into a PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
    last = max(one.seconds for rows in group.by_tool.values() for one in rows)
    finite = []
    for tool, rows in group.by_tool.items():
        color, dashes = STYLES[tool]
        grid = np.unique([0.0, last, *(step.seconds for one in rows for step in one.steps)])
        curves = np.array([[one.chosen_at(seconds) for seconds in grid] for one in rows])
        for curve in curves:
            axis.step(grid / 60, curve, where="post", color=color, linestyle=dashes, linewidth=0.7, alpha=0.5)
        middle = np.median(curves, axis=0)
        axis.step(grid / 60, middle, where="post", color=color, linestyle=dashes, linewidth=2.4, label=TITLES[tool])
        finite.extend(middle[np.isfinite(middle)])
    axis.set_xlim(0, last / 60)
    # First choices may be no better than chance; they are cut off so that later ones can be told apart.
    bottom = min(max(min(finite, default=0.0), 0.8), max(finite, default=1.0)) - 0.01
    axis.set_ylim(bottom, 1.0)
    axis.set_xlabel("minutes")
    axis.set_ylabel("test accuracy of the choice")
    seeds = max(map(len, group.by_tool.values()))
    axis.set_title(f"cats_vs_dogs, {seeds} seed{'s, their median thick' if seeds > 1 else ''}", fontsize=10)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)
