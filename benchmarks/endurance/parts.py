"""The parts of the benchmark by name, and how one is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.endurance import cut_link, faults, full_disk, kills, long_search, workers
from benchmarks.endurance.jobs import Facts, Job, Measurement
from benchmarks.endurance.promises import Promise
from benchmarks.support.processes import in_its_own_process, machine
from benchmarks.support.results import ResultsFile, measure_missing

NUM_WORKERS, NUM_KILLS = 2, 20
"""Defaults of a job."""


@dataclass(frozen=True)
class Part:
    """A part of the benchmark.

    Args:
        title: Heading of its section in the report.
        measure: Returns facts and problems of a job.
        report: Returns the tables of measurements of one setting.
        promises: Returns the promises, with what was measured.
        checked: What `measure` checks, in words, as a sentence without its begin and end.
        trials: Default number of trials.
        quick_trials: Number of trials of a quick look.
        epochs: Default epochs of each trial.
    """

    title: str
    measure: Callable[[Job], tuple[Facts, list[str]]]
    report: Callable[[Sequence[Measurement]], str]
    promises: Callable[[Sequence[Measurement]], list[Promise]]
    checked: str
    trials: int
    quick_trials: int
    epochs: int = 3


_CLEAN = "no process and no lock was left, and the final model loads"
_SAME = f"every trial that had ended was kept, none was trained again, and the trials are the same; {_CLEAN}"
_FAULTS = (
    "every completed trial was kept, none was trained again after it had completed, and only those failed that had to; "
    f"{_CLEAN}"
)
PARTS = {
    "memory": Part("Two hundred trials", long_search.measure, long_search.report, long_search.promises, _CLEAN, 200, 4),
    "faults": Part("Faults", faults.measure, faults.report, faults.promises, _FAULTS, 200, 4),
    "kills": Part("Kills", kills.measure, kills.report, kills.promises, _SAME, 24, 3, epochs=5),
    "cluster-kills": Part(
        "Kills, on a cluster", kills.measure_on_cluster, kills.report, kills.promises_on_cluster, _SAME, 12, 3, epochs=5
    ),
    "cut": Part("A link that is cut", cut_link.measure, cut_link.report, cut_link.promises, _CLEAN, 6, 2, epochs=200),
    "full": Part("A full disk", full_disk.measure, full_disk.report, full_disk.promises, _SAME, 12, 3, epochs=5),
    "workers": Part("One worker and two", workers.measure, workers.report, workers.promises, _CLEAN, 24, 2, epochs=5),
    "cluster-workers": Part(
        "One node of a cluster and two",
        workers.measure_on_cluster,
        workers.report,
        workers.promises_on_cluster,
        _CLEAN,
        48,
        2,
        epochs=5,
    ),
}


def results_file(path: Path) -> ResultsFile[Measurement]:
    """Returns the file of measurements at a path."""
    return ResultsFile(path, lambda values: Measurement(**values), key=lambda one: (one.part, one.setting, one.seed))


def measure(job: Job) -> Measurement:
    """Measures a job, in a process of its own unless it is a quick look."""
    function = PARTS[job.part].measure
    facts, problems = function(job) if job.is_quick else in_its_own_process(function, job)
    return Measurement(job.part, job.seed, job.setting, machine(), facts, problems)


def run(jobs: Iterable[Job], *, results: ResultsFile[Measurement], fresh: bool) -> bool:
    """Measures the jobs that are missing in a file, and returns whether none failed; arguments as `measure_missing`."""
    return measure_missing(
        results,
        jobs,
        key=lambda job: (job.part, job.setting, job.seed),
        title=lambda job: f"{job.part}, {job.setting}, seed {job.seed}",
        measure=measure,
        summary=lambda row: "; ".join(row.problems) or "all is well",
        fresh=fresh,
    )
