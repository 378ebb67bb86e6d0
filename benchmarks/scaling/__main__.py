"""Measures how the cost of a search grows with its candidates and its pictures.

    python -m benchmarks.scaling --write

Candidates: a search whose trainings take no time; what remains is the scheduler's own time. Pictures: a search of
pictures that are made here, from the command to its first model.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from benchmarks.scaling import candidates, first_model
from benchmarks.support import project
from benchmarks.support.command_line import log, parser
from benchmarks.support.pages import table
from benchmarks.support.processes import in_its_own_process, machine

REPORT = project.PAGES / "scaling.md"
MARKS = (10, 100, 1_000, 10_000)
NUMS = (256, 2_048, 16_384, 65_536)
ABOUT = """\
# How the cost of a search grows

**Candidates.** A search that has so many candidates already, and whose trainings take no time: what one more costs the
scheduler, from giving it out to its record on disk, in milliseconds, the median of 50. What the oracle takes to breed
it is [measured apart](search_efficiency.md). Beside it how long `kevo status` reads the run folder, while the search is
at work and when it is not.

**Pictures.** From the command to the first `best.keras`, in seconds; loading TensorFlow and reading the data are a part
of it. Peak memory is that of the search's own process until then."""


def main(given: Sequence[str] | None = None) -> None:
    """Measures, and prints the report."""
    options = parser(__doc__)
    options.add_argument("--marks", type=int, nargs="*", default=MARKS, help="numbers of candidates")
    options.add_argument("--pictures", type=int, nargs="*", default=NUMS, help="numbers of pictures")
    options.add_argument("--size", type=int, default=32, help="side of the pictures, in pixels")
    options.add_argument("--classes", type=int, default=10, help="number of classes")
    options.add_argument("--write", action="store_true", help="write the report to docs/benchmarks")
    arguments = options.parse_args(given)
    command = shlex.join(["python", "-m", "benchmarks.scaling", *(sys.argv[1:] if given is None else given)])
    parts = [ABOUT, f"    {command}", f"{machine('tensorflow', 'keras')}."]
    if arguments.marks:
        costs = [in_its_own_process(candidates.measure, mark, 50) for mark in sorted(arguments.marks)]
        rows = [
            [
                f"{one.num_candidates:,}",
                *(f"{1e3 * cost:.1f}" for cost in (one.scheduler, one.status_at_work, one.status)),
            ]
            for one in costs
        ]
        parts.append(table(["candidates", "scheduler, ms", "status at work, ms", "status, ms"], rows))
    rows = []
    for num in sorted(arguments.pictures):
        found = first_model.measure(num, size=arguments.size, num_classes=arguments.classes)
        rows.append(
            [f"{num:,}", f"{found.size}", f"{found.num_classes}", f"{found.seconds:.1f}", f"{found.memory:.0f}"]
        )
        log(f"{num} pictures: {found.seconds:.1f} s")
    if rows:
        parts.append(table(["pictures", "px", "classes", "first model, s", "peak memory, MB"], rows))
    report = "\n\n".join(parts) + "\n"
    print(report)
    if arguments.write:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(report)


if __name__ == "__main__":
    main()
