"""The report: what each change gains and costs, beside the recipe with the same seed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.conv_parts.measuring import CHANGES, Measurement
from benchmarks.support.numbers import median
from benchmarks.support.pages import table

_ABOUT = """\
The recipe that searches from scratch begin with, and the same with one change, trained for the same number of epochs on
4,000 pictures of CIFAR-10; accuracy on 1,000 validation and 2,000 test pictures. Medians over the seeds; in brackets
the lowest and the highest of the differences to the recipe with the same seed. One picture of a thousand is 0.001, and
the standard error of an accuracy of 0.65 on them is 0.015. Cost is the median ratio of core seconds. The last
column says which part a training reaches of the arithmetic that one core does each second in a product of large
matrices. Measured by `python -m benchmarks.conv_parts`."""


def report(rows: Sequence[Measurement]) -> str:
    """Returns the report as Markdown."""
    parts = [f"# What each part of a conv stack is worth\n\n{_ABOUT}"]
    for epochs in sorted({row.epochs for row in rows}):
        found = {name: [row for row in rows if (row.change, row.epochs) == (name, epochs)] for name in CHANGES}
        base = {row.seed: row for row in found["the recipe"]}
        lines = []
        for name, measured in found.items():
            paired = [(row, base[row.seed]) for row in measured if row.seed in base]
            if not paired:
                continue
            gains = [row.validation - other.validation for row, other in paired]
            lines.append(
                (
                    name,
                    f"{measured[0].num_parameters:,}",
                    str(len(paired)),
                    f"{median(row.validation for row, _ in paired):.3f}",
                    f"{median(gains):+.3f} ({min(gains):+.3f} to {max(gains):+.3f})",
                    f"{median(row.test for row, _ in paired):.3f}",
                    f"{median(row.cpu_seconds / other.cpu_seconds for row, other in paired):.2f}",
                    f"{median(row.flops / row.cpu_seconds / row.peak for row, _ in paired):.0%}",
                )
            )
        head = (
            "network",
            "parameters",
            "seeds",
            "validation",
            "gain over the recipe",
            "test",
            "times its cost",
            "of the peak",
        )
        parts.append(f"## {epochs} epochs\n\n{table(head, lines)}")
    machines = "; ".join(dict.fromkeys(row.machine for row in rows))
    return "\n\n".join(parts) + f"\n\nMachine: {machines}.\n"
