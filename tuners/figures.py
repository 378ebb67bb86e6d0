"""Figures of the trials of an oracle. Each stands alone: nothing is shown, and pyplot's state stays untouched."""

import io
from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tuners import history
from tuners.oracle import GeneticOracle

_BLUE, _GREY, _RED = "#0072b2", "#8c8c8c", "#d55e00"
_MOST_GENES = 15


def fitness(oracle: GeneticOracle) -> Figure:
    """Draws each trial by its score, in the order in which they were born, and the best so far as a line."""
    first = oracle.objectives[0]
    figure, axes = _single("Score by trial", "Trial", str(first.name))
    found = [
        (one.number + 1, score)
        for one, score in sorted(
            (
                (oracle.individual_of(trial_id), history.values(oracle, trial)[0])
                for trial_id, trial in oracle.trials.items()
            ),
            key=lambda pair: pair[0].number,
        )
        if score is not None
    ]
    if not found:
        return _empty(figure, axes)
    best = max if first.direction == "max" else min
    line: list[float] = []
    for _, score in found:
        line.append(score if not line else best(line[-1], score))
    axes.plot(*zip(*found, strict=True), ".", color=_GREY, label="trials")
    axes.plot([number for number, _ in found], line, color=_BLUE, drawstyle="steps-post", label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend()
    return figure


def front(oracle: GeneticOracle) -> Figure:
    """Draws the first objective against each of the others, and in each panel the trials that none beats in both."""
    first, *others = oracle.objectives
    if not others:
        raise ValueError("There is one objective only. Expected several: a front is an exchange between them.")
    figure = Figure(figsize=(6.4 * len(others), 4.8), layout="constrained")
    points = [found for trial in oracle.get_best_trials(len(oracle.trials)) if (found := _known(oracle, trial))]
    for place, (axes, other) in enumerate(zip(figure.subplots(1, len(others), squeeze=False)[0], others, strict=True)):
        _label(axes, "", str(other.name), str(first.name))
        pairs = [(found[place + 1], found[0]) for found in points]
        if not pairs:
            _empty(figure, axes)
            continue
        axes.plot(*zip(*pairs, strict=True), ".", color=_GREY, label="trials")
        unbeaten = sorted(_unbeaten(pairs, (other.direction == "max", first.direction == "max")))
        axes.plot(*zip(*unbeaten, strict=True), "o-", color=_BLUE, drawstyle="steps-post", label="front of these two")
        axes.legend()
    return figure


def importance(shares: Mapping[str, float]) -> Figure:
    """Draws which genes mattered, the most important one at the top."""
    figure, axes = _single("What explains the scores", "Share", "")
    ranked = list(shares.items())[:_MOST_GENES][::-1]
    if not ranked:
        return _empty(figure, axes, "Too few trials, or too much chance, to tell")
    axes.barh(range(len(ranked)), [share for _, share in ranked], color=_BLUE)
    axes.set_yticks(range(len(ranked)), [name for name, _ in ranked], parse_math=False)
    return figure


def svg(figure: Figure) -> str:
    """Returns a figure as an SVG element."""
    content = io.StringIO()
    # The same figure gives the same text; letters stay letters.
    with rc_context({"svg.hashsalt": "kevo", "svg.fonttype": "none"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    text = content.getvalue()
    return text[text.index("<svg") :]


def _known(oracle: GeneticOracle, trial: object) -> list[float]:
    return [value for value in history.values(oracle, trial) if value is not None]


def _unbeaten(pairs: Sequence[tuple[float, float]], is_max: tuple[bool, bool]) -> list[tuple[float, float]]:
    """Returns the pairs that no other equals or beats in both, equal ones once."""
    signs = [1 if one else -1 for one in is_max]
    ranked = sorted(set(pairs), key=lambda pair: (signs[0] * pair[0], signs[1] * pair[1]), reverse=True)
    found: list[tuple[float, float]] = []
    for pair in ranked:
        if not found or signs[1] * pair[1] > signs[1] * found[-1][1]:
            found.append(pair)
    return found


def _single(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    _label(axes, title, x_label, y_label)
    return figure, axes


def _label(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    axes.set_title(title)
    # Names come from the hypermodel: what looks like a formula is none.
    axes.set_xlabel(x_label, parse_math=False)
    axes.set_ylabel(y_label, parse_math=False)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)


def _empty(figure: Figure, axes: Axes, words: str = "No trial has completed") -> Figure:
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=_RED)
    return figure
