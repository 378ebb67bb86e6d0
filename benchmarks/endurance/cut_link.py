"""The part `cut`: the link between the two machines of a cluster is cut while both train."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.endurance.checks import leftovers, marked, recorded_twice, trials_of
from benchmarks.endurance.command import Command
from benchmarks.endurance.jobs import Facts, Job, Measurement
from benchmarks.endurance.promises import Promise, no_exceptions
from benchmarks.support.pages import table
from benchmarks.support.ray_nodes import Machines
from kevo.runs import status


def measure(job: Job) -> tuple[Facts, list[str]]:
    """Runs a search on two machines, cuts their link, and waits for its end."""
    with tempfile.TemporaryDirectory() as name, Machines() as machines, marked() as mark:
        run = Path(name) / "run"
        log = Path(name) / "log"
        command = Command(
            job, run, log, cluster=machines.address, prefix=machines.prefix, num_workers=2, is_quiet=False
        )
        problems: list[str] = []
        if not command.wait_for_training() or not command.wait(300.0, lambda: _num_training(run) == 2):
            problems.append(f"the search ended before two workers trained: {command.last_log_line}")
        before, began = len(trials_of(run)), time.monotonic()
        machines.cut()
        lost: list[float] = []

        def is_lost() -> bool:
            return "its machine is gone" in log.read_text() or "its worker cannot be reached" in log.read_text()

        if command.wait(300.0, is_lost):
            lost.append(time.monotonic() - began)
        problems += command.ended()
        if not lost and not is_lost():
            problems.append("the search did not say that a worker was lost")
        trials = trials_of(run)
        if failed := [record.number for record in trials if record.status != "completed"]:
            problems.append(f"trials failed: {failed}")
        num = sum(not record.full_length for record in trials)
        if num != job.trials:
            problems.append(f"{num} trials ended, expected {job.trials}")
        problems += recorded_twice(run) + leftovers(run, mark)
        facts = {"before": before, "trials": num, "seconds_until_noticed": lost[0] if lost else None}
        return facts, problems


def _num_training(run: Path) -> int:
    return sum(one.epoch > 0 for one in status.read(run).trainings)


def report(rows: Sequence[Measurement]) -> str:
    """Returns the table of the part in Markdown."""
    head = ("seed", "trials when cut", "trials at the end", "seconds until the loss was told")
    lines = [
        (
            str(one.seed),
            str(one.facts["before"]),
            str(one.facts["trials"]),
            f"{one.facts['seconds_until_noticed'] or float('nan'):.0f}",
        )
        for one in rows
    ]
    return "\n\n".join(
        (
            "Two network namespaces of one machine have a link, and a node of one Ray cluster each. The search runs "
            "beside the head. While a worker trains on either node, the link is cut for good.",
            table(head, lines),
        )
    )


def promises(rows: Sequence[Measurement]) -> list[Promise]:
    """Returns the promises of the part."""
    words = "a machine that cannot be reached any more costs its trial's time only, and the search ends well"
    return [(words, *no_exceptions(rows))]
