"""The figure of the report: regret against evaluations."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from benchmarks.search_efficiency.bootstrap import interval, regrets, resampled_means
from benchmarks.search_efficiency.measurements import Rows
from benchmarks.search_efficiency.protocols import PROTOCOLS, Protocol
from benchmarks.search_efficiency.searchers import OURS, SEARCHERS

# Smallest mean regret that is drawn.
_FLOOR = 1e-3
# Okabe and Ito 2008, Color Universal Design.
_COLORS = {
    "kevo": "#000000",
    "tpe": "#d55e00",
    "nsga2": "#e69f00",
    "aging": "#0072b2",
    "local": "#56b4e9",
    "random": "#009e73",
    "bayesian": "#cc79a7",
    "hyperband": "#999999",
}


def draw(measured: Mapping[str, Rows], path: Path) -> None:
    """Draws the mean regret of the searchers against what they spent, a panel for each landscape, into a PNG file."""
    names = [name for name in PROTOCOLS if measured.get(name)]
    num_columns = min(3, len(names))
    num_rows = -(-len(names) // num_columns)
    figure, axes = plt.subplots(
        num_rows, num_columns, figsize=(4.2 * num_columns, 3.3 * num_rows + 0.6), squeeze=False, layout="constrained"
    )
    for axis, name in zip(axes.flat, names, strict=False):
        _panel(axis, PROTOCOLS[name], measured[name])
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    handles = {label: line for axis in axes.flat for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def _panel(axis: Axes, protocol: Protocol, rows: Rows) -> None:
    first, last = protocol.checkpoints[0] / 5, protocol.checkpoints[-1]
    curves = {}
    for name in _COLORS:
        if rows.get(name):
            end = min(last * protocol.epochs, rows[name][0].budget)
            spent = np.unique(np.linspace(first * protocol.epochs, end, 200).round().astype(int))
            values = np.stack([regrets(rows[name], int(epochs)) for epochs in spent], axis=1)
            is_known = ~np.isnan(values).any(axis=0)
            curves[name] = spent[is_known] / protocol.epochs, values[:, is_known]
    means = np.concatenate([values.mean(axis=0) for _, values in curves.values()])
    # A logarithmic axis has no zero: a regret of zero is drawn at the bottom.
    bottom = max(_FLOOR, 0.6 * means[means > 0].min(initial=1.0))
    for name, (x, values) in curves.items():
        low, high = (np.maximum(bound, bottom) for bound in interval(resampled_means(values)))
        is_ours = name == OURS
        axis.fill_between(x, low, high, color=_COLORS[name], alpha=0.13, linewidth=0)
        axis.plot(
            x,
            np.maximum(values.mean(axis=0), bottom),
            color=_COLORS[name],
            label=SEARCHERS[name].title,
            linewidth=2.2 if is_ours else 1.3,
            zorder=3 if is_ours else 2,
        )
    axis.set_yscale("log")
    axis.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")
    axis.tick_params(which="both", labelsize=8)
    axis.set_ylim(bottom=bottom)
    axis.set_xlim(0, last)
    axis.set_title(protocol.title, fontsize=10)
    axis.set_xlabel("epochs" if protocol.budget else "evaluations", fontsize=9)
    axis.set_ylabel(f"mean regret, {protocol.unit}", fontsize=9)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
