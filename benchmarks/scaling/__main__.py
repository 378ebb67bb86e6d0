"""Measures how the cost of a search grows with its candidates and its pictures.

    python -m benchmarks.scaling --write

Candidates: a search whose trainings take no time; what remains is the scheduler's own time. Pictures: a search of
pictures that are made here, from the command to its first model.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence

from benchmarks.scaling import candidates, figure, first_model
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
of it. Memory is the peak of what the search's process and its worker hold together, until {further} seconds later:
their proportional set size without mapped files, which stand beside it: the system drops them where memory is short."""


def main(given: Sequence[str] | None = None) -> None:
    """Measures, and prints the report."""
    options = parser(__doc__)
    options.add_argument("--marks", type=int, nargs="*", default=MARKS, help="numbers of candidates")
    options.add_argument("--pictures", type=int, nargs="*", default=NUMS, help="numbers of pictures")
    options.add_argument("--size", type=int, nargs="+", default=[32, 160], help="sides of the pictures, in pixels")
    options.add_argument(
        "--classes",
        type=int,
        nargs="+",
        default=[10, 2, 1000],
        help="numbers of classes; all but the first at one size",
    )
    options.add_argument("--gigabytes", type=float, default=8.0, help="leave larger sets of pictures out")
    options.add_argument("--further", type=float, default=20.0, help="seconds after the first model")
    options.add_argument("--write", action="store_true", help="write the report to docs/benchmarks")
    arguments = options.parse_args(given)
    command = shlex.join(["python", "-m", "benchmarks.scaling", *(sys.argv[1:] if given is None else given)])
    about = ABOUT.format(further=f"{arguments.further:g}")
    load = f"{os.getloadavg()[0]:.1f} processes at work beside it when it began"
    parts = [about, f"    {command}", f"{machine('tensorflow', 'keras')}, {load}."]
    costs = [in_its_own_process(candidates.measure, mark, 50) for mark in sorted(arguments.marks)]
    if costs:
        rows = [
            [
                f"{one.num_candidates:,}",
                *(f"{1e3 * cost:.1f}" for cost in (one.scheduler, one.status_at_work, one.status)),
            ]
            for one in costs
        ]
        parts.append(table(["candidates", "scheduler, ms", "status at work, ms", "status, ms"], rows))
    models = []
    for num, size, num_classes in _cases(arguments.pictures, arguments.size, arguments.classes):
        if 3 * num * size**2 > 1e9 * arguments.gigabytes:
            continue
        models.append(
            found := first_model.measure(num, size=size, num_classes=num_classes, further_seconds=arguments.further)
        )
        log(f"{num} pictures of {size} px in {num_classes} classes: {found.seconds:.1f} s, {found.memory:.0f} MB")
    if models:
        rows = [
            [
                f"{one.num_pictures:,}",
                f"{one.size}",
                f"{one.num_classes:,}",
                *(f"{value:.{digits}f}" for value, digits in ((one.seconds, 1), (one.memory, 0), (one.files, 0))),
            ]
            for one in models
        ]
        parts.append(table(["pictures", "px", "classes", "first model, s", "memory, MB", "mapped files, MB"], rows))
    if arguments.write:
        figure.draw(costs, models, REPORT.with_suffix(".png"))
        parts.append(f"![Costs against candidates and pictures]({REPORT.with_suffix('.png').name})")
    report = "\n\n".join(parts) + "\n"
    print(report)
    if arguments.write:
        REPORT.write_text(report)


def _cases(nums: Sequence[int], sizes: Sequence[int], classes: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yields pictures, sizes and classes: every size with the first number of classes, the others at the first size."""
    for size in sizes:
        for num in sorted(nums):
            yield num, size, classes[0]
    for num_classes in classes[1:]:
        # A class has some pictures in each split.
        enough = [num for num in sorted(nums) if num >= 16 * num_classes]
        if enough:
            yield enough[len(enough) // 2], sizes[0], num_classes


if __name__ == "__main__":
    main()
