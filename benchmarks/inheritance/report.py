"""The report: how children fare with their parent's weights, and how far ranks agree with those from scratch."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.inheritance.measuring import LONG, NUM_PICTURES, SHORT, WAYS, Measurement
from benchmarks.support.numbers import median
from benchmarks.support.pages import table

_ABOUT = f"""\
A parent was trained for {LONG} epochs on {NUM_PICTURES:,} pictures of CIFAR-10, and its mutants in several ways;
accuracy on 1,000 validation pictures, whose standard error is 0.015. Mutants differ from it in the shape of the network
at least. Ranks are compared with those of a full training from scratch by Kendall's tau-b: 1 for the same order, 0 for
none in common. Medians over the seeds; in brackets the lowest and the highest. Measured by
`python -m benchmarks.inheritance`."""


def report(rows: Sequence[Measurement]) -> str:
    """Returns the report as Markdown."""
    lines = []
    for name, words in WAYS.items():
        means = [sum(row.accuracies[name]) / row.children for row in rows]
        gains = [max(row.accuracies[name]) for row in rows]
        taus = [row.tau(name) for row in rows]
        spread = "" if name == "full" else f"{median(taus):.2f} ({min(taus):.2f} to {max(taus):.2f})"
        lines.append((words, str(len(rows)), f"{median(means):.3f}", f"{median(gains):.3f}", spread))
    parents = ", ".join(f"{row.parent:.3f}" for row in rows)
    shares = median(share for row in rows for share in row.shares)
    machines = "; ".join(dict.fromkeys(row.machine for row in rows))
    return "\n\n".join(
        (
            "# Children that begin with their parent's weights",
            _ABOUT,
            table(("each child", "seeds", "mean accuracy", "the best child", "ranks as of a full training"), lines),
            f"The parents reached {parents}. The median child inherits {shares:.0%} of its weights. "
            f"A child costs {SHORT} epochs in place of {LONG}.",
            f"Machine: {machines}.\n",
        )
    )
