"""Pictures of a search: what it found, what it cost, how the winner learned and what it confuses.

Every function turns records into a figure that stands alone: nothing is shown, pyplot's global state stays untouched.
Colors are those of Okabe and Ito (2008), "Color Universal Design", which stay apart for color-blind eyes.
"""

from __future__ import annotations

import io
import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

from kevo.objectives import COSTS, Objective
from kevo.runs import TrialRecord, atomic_write_bytes

_BLUE, _VERMILION, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#8C8C8C"
_FAMILY_STYLES = {"conv": (_BLUE, "o"), "pretrained": (_VERMILION, "s")}
_OTHER_STYLE = (_GREEN, "^")
_DPI = 150
_MOST_ANNOTATED_CLASSES = 20
_MOST_NAMED_CLASSES = 100
_LONGEST_NAME = 24


def save_all(
    run_folder: Path,
    records: Sequence[TrialRecord],
    *,
    objective: Objective,
    winner: TrialRecord,
    confusion: Sequence[Sequence[int]],
    class_names: Sequence[str],
) -> list[Path]:
    """Draws every picture of a finished search into the folder `plots` of its run folder.

    Args:
        run_folder: Where to write.
        records: All candidates.
        objective: What they competed for.
        winner: The best of them.
        confusion: Numbers of test pictures, true classes in rows, predicted classes in columns.
        class_names: Names of the classes, in the order of the rows.

    Returns:
        The paths of the pictures.

    Raises:
        RunError: the folder cannot be written.
    """
    figures = {
        "fitness": fitness_by_generation(records, objective=objective),
        "seconds": seconds_by_generation(records),
        "learning_curves": learning_curves(winner),
        "confusion": confusion_matrix(confusion, class_names=class_names),
        "parameters": parameters_against_accuracy(records),
    }
    return [_save(run_folder, name, figure) for name, figure in figures.items()]


def save_front(
    run_folder: Path,
    records: Sequence[TrialRecord],
    *,
    front: Sequence[TrialRecord],
    objectives: Sequence[Objective],
) -> Path:
    """Draws the front of a finished search into the folder `plots` of its run folder; arguments as for `front_of`."""
    return _save(run_folder, "front", front_of(records, front=front, objectives=objectives))


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
    figure, axes = _figure("Fitness by generation", "Generation", _metric_label(objective.metric))
    if not generations:
        return _empty(figure, axes, "No candidate completed")
    span = range(min(generations), max(generations) + 1)

    def each(summary: Callable[[list[float]], float]) -> list[float]:
        return [summary(generations[number]) if number in generations else math.nan for number in span]

    dots = [(number, fitness) for number, values in generations.items() for fitness in values]
    axes.plot(*zip(*dots, strict=True), ".", color=_GREY, alpha=0.6, label="candidates")
    axes.plot(span, each(lambda values: sum(values) / len(values)), "s--", color=_VERMILION, label="mean")
    axes.plot(span, each(max if objective.direction == "max" else min), "o-", color=_BLUE, label="best")
    _count_along(axes, span)
    axes.legend()
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
    figure, axes = _figure("Training time by generation", "Generation", "Seconds, all candidates together")
    generations = sorted({number for bars in seconds.values() for number in bars})
    if not generations:
        return _empty(figure, axes, "No candidate was trained")
    tops = [0.0] * len(generations)
    for status, color, hatch in (("completed", _BLUE, None), ("failed", _VERMILION, "//")):
        if seconds[status]:
            heights = [seconds[status].get(number, 0.0) for number in generations]
            axes.bar(generations, heights, bottom=tops, color=color, hatch=hatch, edgecolor="white", label=status)
            tops = [top + height for top, height in zip(tops, heights, strict=True)]
    _count_along(axes, generations)
    if seconds["failed"]:
        axes.legend()
    return figure


def learning_curves(record: TrialRecord) -> Figure:
    """Draws accuracy and loss of one candidate, on training and validation pictures, epoch by epoch.

    Args:
        record: The candidate. A metric that its history lacks is left out.

    Returns:
        The figure, with two axes. A line marks where each further training stage starts.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    figure.suptitle("Learning curves of the best candidate")
    epochs = range(1, len(record.history) + 1)
    metrics = {"accuracy": "val_accuracy", "loss": "val_cross_entropy"}
    for axes, (metric, validation) in zip(figure.subplots(1, 2), metrics.items(), strict=True):
        _label(axes, "", "Epoch", metric.capitalize())
        for name, words, style in (
            (metric, "training", {"color": _VERMILION, "linestyle": "--", "marker": "s"}),
            (validation, "validation", {"color": _BLUE, "linestyle": "-", "marker": "o"}),
        ):
            values = [epoch.get(name, math.nan) for epoch in record.history]
            if any(map(math.isfinite, values)):
                axes.plot(epochs, values, label=words, markersize=3, **style)
        if not axes.lines:
            _empty(figure, axes, f"No {metric} was recorded")
            continue
        for epoch, (before, after) in enumerate(zip(record.stages, record.stages[1:], strict=False), start=1):
            if before != after:
                axes.axvline(epoch + 0.5, color=_GREY, linestyle=":", label=f"{after} starts")
        _count_along(axes, epochs)
        axes.legend()
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
    figure = Figure(figsize=(side + 1.0, side), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    figure.colorbar(picture, ax=axes, label="Share of the true class", shrink=0.8)
    axes.set(title="Confusion matrix", xlabel="Predicted class", ylabel="True class")
    ticks = range(0, num_classes, math.ceil(num_classes / _MOST_NAMED_CLASSES))
    names = [_short(class_names[tick]) for tick in ticks]
    size = 9 if num_classes <= _MOST_ANNOTATED_CLASSES else 7
    # A class may be called "$5": what looks like a formula is none.
    axes.set_xticks(ticks, names, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(ticks, names, fontsize=size, parse_math=False)
    if num_classes <= _MOST_ANNOTATED_CLASSES:
        for (row, column), share in np.ndenumerate(shares):
            color = "white" if share > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=8)
    return figure


def parameters_against_accuracy(records: Iterable[TrialRecord]) -> Figure:
    """Draws what accuracy the candidates reach at what size.

    Args:
        records: The candidates. Those that failed have no place.

    Returns:
        The figure. Families differ in color and shape; the line joins those that no other beats in both respects.
    """
    families: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in records:
        accuracy = record.metrics.get("val_accuracy", math.nan)
        if record.status == "completed" and record.num_parameters and math.isfinite(accuracy):
            families[str(record.genome.get("family", "unknown"))].append((record.num_parameters, accuracy))
    figure, axes = _figure("Size and accuracy", "Parameters", _metric_label("val_accuracy"))
    if not families:
        return _empty(figure, axes, "No candidate completed")
    points = [point for family in families.values() for point in family]
    axes.plot(
        *zip(*_front(points), strict=True),
        color="black",
        drawstyle="steps-post",
        linewidth=1,
        zorder=1,
        label="Pareto front",
    )
    for family, members in sorted(families.items()):
        color, marker = _FAMILY_STYLES.get(family, _OTHER_STYLE)
        axes.scatter(
            *zip(*members, strict=True), color=color, marker=marker, edgecolors="white", linewidths=0.5, label=family
        )
    axes.set_xscale("log")
    # Room on both sides, so that there is a number on the axis even if all candidates are of one size.
    smallest, largest = min(points)[0] / 2, max(points)[0] * 2
    axes.set_xlim(smallest, largest)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if largest / smallest < 1000 else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.legend()
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
        The front is drawn in large dots, named by trial where there is room, all others in small ones.
    """
    quality, *prices = objectives
    figure = Figure(figsize=(6.4 * len(prices), 4.8), layout="constrained")
    members = {record.trial_id for record in front}
    others = [record for record in records if record.status == "completed" and record.trial_id not in members]
    panels = np.atleast_1d(figure.subplots(1, len(prices)))
    for axes, price in zip(panels, prices, strict=True):
        _label(axes, "", COSTS[price.metric].capitalize().replace("Flops", "FLOPs"), _metric_label(quality.metric))

        def places(records: Iterable[TrialRecord], cost: str = price.metric) -> list[tuple[float, float]]:
            return sorted((record.metrics[cost], record.metrics[quality.metric]) for record in records)

        if others:
            axes.plot(*zip(*places(others), strict=True), ".", color=_GREY, label="candidates")
        # Only with a single cost do the members lie on one line.
        style = {"linestyle": "-" if len(prices) == 1 else "none", "drawstyle": "steps-post", "markersize": 7}
        axes.plot(*zip(*places(front), strict=True), "o", color=_BLUE, label="front", **style)
        _scale(axes, [cost for cost, _ in places([*others, *front])])
        axes.margins(y=0.1)
        axes.legend()
    figure.suptitle("Front")
    # Only now is it known where everything stands.
    figure.draw_without_rendering()
    for axes, price in zip(panels, prices, strict=True):
        _name_where_there_is_room(
            axes, {one.trial_id: (one.metrics[price.metric], one.metrics[quality.metric]) for one in front}
        )
    return figure


def _scale(axes: Axes, costs: Sequence[float]) -> None:
    """Makes room for costs on the x-axis, and writes them in short."""
    smallest, largest = min(costs), max(costs)
    if smallest > 0 and largest > 10 * smallest:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if largest / smallest < 1000 else (1,)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _name_where_there_is_room(axes: Axes, places: Mapping[str, tuple[float, float]]) -> None:
    """Writes names above their places; of two that would overlap, the first stays."""
    taken: list[tuple[float, float]] = []
    for name, place in places.items():
        x, y = axes.transData.transform(place) * 72 / axes.figure.dpi
        if all(abs(x - other_x) > 6 * len(name) or abs(y - other_y) > 10 for other_x, other_y in taken):
            taken.append((x, y))
            axes.annotate(name, place, xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8)


def _front(points: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """Returns the points that none beats in both respects: smaller, and more accurate."""
    front: list[tuple[int, float]] = []
    for size, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or accuracy > front[-1][1]:
            front.append((size, accuracy))
    return front


def _figure(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    _label(axes, title, x_label, y_label)
    return figure, axes


def _label(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _count_along(axes: Axes, numbers: Sequence[int]) -> None:
    """Writes whole numbers on the x-axis, even if there is but one."""
    axes.set_xlim(numbers[0] - 0.6, numbers[-1] + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _empty(figure: Figure, axes: Axes, words: str) -> Figure:
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=_GREY)
    return figure


def _metric_label(metric: str) -> str:
    """Says `val_macro_f1` in words."""
    name = metric.removeprefix("val_").replace("_", " ").replace("f1", "F1")
    return f"Validation {name}" if metric.startswith("val_") else name.capitalize()


def _short(name: str) -> str:
    """Makes a class name fit beside its row; it may be any folder name."""
    words = " ".join(name.encode(errors="replace").decode().split())
    return words if len(words) <= _LONGEST_NAME else f"{words[: _LONGEST_NAME - 1]}…"


def _save(run_folder: Path, name: str, figure: Figure) -> Path:
    path = run_folder / "plots" / f"{name}.png"
    atomic_write_bytes(path, _png(figure))
    return path


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Class names in scripts that the font lacks show boxes; the numbers are right all the same.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()
