"""The report of the benchmark, and its table in the README."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.search_efficiency.bootstrap import difference, interval, regrets, resampled_means
from benchmarks.search_efficiency.measurements import Measurement, Rows
from benchmarks.search_efficiency.protocols import PROTOCOLS, Protocol
from benchmarks.search_efficiency.searchers import INNER_PARTS, OURS, PARTS, SEARCHERS

_RIVALS = ("tpe", "hyperband")
_BESIDE_SWARM = ("random", "steady_state", "swarm", OURS, "picked_swarm")
"""Without the surrogate first, so that pairs stand side by side."""
_SWARM_AFTER = (25, 50, 100)
_README_SEARCHERS = ("kevo", "tpe", "nsga2", "bayesian", "hyperband", "random", "aging", "local")

_HEAD = """\
# Search efficiency

What `python -m benchmarks.search_efficiency --data ../shared/data --write` measured: the regret of a search's choice,
the best genome that it saw, after a number of trainings. Every search runs through the interface that its users use:
oracles of Keras Tuner through `create_trial`, `update_trial` and `end_trial`, Optuna through `ask` and `tell`, all with
their defaults. Every training counts, also of a genome that was trained before. 95 % bootstrap intervals over seeds
stand in brackets. The time of a proposal is that of asking for it and of telling its score, on one core; it is rough,
since other work ran on the machine.

![Mean regret against evaluations, and its interval as a band]({figure})"""

_ABOUT_SWARM = """\
## A particle swarm in place of children

`Settings(proposal="particle_swarm")` moves particles in place of breeding children (Kennedy and Eberhart 1995,
doi:10.1109/ICNN.1995.488968). Median regret over the seeds that all five have, lower is better. No gene of these
landscapes has an order, so that particles never fly: each value stays, or is taken over from the best that the particle
or all have found."""


def report(measured: Mapping[str, Rows], *, figure: str, references: Mapping[str, Mapping[str, float]]) -> str:
    """Returns the report in Markdown.

    Args:
        measured: The measurements by landscape and searcher.
        figure: Address of the figure.
        references: Regret of genomes that need no search, by landscape and name.
    """
    parts = [_HEAD.format(figure=figure), _comparison(measured), _ablation(measured), _swarm(measured)]
    for name, protocol in PROTOCOLS.items():
        if measured.get(name):
            parts.append(_section(protocol, measured[name], references.get(name, {})))
    return "\n\n".join(filter(None, parts)) + "\n"


def readme_table(measured: Mapping[str, Rows]) -> str:
    """Returns a table of mean regrets after 50 evaluations, or after all epochs where epochs are counted."""
    titles = [SEARCHERS[name].title for name in _README_SEARCHERS]
    lines = [f"| | {' | '.join(titles)} |", "|---|" + "---|" * len(titles)]
    for name, protocol in PROTOCOLS.items():
        rows = measured.get(name, {})
        means = {
            searcher: float(regrets(rows[searcher], (protocol.budget or 50) * protocol.epochs).mean())
            for searcher in _README_SEARCHERS
            if rows.get(searcher)
        }
        best = min(means.values(), default=0.0)
        cells = [
            ""
            if searcher not in means
            else f"**{means[searcher]:.3f}**"
            if means[searcher] == best
            else f"{means[searcher]:.3f}"
            for searcher in _README_SEARCHERS
        ]
        if means:
            lines.append(f"| {protocol.title}, {protocol.unit} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _section(protocol: Protocol, rows: Rows, references: Mapping[str, float]) -> str:
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
    lines += [f"| {name} | | {' | '.join([f'{regret:.3f}'] * len(columns))} | |" for name, regret in references.items()]
    return "\n".join(lines)


def _title(name: str) -> str:
    base, _, suffix = name.partition(", ")
    return f"{SEARCHERS[base].title}, {suffix}" if suffix else SEARCHERS[base].title


def _row(title: str, protocol: Protocol, rows: Sequence[Measurement]) -> str:
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


def _comparison(measured: Mapping[str, Rows]) -> str:
    lines = [
        "## kevo against its rivals",
        "",
        "Mean regret of kevo minus that of the rival; below zero kevo is better. Bold: the 95 % interval does not "
        "include zero.",
        "",
        "| landscape | rival | kevo after | rival after | difference |",
        "|---|---|---|---|---|",
    ]
    for name, rows in measured.items():
        protocol = PROTOCOLS[name]
        pairs = [(protocol.budget, protocol.budget)] if protocol.budget else [(50, 50), (100, 100), (50, 100)]
        for rival in _RIVALS:
            for ours, theirs in pairs:
                cell = _difference(protocol, rows.get(OURS, ()), rows.get(rival, ()), ours, theirs)
                if cell:
                    title = SEARCHERS[rival].title
                    lines.append(f"| {protocol.title} | {title} | {ours:,} | {theirs:,} | {cell} |")
    return "\n".join(lines)


def _ablation(measured: Mapping[str, Rows]) -> str:
    protocols = [PROTOCOLS[name] for name in measured if not PROTOCOLS[name].budget]
    lines = [
        "## What each part of kevo is worth",
        "",
        "Mean regret without the part minus that with it, seed by seed; above zero the part helps. Bold as before.",
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


def _swarm(measured: Mapping[str, Rows]) -> str:
    """Returns medians of children and of moves over the seeds that all five searchers have; empty for none."""
    lines = []
    for name, rows in measured.items():
        protocol = PROTOCOLS[name]
        if protocol.budget or not all(rows.get(searcher) for searcher in _BESIDE_SWARM):
            continue
        seeds = set.intersection(*({row.seed for row in rows[searcher]} for searcher in _BESIDE_SWARM))
        for after in _SWARM_AFTER:
            found = [
                [row.regret(after * protocol.epochs) for row in rows[searcher] if row.seed in seeds]
                for searcher in _BESIDE_SWARM
            ]
            if seeds and not np.isnan(found).any():
                cells = " | ".join(f"{np.median(one):.3f}" for one in found)
                lines.append(f"| {protocol.title} | {len(seeds)} | {after} | {cells} |")
    if not lines:
        return ""
    titles = " | ".join(SEARCHERS[searcher].title for searcher in _BESIDE_SWARM)
    return "\n".join(
        [
            _ABOUT_SWARM,
            "",
            f"| landscape | seeds | evaluations | {titles} |",
            "|---|---|---|" + "---|" * len(_BESIDE_SWARM),
            *lines,
        ]
    )


def _loss(protocol: Protocol, rows: Rows, part: str, after: int) -> str:
    lacking, whole = ({row.seed: row for row in rows.get(name, ())} for name in (part, OURS))
    common = sorted(lacking.keys() & whole.keys())
    if not common or after * protocol.epochs > whole[common[0]].budget:
        return ""
    first, second = (regrets([of[seed] for seed in common], after * protocol.epochs) for of in (lacking, whole))
    return _cell(*difference(first, second, is_paired=True))


def _difference(
    protocol: Protocol, ours: Sequence[Measurement], theirs: Sequence[Measurement], after: int, their_after: int
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
