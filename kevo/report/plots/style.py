"""The colors, axes and labels of all figures.

Colors are those of Okabe and Ito (2008), "Color Universal Design", which stay apart for color-blind eyes.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

from kevo.report.plots.rendering import png
from kevo.system.text import metric_name, shorten

BLUE, VERMILION, GREEN, GREY, LIGHT = "#0072B2", "#D55E00", "#009E73", "#8C8C8C", "#DDDDDD"
KIND_STYLES = ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^"))
"""Color and marker of each kind of network, in the order of the task."""
_LONGEST_NAME = 24
_FAR = 2.5


class Drawn(Figure):
    """A figure that a notebook shows, whether pyplot is there or not."""

    def _repr_png_(self) -> bytes:
        return png(self)


def single(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """Returns a figure with one axes."""
    figure = Drawn(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    label(axes, title, x_label, y_label)
    return figure, axes


def label(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Gives axes their words and a light grid."""
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def legend(axes: Axes) -> None:
    """Adds a legend; text that looks like a formula is not read as one."""
    for text in axes.legend().get_texts():
        text.set_parse_math(False)


def count_along(axes: Axes, numbers: Sequence[int]) -> None:
    """Writes whole numbers on the x-axis, even if there is but one."""
    axes.set_xlim(numbers[0] - 0.6, numbers[-1] + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def logarithmic(axes: Axes, smallest: float, largest: float) -> None:
    """Makes the x-axis logarithmic, with few numbers between two of its values."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if largest / smallest < 1000 else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    in_few_letters(axes)


def in_few_letters(axes: Axes) -> None:
    """Writes large numbers on the x-axis as 5k or 20M; no second is to be read as 500m."""
    large = EngFormatter(sep="")
    axes.xaxis.set_major_formatter(lambda value, _: large(value) if abs(value) >= 1000 else f"{value:g}")


def empty(figure: Figure, axes: Axes, words: str) -> Figure:
    """Says in place of a picture why there is none."""
    axes.set(xticks=[], yticks=[], xlabel="", ylabel="")
    axes.spines[:].set_visible(False)
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=GREY)
    return figure


def window(values: Sequence[float], *, direction: str) -> tuple[float, float]:
    """Returns the range that most values are in; a few that are far worse would take the room from all others.

    Args:
        values: At least one.
        direction: What is better, `max` or `min`.
    """
    low, high = min(values), max(values)
    tail = sorted(values, reverse=direction == "min")[len(values) // 20]
    if direction == "max":
        return (tail if high - low > _FAR * (high - tail) > 0 else low), high
    return low, (tail if high - low > _FAR * (tail - low) > 0 else high)


def metric_label(metric: str) -> str:
    """Returns a metric as an axis names it: `Validation macro F1`."""
    name = metric_name(metric, with_split=True)
    return name[:1].upper() + name[1:]


def gene_label(name: str) -> str:
    """Returns a gene as an axis names it: `head dense` for `head/num_dense`."""
    return short(name.replace("/num_", "/").replace("/", " ").replace("_", " ").replace("l2", "L2"), longest=32)


def value_label(value: object) -> str:
    """Returns a gene's value in few characters."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2g}"
    return short(str(value).replace("_", " "))


def short(name: str, *, longest: int = _LONGEST_NAME) -> str:
    """Returns a name, cut so that it fits beside a mark, and safe to draw."""
    return shorten(name, longest)
