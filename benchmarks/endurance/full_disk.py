"""The part `full`: the disk of the run folder is filled up, and the command is resumed when there is room again."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.endurance.checks import differences, interrupted, kept, leftovers, marked, recorded_twice, trials_of
from benchmarks.endurance.command import MAX_SECONDS, POLL_SECONDS, Command, undisturbed
from benchmarks.endurance.jobs import Facts, Job, Measurement
from benchmarks.endurance.promises import Promise, no_exceptions
from benchmarks.support.pages import table
from kevo.runs.records import TrialRecord

DISK_MB = 64
FILLED = ("once", "again and again")
"""How often the disk is filled up."""


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[str | None]:
    """Mounts a small disk within the context; yields the reason if that is not possible, else `None`."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "kevo-endurance", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        yield str(error)
        return
    if done.returncode:
        yield done.stderr.strip()
        return
    try:
        yield None
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(path: Path) -> None:
    """Appends to a file until the disk is full."""
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def measure(job: Job) -> tuple[Facts, list[str]]:
    """Runs a search for each way of filling the disk, and compares its trials with those of an undisturbed one."""
    facts: Facts = {}
    expected: list[TrialRecord] = []
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as name, marked() as mark:
        for way in FILLED:
            with _small_disk(Path(name) / "disk") as reason:
                if reason is not None:
                    return {"skipped": reason}, []
                if not expected:
                    expected, _, _, problems = undisturbed(job, Path(name))
                run = Path(name) / "disk" / "run"
                before, broken, message, found = _search_on_full_disk(job, run, way)
                trials, gone = kept(run, before)
                found += gone + differences(expected, trials, broken=broken) + recorded_twice(run)
                found += leftovers(run, mark)
                facts[way] = {
                    "before": len(before),
                    "words": message.replace(str(run), "RUN"),
                    "trials": len(trials),
                }
                problems += [f"filled {way}: {problem}" for problem in found]
    return facts, problems


def _search_on_full_disk(job: Job, run: Path, way: str) -> tuple[list[TrialRecord], set[str], str, list[str]]:
    """Fills the disk during a search, makes room again, and resumes the search.

    Returns:
        The trials that had ended before there was room again, the ids of those that were interrupted then, the error
        message of the command (empty if it found room enough), and problems.
    """
    ballast, log = run.with_name("ballast"), run.parents[1] / "log"
    command = Command(job, run, log)
    command.wait(MAX_SECONDS, until=lambda: len(trials_of(run)) >= job.trials / 3)
    _fill(ballast)
    until = time.monotonic() + MAX_SECONDS
    while command.wait(POLL_SECONDS) and time.monotonic() < until:
        if way == "again and again":
            _fill(ballast)
    problems: list[str] = []
    message = command.last_log_line
    # Files that kevo removes itself may make room enough.
    is_over = way == "once" and command.process.returncode == 0
    if not is_over:
        problems += command.ended(code=1)
        if "Cannot write" not in message or "kevo resume" not in message:
            problems.append(f"the error does not say what to do: {message}")
    ballast.unlink()
    before, broken = trials_of(run), interrupted(run)
    if is_over:
        return before, broken, "", problems
    return before, broken, message, problems + Command(job, run, log).ended()


def report(rows: Sequence[Measurement]) -> str:
    """Returns the table of the part in Markdown."""
    lines = [
        (way, str(one.seed), *(str(one.facts[way][name]) for name in ("before", "trials", "words")))
        for way in FILLED
        for one in rows
        if "skipped" not in one.facts
    ]
    skipped = [f"Seed {one.seed} was not run: {one.facts['skipped']}." for one in rows if "skipped" in one.facts]
    words = (
        f"The run folder is on a disk of {DISK_MB} MB, which is filled up after a third of the trials: once, or again "
        "and again as soon as there is room. `kevo search` has to end with exit code 1 and say what it needs, unless "
        "it finds room enough; then `kevo resume` goes on. Its trials are compared with those of an undisturbed search."
    )
    head = ("filled", "seed", "trials before", "trials at the end", "kevo's message")
    return "\n\n".join([words, *[table(head, lines)] * bool(lines), *skipped])


def promises(rows: Sequence[Measurement]) -> list[Promise]:
    """Returns the promises of the part; none if it was not run."""
    ran = [one for one in rows if "skipped" not in one.facts]
    words = "with room again on a disk that was full, `kevo resume` goes on, and every finished trial is kept"
    return [(words, *no_exceptions(ran))] if ran else []
