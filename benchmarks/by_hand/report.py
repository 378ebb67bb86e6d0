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
choose by. It hands over one network, and often an ensemble beside it, which is shown where each seed has one. Medians
over the seeds that both have; in brackets the lowest and the highest. What is not in the table has not been measured
yet. Measured by `python -m benchmarks.by_hand`; the networks are in `benchmarks/by_hand/networks.py`."""

_HEAD = ("pictures", "minutes", "seeds", "kevo, test accuracy", "its ensemble", "by hand", "ratio", "seconds of both")


def report(rows: Sequence[Measurement]) -> str:
    """Returns the report as Markdown."""
    machines = "; ".join(dict.fromkeys(row.machine for row in rows))
    return f"{_ABOUT}\n\nMachine: {machines}.\n\n{readme_table(rows)}\n"


def readme_table(rows: Sequence[Measurement]) -> str:
    """Returns the table, which the README shows too."""
    lines = []
    for name, minutes in dict.fromkeys((row.pictures, row.minutes) for row in rows):
        measured = [row for row in rows if (row.pictures, row.minutes) == (name, minutes)]
        by_seed = [{row.seed: row for row in measured if row.tool == tool} for tool in TOOLS]
        seeds = sorted(set.intersection(*map(set, by_seed)))
        if not seeds:
            continue
        ours, theirs = ([rows_of[seed] for seed in seeds] for rows_of in by_seed)
        kevo, by_hand = ([row.test for row in side] for side in (ours, theirs))
        ensembles = [row.ensemble for row in ours if row.ensemble is not None]
        lines.append(
            (
                SETS[name].title,
                f"{minutes:g}",
                str(len(seeds)),
                _spread(kevo),
                # The median of those that there are says little about searches that end without one.
                _spread(ensembles) if len(ensembles) == len(ours) else "-",
                _spread(by_hand),
                ratio(median(kevo), median(by_hand)),
                " and ".join(f"{median(row.seconds for row in side):.0f}" for side in (ours, theirs)),
            )
        )
    return table(_HEAD, lines)


def _spread(values: Sequence[float]) -> str:
    middle = f"{median(values):.3f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.3f} to {max(values):.3f})"
