"""The part `faults`: a search whose workers meet faults, and what it loses and leaves behind."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.endurance.checks import leftovers, lost, marked
from benchmarks.endurance.event_log import EventLog
from benchmarks.endurance.injection import FAULTS, WORKER_MB, Plan, has_happened, prepare
from benchmarks.endurance.jobs import Facts, Job, Measurement
from benchmarks.endurance.promises import Promise, median_fact, no_exceptions
from benchmarks.support.pages import table
from kevo import KevoError
from kevo.system.memory import usable

EVERY = 4
"""One trial of so many meets a fault."""
PATIENCE_SECONDS = 30.0
"""How long a worker may say nothing while faults happen."""


def draw_plan(job: Job) -> dict[int, tuple[str, float]]:
    """Returns the faults of a job: one in every four trials, each kind equally often."""
    rng = np.random.default_rng(job.seed)
    kinds: list[str] = []
    plan = {}
    for first in range(0, job.trials - EVERY + 1, EVERY):
        kinds = kinds or list(rng.permutation(list(FAULTS)))
        plan[first + int(rng.integers(EVERY))] = str(kinds.pop()), float(rng.uniform(0, job.epochs - 0.5))
    return plan


@contextlib.contextmanager
def _faults(plan: Plan, folder: Path, num_workers: int) -> Iterator[None]:
    """Lets workers that start within the context meet faults, with shorter time limits and less memory."""
    environment, path = prepare(plan, folder)
    share = WORKER_MB * 1e6 * num_workers / (usable() or 1e12)
    with (
        patch.dict(os.environ, environment),
        patch.object(sys, "path", [*path, *sys.path]),
        patch("kevo.execution.local_workers._MEMORY_SHARE", share),
        patch("tuners.execution.foreman._PATIENCE_SECONDS", PATIENCE_SECONDS),
    ):
        yield


def measure(job: Job) -> tuple[Facts, list[str]]:
    """Runs a search whose workers meet faults; returns its facts and problems."""
    import kevo

    problems: list[str] = []
    with tempfile.TemporaryDirectory() as name, marked() as mark:
        folder, plan, log = Path(name), draw_plan(job), EventLog()
        run, began = folder / "run", time.monotonic()
        with _faults(plan, folder, job.workers):
            try:
                kevo.search("digits", job.settings(), out=run, listener=log)
            except KevoError as error:
                problems.append(f"the search ended with {type(error).__name__}: {error}")
        seconds = time.monotonic() - began
        happened = {number for number in plan if has_happened(number, folder)}
        problems += [f"the fault of trial {number} did not happen" for number in sorted(plan.keys() - happened)]
        problems += lost(log, run) + unexplained(log, plan, job.trials) + leftovers(run, mark)
    losses = [(number, words) for event, number, words in log.events if event == "lost"]
    ends = {record.number: record for record in log.records}
    kinds = {}
    for kind in FAULTS:
        numbers = [number for number in plan if plan[number][0] == kind]
        records = [ends[number] for number in numbers if number in ends]
        kinds[kind] = {
            "happened": sum(number in happened for number in numbers),
            "begun again": sum(number in numbers for number, _ in losses),
            "completed": sum(record.status == "completed" for record in records),
            "failed": sum(record.status == "failed" for record in records),
            "words": [words for number, words in losses if number in numbers]
            + [record.reason for record in records if record.reason],
        }
    facts = {
        "kinds": kinds,
        "seconds": seconds,
        "completed": sum(record.status == "completed" for record in log.records),
        "failed": sum(record.status == "failed" for record in log.records),
        "collateral": sum(number not in plan for number, _ in losses),
    }
    return facts, problems


def unexplained(log: EventLog, plan: Plan, num_trials: int) -> list[str]:
    """Checks that `num_trials` trials ended, and that those failed, and only those, whose fault has to make them."""
    evolved = [record for record in log.records if not record.full_length]
    problems = [f"{len(evolved)} trials ended, expected {num_trials}"] * (len(evolved) != num_trials)
    for record in log.records:
        fails = record.number in plan and FAULTS[plan[record.number][0]].fails
        if (record.status == "failed") is not fails:
            fault = plan.get(record.number, ("no fault", 0.0))[0]
            problems.append(f"trial {record.number} ({fault}) {record.status}: {record.reason or 'no reason'}")
    return problems


def report(rows: Sequence[Measurement]) -> str:
    """Returns the tables of the part in Markdown."""
    lines = []
    for kind in FAULTS:
        ours = [one.facts["kinds"][kind] for one in rows]
        nums = [str(sum(one[name] for one in ours)) for name in ("happened", "begun again", "completed", "failed")]
        words = Counter(words for one in ours for words in one["words"])
        lines.append((kind, *nums, "; ".join(text for text, _ in words.most_common(2))))
    sums = {name: sum(one.facts[name] for one in rows) for name in ("completed", "failed", "collateral")}
    return "\n\n".join(
        (
            f"One of every {EVERY} trials meets a fault in the middle of its training, the first time that it is "
            f"trained. A worker may hold {WORKER_MB} MB, and say nothing for {PATIENCE_SECONDS:.0f} s.",
            table(("fault", "happened", "begun again", "completed", "failed", "kevo's message"), lines),
            f"{sums['completed']} trainings completed, final ones included, and {sums['failed']} failed; "
            f"{sums['collateral']} that had met no fault were begun again. Median seconds of a search: "
            f"{median_fact(rows, itemgetter('seconds')):.0f}.",
        )
    )


def promises(rows: Sequence[Measurement]) -> list[Promise]:
    """Returns the promises of the part."""
    words = (
        "with a fault in every fourth trial the search ends, every completed trial is kept, none is trained twice, no "
        "process and no lock is left"
    )
    return [(words, *no_exceptions(rows))]
