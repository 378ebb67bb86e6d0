"""The report: medians over seeds, kevo beside the network by hand."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.by_hand.measuring import SETS, TOOLS, Measurement
from benchmarks.support.numbers import median, ratio
from benchmarks.support.pages import table

_ABOUT = """\
# kevo beside networks that are made by hand

What a person with some practice would write first, in plain Keras: six convolutions with batch norm, or a linear head
on frozen MobileNetV2 that is fine-tuned afterwards. Both tools have the same minutes, reading included, on the same
machine, one after the other. By hand the network learns from all training pictures; kevo keeps a fifth of them back to
choose by. Medians over the seeds that both have; in brackets the lowest and the highest. What is not in the table has
not been measured yet. Measured by `python -m benchmarks.by_hand`; the networks are in
`benchmarks/by_hand/networks.py`."""


def report(rows: Sequence[Measurement]) -> str:
    """Returns the report as Markdown."""
    lines = []
    for name, minutes in dict.fromkeys((row.pictures, row.minutes) for row in rows):
        tests = {
            tool: {row.seed: row.test for row in rows if (row.pictures, row.minutes, row.tool) == (name, minutes, tool)}
            for tool in TOOLS
        }
        seeds = sorted(set.intersection(*map(set, tests.values())))
        if not seeds:
            continue
        ours, theirs = ([tests[tool][seed] for seed in seeds] for tool in TOOLS)
        seconds = (
            median(row.seconds for row in rows if (row.pictures, row.minutes, row.tool) == (name, minutes, tool))
            for tool in TOOLS
        )
        shown = (_spread(ours), _spread(theirs), ratio(median(ours), median(theirs)))
        taken = " and ".join(f"{one:.0f}" for one in seconds)
        lines.append((SETS[name].title, f"{minutes:g}", str(len(seeds)), *shown, taken))
    head = ("pictures", "minutes", "seeds", "kevo, test accuracy", "by hand", "ratio", "seconds of both")
    machines = "; ".join(dict.fromkeys(row.machine for row in rows))
    return f"{_ABOUT}\n\nMachine: {machines}.\n\n{table(head, lines)}\n"


def _spread(values: Sequence[float]) -> str:
    middle = f"{median(values):.3f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.3f} to {max(values):.3f})"
