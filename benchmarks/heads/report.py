"""The report: accuracy and cross-entropy of the winner, the first head and means of several."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.heads.measuring import SETS, WAYS, Measurement, gains
from benchmarks.support.pages import table

_ABOUT = """\
# Which of many heads on one frozen network

Heads with genes by chance, and the one that a search begins with, on the features of MobileNetV2 (alpha 0.35, ImageNet
weights), trained by kevo's own trainer for up to 20 epochs on three fifths of the training pictures. The winner is
chosen by a fifth of them, as a search chooses: of the heads within one standard error of the best accuracy, the one
with the lowest cross-entropy. Those heads are averaged with it in that order. Accuracy and cross-entropy are those of
the last fifth, which was kept out of all this; test pictures were not looked at. Means over divisions; in brackets the
difference to the winner with its standard error over divisions, and in how many of them the cross-entropy is lower.
Measured by `python -m benchmarks.heads`."""


def report(rows: Sequence[Measurement]) -> str:
    """Returns the report as Markdown."""
    parts = [_ABOUT]
    for name, one in SETS.items():
        if not (found := [row for row in rows if row.name == name]):
            continue
        lines = []
        for way in WAYS:
            num = statistics.fmean(row.nums[way] for row in found)
            better = sum(gain < 0 for gain in gains(found, way, of_losses=True))
            lines.append(
                (
                    way,
                    f"{num:.1f}",
                    f"{statistics.fmean(row.accuracies[way] for row in found):.4f} ({_spread(gains(found, way))})",
                    f"{statistics.fmean(row.losses[way] for row in found):.4f} "
                    f"({_spread(gains(found, way, of_losses=True))})",
                    f"{better} of {len(found)}",
                )
            )
        head = ("what is handed over", "heads", "accuracy", "cross-entropy", "lower in")
        heads, equals = found[0].num_heads, statistics.fmean(row.num_equals for row in found)
        title = f"## {one.title[0].upper()}{one.title[1:]}"
        about = (
            f"{len(found)} divisions, {heads} heads each, of which {equals:.1f} are within one standard error of the "
            f"best on average; {found[0].num_kept_out} pictures kept out."
        )
        parts.append(f"{title}\n\n{about}\n\n{table(head, lines)}")
    machines = "; ".join(dict.fromkeys(row.machine for row in rows))
    return "\n\n".join(parts) + f"\n\nMachine: {machines}.\n"


def _spread(values: Sequence[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):+.4f} ± {error:.4f}"
