"""Searches that meet nothing: a long one, what Keras Tuner makes of the same, and what a second worker gains."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from endurance_checks import leftovers, marked, processes
from endurance_jobs import EVEN, SPACE, Diary, Facts, Job

from benchmarks.speed.measurements import SearchSpec
from benchmarks.speed.measuring import measure
from benchmarks.support.numbers import slope
from benchmarks.support.processes import memory, memory_of
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.system.memory import usable


class Meter(Diary):
    """Measures the search after each trial."""

    def __init__(self, run: Path, mark: str) -> None:
        super().__init__()
        self.facts: dict[str, list[float]] = {name: [] for name in ("seconds", "memory", "folder", "checkpoints")}
        self.of_workers: dict[int, list[float]] = {}
        self.worker_peak = 0.0
        self._run, self._mark = run, mark

    def noted(self, record: TrialRecord, seconds: float) -> None:
        run = Run(self._run, {})
        values = seconds, memory(), run.num_bytes() / 1e6, run.num_bytes("checkpoints") / 1e6
        for name, value in zip(self.facts, values, strict=True):
            self.facts[name].append(round(value, 3))
        for pid in processes(self._mark):
            held, peak = memory_of(pid) or (0.0, 0.0)
            self.worker_peak = max(self.worker_peak, peak)
            self.of_workers.setdefault(pid, []).append(round(held, 1))


def measure_memory(job: Job) -> tuple[Facts, list[str]]:
    """A long search: memory, seconds and disk, trial by trial."""
    import kevo
    from kevo.execution import local_pool

    with tempfile.TemporaryDirectory() as folder, marked() as mark:
        run = Path(folder) / "run"
        meter = Meter(run, mark)
        kevo.search("digits", job.settings(), out=run, listener=meter)
        longest = max(meter.of_workers.values(), key=len, default=[])
        facts: Facts = {
            **meter.facts,
            "peak": memory(peak=True),
            "worker_peak": meter.worker_peak,
            "worker_limit": 1e-6 * local_pool._MEMORY_SHARE * (usable() or 0) / job.workers,
            "worker_slope": slope(longest),
            "num_workers": len(meter.of_workers),
            "folder_mb": Run(run, {}).num_bytes() / 1e6,
            "checkpoints_mb": Run(run, {}).num_bytes("checkpoints") / 1e6,
            "model_mb": (run / "best.keras").stat().st_size / 1e6,
        }
        return facts, leftovers(run, mark)


def measure_keras_tuner(job: Job) -> Facts:
    """The same with Keras Tuner's random search, which trains in its own process."""
    task = SearchSpec(
        setting=job.setting,
        data="digits",
        space=EVEN,
        weights={},
        seed=job.seed,
        epochs=job.epochs,
        num_trials=job.trials,
    )
    measured = measure("random", task)
    trials = measured.trials
    return {
        "memory": [one.memory for one in trials],
        "seconds": [one.seconds for one in trials],
        "peak": measured.peak,
    }


def measure_workers(job: Job) -> tuple[Facts, list[str]]:
    """The same trials with one worker and with two."""
    import kevo

    facts: Facts = {}
    genomes, problems = [], []
    for num in (1, 2):
        with tempfile.TemporaryDirectory() as folder, marked() as mark:
            run, diary, began = Path(folder) / "run", Diary(), time.monotonic()
            # A first population does not depend on what becomes of it.
            settings = job.settings(workers=num, space=SPACE, population=max(2, job.trials))
            kevo.search("digits", settings, out=run, listener=diary)
            evolved = [record for record in diary.records if record.fitness is not None and not record.full_length]
            facts[str(num)] = {
                "trials": len(evolved),
                "seconds": diary.last_evolved - began,
                "at_work": diary.last_evolved - diary.first_started,
            }
            genomes.append({json.dumps(record.genome, sort_keys=True) for record in evolved})
            problems += leftovers(run, mark)
    if genomes[0] != genomes[1]:
        problems.append(f"the searches trained different trials: {len(genomes[0] ^ genomes[1])}")
    return facts, problems
