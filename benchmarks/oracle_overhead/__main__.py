"""Measures what an oracle costs per trial: seconds, memory and bytes, kevo's beside Keras Tuner's.

    python -m benchmarks.oracle_overhead --write

Each oracle runs in a process of its own, driven as a tuner drives it: `create_trial` is the ask, `update_trial` and
`end_trial` are the tell. Around each mark some trials are timed one by one. Linux only.
"""

from __future__ import annotations

import shlex
import statistics
import sys
from collections.abc import Sequence

from benchmarks.oracle_overhead.measuring import SUBJECTS, Measurement, measure
from benchmarks.support import project
from benchmarks.support.command_line import parser
from benchmarks.support.processes import in_its_own_process, machine

REPORT = project.PAGES / "oracle_overhead.md"
MARKS = (10, 100, 1_000, 10_000)
HEAD = """\
| oracle | trials | ask, ms | tell, ms | ask + tell, ms | times the first | repeats | memory, MB | more per trial, kB \
| folder per trial, kB | written per trial, kB |
|---|---|---|---|---|---|---|---|---|---|---|"""
ABOUT = """\
# What an oracle costs per trial

Medians of trials timed one by one around each mark, on a space of 8 categorical genes with 3 values each and 4 float
genes; scores come from a formula. Ask is `create_trial`, tell is `update_trial` and `end_trial`. "Times the first" is
ask + tell over that of the first oracle at the same mark. Memory is the whole process's, TensorFlow included; "more per
trial" is its growth since the mark before. "Folder" is the size of the project folder over the number of trials,
"written" what a trial around the mark writes into files. Marks that an oracle does not reach in time are left out."""


def rows(name: str, measured: Sequence[Measurement], first: Sequence[Measurement]) -> list[str]:
    """Returns the rows of an oracle in the table.

    Args:
        name: Its name.
        measured: Its measurements, one for each mark.
        first: The measurements of the oracle that it is compared with.
    """
    compared = {one.mark: one.seconds for one in first}
    lines = []
    for one in measured:
        ratio = f"{one.seconds / compared[one.mark]:.2g}" if one.mark in compared else ""
        times = [statistics.median(one.asks), statistics.median(one.tells), one.seconds]
        sizes = [1e3 * one.growth, one.folder / 1e3, one.written / 1e3]
        cells = [
            name,
            f"{one.mark:,}",
            *(f"{1e3 * seconds:.2f}" for seconds in times),
            ratio,
            str(len(one.asks)),
            f"{one.memory:.0f}",
            *(f"{size:.1f}" for size in sizes),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(given: Sequence[str] | None = None) -> None:
    """Measures every oracle, one after the other, and prints the table."""
    options = parser(__doc__)
    options.add_argument("--marks", type=int, nargs="+", default=MARKS, help="numbers of trials")
    options.add_argument("--window", type=int, default=60, help="trials to time around each mark")
    options.add_argument("--only", help="measure only the oracles with this word in their name")
    options.add_argument("--write", action="store_true", help="write the report to docs/benchmarks")
    arguments = options.parse_args(given)

    table, first = [HEAD], None
    print(HEAD, flush=True)
    for name in SUBJECTS:
        if arguments.only and arguments.only not in name:
            continue
        measured = in_its_own_process(measure, name, sorted(arguments.marks), arguments.window)
        first = first or measured
        table += rows(name, measured, first)
        print(*table[-len(measured) :], sep="\n", flush=True)
    if arguments.write:
        command = shlex.join(
            ["python", "-m", "benchmarks.oracle_overhead", *(sys.argv[1:] if given is None else given)]
        )
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text("\n".join([ABOUT, "", f"    {command}", "", f"{machine('keras-tuner')}.", "", *table, ""]))


if __name__ == "__main__":
    main()
