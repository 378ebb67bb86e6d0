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

**Candidates.** A search of small pictures whose trainings take no time, in milliseconds for one more candidate, medians
of the last 50: the scheduler, from giving a trial out to its record on disk; the part of it that the oracle takes,
which breeds candidates with a surrogate; and `kevo status` of a search at work and of one that is not, once each.

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
        costs = in_its_own_process(candidates.measure, sorted(arguments.marks), 50)
        head = [
            "candidates",
            "scheduler, ms",
            "of it the oracle, ms",
            "without it, ms",
            "status at work, ms",
            "status, ms",
        ]
        parts.append(
            table(
                head,
                [
                    [
                        f"{one.num_candidates:,}",
                        *(
                            f"{1e3 * seconds:.1f}"
                            for seconds in (
                                one.scheduler,
                                one.oracle,
                                one.scheduler - one.oracle,
                                one.status_at_work,
                                one.status,
                            )
                        ),
                    ]
                    for one in costs
                ],
            )
        )
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
