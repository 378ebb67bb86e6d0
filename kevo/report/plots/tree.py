"""The family tree of the winner: its ancestors, and the genes that each of them changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from kevo.report.plots.style import BLUE, GREY, Drawn, gene_label, short, value_label
from kevo.runs.records import TrialRecord
from kevo.tasks.protocols.kind import AnyKind

_MOST_SHOWN = 16
_MOST_CHANGES = 3
_LONGEST_LINE = 38
_ORIGINS = {
    "seed": "one to begin with",
    "random": "drawn at random",
    "crossover": "crossed",
    "mutation": "mutated",
    "promotion": "trained further",
    "final": "trained to the end",
}
# In inches.
_WIDTH, _WAY, _GAP, _LINE, _BETWEEN, _HEAD = 2.8, 0.15, 0.2, 0.18, 0.4, 0.35


@dataclass(frozen=True)
class _Box:
    """A place in the drawing: the middle of its upper edge, and its height. With lines of text it is a candidate."""

    x: float
    top: float
    height: float
    lines: Sequence[str]

    @property
    def bottom(self) -> float:
        return self.top - self.height


def family_tree(records: Iterable[TrialRecord], *, winner: TrialRecord, kind: AnyKind) -> Figure:
    """Draws the ancestors of a candidate, each above those that it led to.

    The layers and the ways between them are those of Sugiyama et al. 1981, doi:10.1109/TSMC.1981.4308636, in short.

    Args:
        records: All candidates.
        winner: The candidate, at the bottom.
        kind: The task.

    Returns:
        The figure. Each box tells a candidate's fitness, how it came to be, and which of its genes no parent has; those
        without parents are grey. Of many ancestors the sixteen nearest are drawn; a dotted line leads to the others.
    """
    known = {record.trial_id: record for record in records} | {winner.trial_id: winner}
    parents = {one: _parents(record, known) for one, record in known.items()}
    layers, ways = _layers(_nearest(winner.trial_id, parents, known), parents, known)
    shown = [one for layer in layers for one in layer if one in known]
    lines = {one: _lines(known[one], [known[parent] for parent in parents[one]], kind) for one in shown}
    boxes, width, height = _arranged(layers, lines)
    figure = Drawn(figsize=(width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    axes.text(width / 2, height - 0.1, "Where the winner comes from", ha="center", va="top", fontsize=12)
    for way in ways:
        stops = [boxes[stop] for stop in way]
        corners = [(stop.x, edge) for stop in stops for edge in (stop.top, stop.bottom)][1:-1]
        axes.plot(*zip(*corners, strict=True), color=GREY, linewidth=1.2, zorder=1)
    for one in shown:
        box = boxes[one]
        if any(parent not in boxes for parent in parents[one]):
            axes.plot([box.x, box.x], [box.top, box.top + 0.6 * _BETWEEN], ":", color=GREY, linewidth=1.4, zorder=1)
        _draw(axes, box, is_leaf=not parents[one], is_winner=one == winner.trial_id)
    return figure


def _parents(record: TrialRecord, known: Mapping[str, TrialRecord]) -> tuple[str, ...]:
    """Returns the known parents; a trial that is not older cannot be one."""
    return tuple(one for one in record.parents if one in known and known[one].number < record.number)


def _nearest(winner: str, parents: Mapping[str, Sequence[str]], known: Mapping[str, TrialRecord]) -> list[str]:
    """Returns a candidate and its nearest ancestors, the younger first among those that are as near."""
    found, nearest = [winner], [winner]
    while nearest and len(found) < _MOST_SHOWN:
        next_ones = {parent for one in nearest for parent in parents[one]} - set(found)
        nearest = sorted(next_ones, key=lambda one: -known[one].number)[: _MOST_SHOWN - len(found)]
        found += nearest
    return found


def _layers(
    shown: Sequence[str], parents: Mapping[str, Sequence[str]], known: Mapping[str, TrialRecord]
) -> tuple[list[list[str]], list[list[str]]]:
    """Puts candidates in layers, each above all that it led to.

    Returns:
        The layers, the highest first, and the ways from each parent down to its child. Where a way crosses a layer it
        has a place of its own there, under a name that no trial has.
    """
    depths = dict.fromkeys(shown, 0)
    # Whoever is younger has its final place when its parents get theirs.
    for one in sorted(shown, key=lambda one: -known[one].number):
        for parent in parents[one]:
            if parent in depths:
                depths[parent] = max(depths[parent], depths[one] + 1)
    ways = [
        [parent, *(f"{parent}/{child}/{depth}" for depth in range(depths[parent] - 1, depths[child], -1)), child]
        for child in shown
        for parent in parents[child]
        if parent in depths
    ]
    layers: list[list[str]] = [[] for _ in range(max(depths.values()) + 1)]
    children: dict[str, list[str]] = {one: [] for one in shown}
    for way in ways:
        for above, below in pairwise(way):
            children.setdefault(above, []).append(below)
        depths |= {stop: depths[way[-1]] + steps for steps, stop in enumerate(reversed(way))}
    for one, depth in depths.items():
        layers[depth].append(one)
    # From the winner upward, each stands above the middle of what it leads to.
    places: dict[str, float] = {}
    for layer in layers:
        middles = {one: sum(places[child] for child in children[one]) / max(len(children[one]), 1) for one in layer}
        layer.sort(key=lambda one: middles[one])
        places |= {one: index - (len(layer) - 1) / 2 for index, one in enumerate(layer)}
    return layers[::-1], ways


def _arranged(
    layers: Sequence[Sequence[str]], lines: Mapping[str, Sequence[str]]
) -> tuple[dict[str, _Box], float, float]:
    """Returns where everything stands, and the width and height of it all."""
    widths = {one: _WIDTH if one in lines else _WAY for layer in layers for one in layer}
    heights = [_LINE * (max(len(lines.get(one, ())) for one in layer) + 0.8) for layer in layers]
    width = max(*(sum(widths[one] + _GAP for one in layer) + _GAP for layer in layers), 6.4)
    height = sum(heights) + _BETWEEN * len(layers) + _HEAD + _GAP
    top = height - _HEAD - _BETWEEN
    boxes = {}
    for layer, box_height in zip(layers, heights, strict=True):
        left = (width - sum(widths[one] + _GAP for one in layer) + _GAP) / 2
        for one in layer:
            boxes[one] = _Box(left + widths[one] / 2, top, box_height, lines.get(one, ()))
            left += widths[one] + _GAP
        top -= box_height + _BETWEEN
    return boxes, width, height


def _draw(axes: Axes, box: _Box, *, is_leaf: bool, is_winner: bool) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (box.x - _WIDTH / 2, box.bottom),
            _WIDTH,
            box.height,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="#EEEEEE" if is_leaf else "white",
            edgecolor=BLUE if is_winner else GREY,
            linewidth=2.4 if is_winner else 0.9,
            zorder=2,
        )
    )
    for number, words in enumerate(box.lines):
        y = box.top - (number + 0.9) * _LINE
        weight = "bold" if number == 0 else "normal"
        axes.text(box.x, y, words, ha="center", va="center", fontsize=9, fontweight=weight, parse_math=False, zorder=3)


def _lines(record: TrialRecord, parents: Sequence[TrialRecord], kind: AnyKind) -> list[str]:
    """Returns a few lines on a candidate, and on the genes that are new in it."""
    fitness = "failed" if record.fitness is None else f"{record.fitness:.4g}"
    origin = _ORIGINS.get(record.origin, short(record.origin))
    lines = [f"{record.number + 1}: {fitness}", f"generation {record.generation}{origin and f', {origin}'}"]
    if not parents:
        return [*lines, short(kind.network_name(record.genome))]
    values = {name: [_words(one.genome, name) for one in (record, *parents)] for name in _genes(record, parents)}
    if len(parents) == 2:
        nums = [sum(new == both[place] != both[1 - place] for new, *both in values.values()) for place in (0, 1)]
        words = (f"{num} from {parent.number + 1}" for num, parent in zip(nums, parents, strict=True))
        lines.append(f"genes: {', '.join(words)}")
    changes = [
        short(f"{gene_label(name)}: {old} → {new}", longest=_LONGEST_LINE)
        for name, (new, old, *others) in values.items()
        if new not in (old, *others)
    ]
    more = len(changes) - _MOST_CHANGES
    return [*lines, *(changes if more < 2 else [*changes[:_MOST_CHANGES], f"and {more} more"])]


def _genes(record: TrialRecord, parents: Sequence[TrialRecord]) -> list[str]:
    return list(dict.fromkeys(name for one in (record, *parents) for name in one.genome))


def _words(genome: Mapping[str, object], name: str) -> str:
    return value_label(genome[name]) if name in genome else "none"
