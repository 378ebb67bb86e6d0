"""Tries run folders, folders of pictures, arrays and tables in which anything may be wrong, for ten minutes.

    python -m benchmarks.fuzz
    python -m benchmarks.fuzz --minutes 1 --seed 7
    python -m benchmarks.fuzz --write

All inputs are drawn by hypothesis from the seed. A traceback, an input that takes more than a minute of processor time
or ten minutes in all, more memory than `--gigabytes` and a file outside of the run folder are faults; the smallest
input that shows one is printed. An error that a user can mend is none.

Exit codes: 0 no faults, 1 faults.
"""

from __future__ import annotations

import logging
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from tensorflow import get_logger

from benchmarks.fuzz import targets
from benchmarks.fuzz.targets import Target
from benchmarks.support import project
from benchmarks.support.command_line import log, parser
from benchmarks.support.processes import machine

REPORT = project.PAGES / "fuzz.md"
ABOUT = """\
# Broken input at random

Inputs in which anything may be wrong, as `python -m benchmarks.fuzz` drew them with hypothesis: values of JSON files of
a run folder, cut and missing files, layouts of folders and zips, arrays of any type and range, tables. Each is used as
a user would use it, and is either used or refused by one clear line. A fault is a traceback, an input that takes over a
minute of processor time or ten minutes in all, too much memory, or a file outside of the run folder."""
_SECONDS = 60
"""How much processor time one input may take: other work on the machine does not count."""
_MOST_SECONDS = 600
"""How long one input may take by the clock, so that one that waits for ever is found as well."""


@dataclass(slots=True)
class Tally:
    """What came of a target: how many inputs were tried and refused, the faults, and the seconds of the slowest."""

    tried: int = 0
    refused: int = 0
    faults: int = 0
    slowest: float = 0.0


class _LateError(BaseException):
    """Something takes too long."""


def main(given_arguments: Sequence[str] | None = None) -> int:
    """Tries inputs until the time is up, prints what came of it, and returns the exit code."""
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=10.0, help="how long to try")
    options.add_argument("--seed", type=int, default=0, help="where to begin")
    options.add_argument("--gigabytes", type=int, default=8, help="the memory that may be taken")
    options.add_argument("--write", action="store_true", help="write the page in docs/benchmarks")
    arguments = options.parse_args(given_arguments)
    limit = arguments.gigabytes * 10**9
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    get_logger().setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    until = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as folder:
        found = [*targets.runs(Path(folder)), *targets.sources(Path(folder))]
        tallies = run(found, seed=arguments.seed, until=until)
    page = report(tallies, minutes=arguments.minutes, first_seed=arguments.seed)
    print(page)
    if arguments.write:
        REPORT.write_text(page + "\n", encoding="utf-8")
    return int(any(tally.faults for tally in tallies.values()))


def run(found: Sequence[Target], *, seed: int, until: float) -> dict[str, Tally]:
    """Tries rounds of all targets until a time, by `time.monotonic`; at least one round."""
    tallies = {target.name: Tally() for target in found}
    number = seed
    while number == seed or time.monotonic() < until:
        for target in found:
            _try(target, tallies[target.name], seed=number)
        number += 1
    return tallies


def _try(target: Target, tally: Tally, *, seed: int) -> None:
    """Draws inputs of one target from a seed; a fault is shown with the smallest input that leads to it."""

    def once(value: Any) -> None:
        began, before = time.process_time(), targets.num_refusals()
        _within(_SECONDS, lambda: target.tries(value))
        tally.tried += 1
        tally.refused += targets.num_refusals() > before
        tally.slowest = max(tally.slowest, time.process_time() - began)

    try:
        _drawn(target, once, seed=seed)()
    except (Exception, _LateError):
        tally.faults += 1
        log(f"{target.name}, seed {seed}:\n{traceback.format_exc()}")


def _drawn(target: Target, once: Callable[[Any], None], *, seed: int) -> Callable[[], None]:
    @_seeded(seed)
    @settings(
        max_examples=target.share,
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(value=target.inputs)
    def draw(value: Any) -> None:
        once(value)

    return draw


def _seeded(number: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return seed(number)


def _within(seconds: float, ask: Callable[[], object]) -> None:
    """Asks for something; raises an error that nothing catches where that takes too much processor time, or waits."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _LateError(f"It took more than {seconds:g} seconds of processor time, or {_MOST_SECONDS} seconds in all.")

    numbers = (signal.SIGPROF, signal.SIGALRM)
    previous = [signal.signal(number, end) for number in numbers]
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, _MOST_SECONDS)
    try:
        ask()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


def report(tallies: dict[str, Tally], *, minutes: float, first_seed: int) -> str:
    """Returns the page."""
    lines = [
        f"| {name} | {one.tried:,} | {one.tried - one.refused:,} | {one.refused:,} | {one.faults} | {one.slowest:.1f} |"
        for name, one in tallies.items()
    ]
    return "\n".join(
        [
            ABOUT,
            "",
            f"Machine: {machine()}.",
            "",
            f"{minutes:g} minutes, from seed {first_seed} on.",
            "",
            "| input | tried | used | refused in one line | faults | slowest, processor seconds |",
            "| --- | --- | --- | --- | --- | --- |",
            *lines,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
