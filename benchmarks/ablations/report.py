"""The report: test scores and candidates of each search as it is, and of the same search with one change."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.ablations.measuring import CHANGES, SETS, Arm, Measurement
from benchmarks.support.numbers import median
from benchmarks.support.pages import table

_ABOUT = """\
Two searches with the same seed run at the same time, each on one core, which change with the seed: the search as it is,
and one with a change. Medians of test accuracy and cross-entropy over the seeds, and how many candidates were trained.
The gain is that of the change, with the lowest and the highest of the seeds in brackets. The standard error of an
accuracy of 0.95 on the 269 test pictures of digits is 0.013, that of 0.5 on the 2,000 of CIFAR-10 is 0.011; and a
search under a time limit is never the same twice. Measured by `python -m benchmarks.ablations`.

`Keras's moving statistics`: batch norm as Keras has it, whose statistics hold a part of what they begin with. `three
rungs`: candidates pause after a ninth and a third of their epochs, and the best go on (successive halving). The first
candidate is the linear model that a search begins with. Where three or so were trained, as on a busy machine, rungs had
nothing to compare, and their rows tell nothing of them; nor does a search that the linear model has won. There, too, a
part of the pictures may be read only, and not the same in both searches."""


def report(rows: Sequence[Measurement]) -> str:
    """Returns the report as Markdown."""
    lines = []
    for change in CHANGES:
        for name, one in SETS.items():
            found = [row for row in rows if (row.change, row.pictures) == (change, name)]
            if not found:
                continue
            gains = [row.changed.test - row.usual.test for row in found]
            lines.append(
                (
                    change,
                    one.title,
                    f"{one.seconds:g}",
                    str(len(found)),
                    *(f"{median(arm.test for arm in arms):.3f}" for arms in _arms(found)),
                    f"{median(gains):+.3f} ({min(gains):+.3f} to {max(gains):+.3f})",
                    *(f"{median(arm.loss for arm in arms):.3f}" for arms in _arms(found)),
                    *(f"{median(arm.num_candidates for arm in arms):g}" for arms in _arms(found)),
                )
            )
    head = (
        "change",
        "pictures",
        "seconds",
        "seeds",
        "accuracy as it is",
        "changed",
        "gain of the change",
        "cross-entropy as it is",
        "changed",
        "candidates as it is",
        "changed",
    )
    machines = "; ".join(dict.fromkeys(row.machine for row in rows))
    loads = [row.load for row in rows]
    return (
        f"# What parts are worth in whole searches\n\n{_ABOUT}\n\n{table(head, lines)}\n\n"
        f"Machine: {machines}; {min(loads):g} to {max(loads):g} processes of other work wanted to run.\n"
    )


def _arms(rows: Sequence[Measurement]) -> tuple[list[Arm], list[Arm]]:
    """Returns the searches as they are, and those with the change."""
    return [row.usual for row in rows], [row.changed for row in rows]
