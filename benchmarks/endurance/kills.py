"""The parts `kills` and `cluster-kills`: the command is killed again and again at random instants, and resumed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.endurance.checks import differences, interrupted, kept, leftovers, marked, orphans, recorded_twice
from benchmarks.endurance.command import Command, undisturbed
from benchmarks.endurance.jobs import Facts, Job, Measurement
from benchmarks.endurance.promises import Promise, no_exceptions
from benchmarks.support.pages import table
from benchmarks.support.ray_nodes import nodes
from kevo.runs.records import TrialRecord


def measure_on_cluster(job: Job) -> tuple[Facts, list[str]]:
    """Does as `measure` does, with workers on a Ray cluster of two nodes."""
    with nodes(2) as address:
        return measure(job, cluster=address)


def measure(job: Job, *, cluster: str | None = None) -> tuple[Facts, list[str]]:
    """Kills and resumes a search, and compares its trials with those of an undisturbed one.

    Args:
        job: The search, and how often it is killed.
        cluster: The address of the cluster where it trains; `None` for this machine.
    """
    rng = np.random.default_rng(job.seed)
    with tempfile.TemporaryDirectory() as name, marked() as mark:
        folder, run = Path(name), Path(name) / "killed"
        expected, start, rest, problems = undisturbed(job, folder, cluster=cluster)
        trials: list[TrialRecord] = []
        broken: set[str] = set()
        num_kills, num_completed, is_running = 0, [], True
        while is_running and num_kills < job.kills and not problems:
            command = Command(job, run, folder / "log", cluster=cluster)
            if num_kills % 4:
                is_running = command.wait_for_training()
                # A resumed search may train for a while before its status says so: some waits are longer.
                is_running = is_running and command.wait(rng.uniform(0, 1.2 * rest / job.kills))
            else:
                # Every fourth time while the command starts.
                is_running = command.wait(rng.uniform(0, start))
            if is_running:
                command.kill()
                num_kills += 1
            else:
                problems += command.ended()
            broken |= interrupted(run)
            problems += orphans(mark)
            trials, gone = kept(run, trials)
            problems += gone
            num_completed.append(len(trials))
        if is_running and not problems:
            problems += Command(job, run, folder / "log", cluster=cluster).ended()
        trials, gone = kept(run, trials)
        problems += gone + differences(expected, trials, broken=broken) + recorded_twice(run) + leftovers(run, mark)
    facts = {
        "kills": num_kills,
        "trials": len(expected),
        "same": len(trials),
        "trials_at_kills": num_completed,
        "undisturbed_seconds": start + rest,
    }
    return facts, problems


def report(rows: Sequence[Measurement]) -> str:
    """Returns the table of the part in Markdown."""
    head = ("seed", "kills", "trials when killed", "trials undisturbed", "trials at the end")
    lines = [
        (
            str(one.seed),
            str(one.facts["kills"]),
            " ".join(map(str, one.facts["trials_at_kills"])),
            str(one.facts["trials"]),
            str(one.facts["same"]),
        )
        for one in rows
    ]
    return "\n\n".join(
        (
            "`kevo search` is killed (SIGKILL) at random instants, every fourth time while it starts, and "
            "`kevo resume` goes on. Its trials are compared with those of an undisturbed search: the genomes, and the "
            "metrics of every epoch, which may differ only in a training that was interrupted.",
            table(head, lines),
        )
    )


def promises(rows: Sequence[Measurement], *, where: str = "") -> list[Promise]:
    """Returns the promises of the part.

    Args:
        rows: The measurements.
        where: Where workers trained, in words.
    """
    fewest = min(one.facts["kills"] for one in rows)
    return [
        (f"killed at 20 instants{where}", str(fewest), fewest >= 20),
        (f"the same trials complete{where}, and the final model exists", *no_exceptions(rows)),
    ]


def promises_on_cluster(rows: Sequence[Measurement]) -> list[Promise]:
    """Returns the promises of the part with workers on a cluster."""
    return promises(rows, where=" on a cluster")
