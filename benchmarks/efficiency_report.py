"""Tells and draws what `search_efficiency.py` measured: means, bootstrap intervals, tables and a figure.

Intervals are percentile intervals of the bootstrap over seeds: Efron and Tibshirani 1993, An Introduction to the
Bootstrap, chapter 13, doi:10.1201/9780429246593.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from landscapes import PROTOCOLS, Floats, Protocol
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from peers import INNER_PARTS, PARTS, SEARCHERS

_NUM_RESAMPLES = 2000
_OURS = "kevo"
_RIVALS = ("tpe", "hyperband")
_BRIEF = ("kevo", "tpe", "nsga2", "bayesian", "hyperband", "random", "aging", "local")
# The least mean regret that is drawn.
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


@dataclass(frozen=True)
class Measured:
    """What became of one search.

    Args:
        landscape: Name of the protocol.
        searcher: Its name.
        seed: Of search and landscape.
        budget: Epochs that it might spend.
        steps: Epochs spent and the regret of the choice from then on, whenever that changed.
        num_trainings: How many it asked for.
        seconds: That it took to ask for them and to take note of what they showed, in all.
    """

    landscape: str
    searcher: str
    seed: int
    budget: int
    steps: tuple[tuple[int, float], ...]
    num_trainings: int
    seconds: float

    def regret(self, epochs: int) -> float:
        """Returns the regret of the choice after so many epochs; NaN if there is none yet."""
        return next((regret for spent, regret in reversed(self.steps) if spent <= epochs), float("nan"))


Rows = Mapping[str, Sequence[Measured]]


def regrets(rows: Sequence[Measured], epochs: int) -> Floats:
    """Returns the regret of each search after so many epochs."""
    return np.array([row.regret(epochs) for row in rows])


def resampled_means(values: Floats, *, seed: int = 0) -> Floats:
    """Returns the means of resamples of `values` along its first axis, one resample in each row."""
    num = len(values)
    counts = np.random.default_rng(seed).multinomial(num, np.full(num, 1 / num), size=_NUM_RESAMPLES)
    means: Floats = counts @ values / num
    return means


def interval(means: Floats) -> tuple[Floats, Floats]:
    """Returns the bounds within which 95 % of resampled means lie."""
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def difference(first: Floats, second: Floats, *, is_paired: bool) -> tuple[float, float, float]:
    """Returns how much greater the mean of `first` is than that of `second`, and the bounds of its 95 % interval.

    Args:
        first: One value for each seed.
        second: Likewise; paired, of the same seeds in the same order.
        is_paired: Whether to compare seed by seed.
    """
    if is_paired:
        means = resampled_means(first - second)
    else:
        means = resampled_means(first, seed=0) - resampled_means(second, seed=1)
    low, high = interval(means)
    return float(first.mean() - second.mean()), float(low), float(high)


def tell(measured: Mapping[str, Rows], *, figure: str, alone: Mapping[str, Mapping[str, float]]) -> str:
    """Returns the report in Markdown.

    Args:
        measured: By landscape and searcher, what became of each seed.
        figure: Address of the figure.
        alone: By landscape and name, the regret of a genome that asks for no search.
    """
    parts = [_HEAD.format(figure=figure), _rivalry(measured), _ablation(measured)]
    for name, protocol in PROTOCOLS.items():
        if measured.get(name):
            parts.append(_section(protocol, measured[name], alone.get(name, {})))
    return "\n\n".join(parts) + "\n"


def brief(measured: Mapping[str, Rows]) -> str:
    """Returns a table of the mean regrets after 50 evaluations, or all epochs where they are what is counted."""
    titles = [SEARCHERS[name].title for name in _BRIEF]
    lines = [f"| | {' | '.join(titles)} |", "|---|" + "---|" * len(titles)]
    for name, protocol in PROTOCOLS.items():
        rows = measured.get(name, {})
        means = {
            searcher: float(regrets(rows[searcher], (protocol.budget or 50) * protocol.epochs).mean())
            for searcher in _BRIEF
            if rows.get(searcher)
        }
        best = min(means.values(), default=0.0)
        cells = [
            ""
            if searcher not in means
            else f"**{means[searcher]:.3f}**"
            if means[searcher] == best
            else f"{means[searcher]:.3f}"
            for searcher in _BRIEF
        ]
        if means:
            lines.append(f"| {protocol.title}, {protocol.unit} | {' | '.join(cells)} |")
    return "\n".join(lines)


_HEAD = """\
# Search efficiency

What `python benchmarks/search_efficiency.py --data ../shared/data --write` measured: the regret of a search's choice,
the best that it saw, after so many trainings. Every search runs through the interface that its users use: oracles of
Keras Tuner through `create_trial`, `update_trial` and `end_trial`, Optuna through `ask` and `tell`, all with their
defaults. A training counts whenever one is asked for, even of a genome that was trained before. In brackets stand 95 %
bootstrap intervals over seeds. A proposal's time is that of asking for it and of telling what came of it, on one core;
it is rough, since other work ran beside.

![Mean regret against evaluations, and its interval as a band]({figure})"""


def _section(protocol: Protocol, rows: Rows, alone: Mapping[str, float]) -> str:
    unit = "epochs" if protocol.budget else "evaluations"
    columns = [f"{checkpoint:,} {unit}" for checkpoint in protocol.checkpoints]
    lines = [
        f"## {protocol.title}",
        "",
        f"{protocol.about} Mean regret in {protocol.unit}:",
        "",
        f"| searcher | seeds | {' | '.join(columns)} | ms per proposal |",
        "|---|---|" + "---|" * (len(columns) + 1),
    ]
    for name in (*SEARCHERS, *(name for name in rows if name not in SEARCHERS)):
        if rows.get(name):
            lines.append(_row(_title(name), protocol, rows[name]))
    lines += [f"| {name} | | {' | '.join([f'{regret:.3f}'] * len(columns))} | |" for name, regret in alone.items()]
    return "\n".join(lines)


def _title(name: str) -> str:
    base, _, suffix = name.partition(", ")
    return f"{SEARCHERS[base].title}, {suffix}" if suffix else SEARCHERS[base].title


def _row(title: str, protocol: Protocol, rows: Sequence[Measured]) -> str:
    cells = []
    for checkpoint in protocol.checkpoints:
        epochs = checkpoint * protocol.epochs
        values = regrets(rows, epochs)
        if epochs > rows[0].budget or np.isnan(values).any():
            cells.append("")
        else:
            low, high = interval(resampled_means(values))
            cells.append(f"{values.mean():.3f} [{low:.3f}, {high:.3f}]")
    milliseconds = 1000 * float(np.median([row.seconds / row.num_trainings for row in rows]))
    return f"| {title} | {len(rows)} | {' | '.join(cells)} | {milliseconds:.2g} |"


def _rivalry(measured: Mapping[str, Rows]) -> str:
    lines = [
        "## kevo against its rivals",
        "",
        "Mean regret of kevo less that of the rival; below zero kevo is better. What is in bold is no chance: its 95 % "
        "interval does not hold zero.",
        "",
        "| landscape | rival | kevo after | rival after | difference |",
        "|---|---|---|---|---|",
    ]
    for name, rows in measured.items():
        protocol = PROTOCOLS[name]
        pairs = [(protocol.budget, protocol.budget)] if protocol.budget else [(50, 50), (100, 100), (50, 100)]
        for rival in _RIVALS:
            for ours, theirs in pairs:
                cell = _difference(protocol, rows.get(_OURS, ()), rows.get(rival, ()), ours, theirs)
                if cell:
                    title = SEARCHERS[rival].title
                    lines.append(f"| {protocol.title} | {title} | {ours:,} | {theirs:,} | {cell} |")
    return "\n".join(lines)


def _ablation(measured: Mapping[str, Rows]) -> str:
    protocols = [PROTOCOLS[name] for name in measured if not PROTOCOLS[name].budget]
    lines = [
        "## What each part of kevo is worth",
        "",
        "Mean regret without the part less that with it, seed by seed; above zero the part helps. Bold as before.",
        "",
        f"| without, after | {' | '.join(protocol.title for protocol in protocols)} |",
        "|---|" + "---|" * len(protocols),
    ]
    for name in (*PARTS, *INNER_PARTS):
        for after in (25, 50, 200):
            cells = [_loss(protocol, measured[protocol.name], name, after) for protocol in protocols]
            if any(cells):
                lines.append(f"| {SEARCHERS[name].title}, {after} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _loss(protocol: Protocol, rows: Rows, part: str, after: int) -> str:
    lacking, whole = ({row.seed: row for row in rows.get(name, ())} for name in (part, _OURS))
    common = sorted(lacking.keys() & whole.keys())
    if not common or after * protocol.epochs > whole[common[0]].budget:
        return ""
    first, second = (regrets([of[seed] for seed in common], after * protocol.epochs) for of in (lacking, whole))
    return _cell(*difference(first, second, is_paired=True))


def _difference(
    protocol: Protocol, ours: Sequence[Measured], theirs: Sequence[Measured], after: int, their_after: int
) -> str:
    if protocol.is_drawn:
        common = {row.seed for row in ours} & {row.seed for row in theirs}
        ours = sorted((row for row in ours if row.seed in common), key=lambda row: row.seed)
        theirs = sorted((row for row in theirs if row.seed in common), key=lambda row: row.seed)
    if not ours or not theirs:
        return ""
    first = regrets(ours, after * protocol.epochs)
    second = regrets(theirs, their_after * protocol.epochs)
    return _cell(*difference(first, second, is_paired=protocol.is_drawn))


def _cell(mean: float, low: float, high: float) -> str:
    cell = f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"**{cell}**" if low > 0 or high < 0 else cell


def draw(measured: Mapping[str, Rows], path: Path) -> None:
    """Draws the mean regret of the searchers against what they spent, one panel for each landscape."""
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
    # A logarithmic axis has no zero: what is none lies on the bottom.
    bottom = max(_FLOOR, 0.6 * means[means > 0].min(initial=1.0))
    for name, (x, values) in curves.items():
        low, high = (np.maximum(bound, bottom) for bound in interval(resampled_means(values)))
        is_ours = name == _OURS
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
