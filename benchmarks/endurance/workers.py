"""The parts `workers` and `cluster-workers`: the same trials with one worker and with two."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.endurance.checks import leftovers, marked
from benchmarks.endurance.event_log import EventLog
from benchmarks.endurance.jobs import SPACE, Facts, Job, Measurement
from benchmarks.endurance.promises import Promise, median_fact
from benchmarks.support.numbers import cell
from benchmarks.support.pages import table
from benchmarks.support.ray_nodes import nodes

_SPANS = ("at_work", "seconds")
"""Facts that trials per hour are counted from: seconds since the first trial started, and since the search started."""


def measure_on_cluster(job: Job) -> tuple[Facts, list[str]]:
    """Does as `measure` does, with workers on a Ray cluster of two nodes; each worker has one core."""
    with nodes(2) as address:
        return measure(job, cluster=address)


def measure(job: Job, *, cluster: str | None = None) -> tuple[Facts, list[str]]:
    """Runs a search with one worker and one with two, and checks that they train the same candidates.

    Args:
        job: The search.
        cluster: The address of the cluster where it trains; `None` for this machine.
    """
    import kevo

    facts: Facts = {}
    genomes, problems = [], []
    for num in (1, 2):
        with tempfile.TemporaryDirectory() as folder, marked() as mark:
            run, log, began = Path(folder) / "run", EventLog(), time.monotonic()
            # The candidates of the first population do not depend on results, so that both searches train the same.
            settings = job.settings(workers=num, space=SPACE, population=max(2, job.trials))
            kevo.search("digits", settings, out=run, listener=log, cluster=cluster)
            evolved = [record for record in log.records if record.fitness is not None and not record.full_length]
            facts[str(num)] = {
                "trials": len(evolved),
                "seconds": log.last_evolved - began,
                "at_work": log.last_evolved - log.first_started,
            }
            genomes.append({json.dumps(record.genome, sort_keys=True) for record in evolved})
            problems += leftovers(run, mark)
    if genomes[0] != genomes[1]:
        problems.append(f"the searches trained different trials: {len(genomes[0] ^ genomes[1])}")
    return facts, problems


def report(rows: Sequence[Measurement]) -> str:
    """Returns the table of the part in Markdown."""
    lines = [
        (num, str(len(rows)), *(cell(median_fact(rows, _per_hour(num, span)), ".0f") for span in _SPANS))
        for num in ("1", "2")
    ]
    lines.append(("2 over 1", str(len(rows)), *(cell(_gain(rows, span), ".2f") for span in _SPANS)))
    return "\n\n".join(
        (
            "Both searches train the same candidates. Medians over seeds. Trials per hour count until the last trial "
            "ends: from the start of the first trial, or from the start of the search, which includes the start of "
            "the workers.",
            table(("workers", "seeds", "trials per hour", "from the start"), lines),
        )
    )


def promises(rows: Sequence[Measurement]) -> list[Promise]:
    """Returns the promises of the part."""
    gain = _gain(rows, _SPANS[0])
    return [("two workers train 1.5 times as many trials per hour as one", f"{gain:.2f} times", gain >= 1.5)]


def promises_on_cluster(rows: Sequence[Measurement]) -> list[Promise]:
    """Returns the promises of the part on a cluster."""
    gain = _gain(rows, _SPANS[0])
    words = "two workers on two nodes train 1.8 times as many trials per hour as one"
    return [(words, f"{gain:.2f} times", gain >= 1.8)]


def _per_hour(num: str, span: str) -> Callable[[Facts], float]:
    return lambda facts: 3600 * facts[num]["trials"] / facts[num][span]


def _gain(rows: Sequence[Measurement], span: str) -> float:
    return median_fact(rows, lambda facts: _per_hour("2", span)(facts) / _per_hour("1", span)(facts))
