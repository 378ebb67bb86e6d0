"""The part `memory`: memory, seconds and disk of a long search, trial by trial, beside Keras Tuner's random search."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

from benchmarks.endurance.checks import leftovers, marked, processes
from benchmarks.endurance.event_log import EventLog
from benchmarks.endurance.jobs import EVEN_SPACE, Facts, Job, Measurement
from benchmarks.endurance.promises import Promise, median_fact
from benchmarks.speed.measurements import SearchSpec
from benchmarks.speed.measuring import measure as measure_tool
from benchmarks.support.numbers import cell, median, slope
from benchmarks.support.pages import table
from benchmarks.support.processes import in_its_own_process, memory, memory_of
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.system.memory import usable

_WINDOW = 20
"""Number of first trials, and of last ones, that are compared."""


class _Meter(EventLog):
    """Measures the search after each trial."""

    def __init__(self, run: Path, mark: str) -> None:
        super().__init__()
        self.facts: dict[str, list[float]] = {name: [] for name in ("seconds", "memory", "folder", "checkpoints")}
        self.of_workers: dict[int, list[float]] = {}
        self.worker_peak = 0.0
        self._run, self._mark = run, mark

    def evolved(self, seconds: float) -> None:
        run = Run(self._run, {})
        values = seconds, memory(), run.num_bytes() / 1e6, run.num_bytes(layout.CHECKPOINTS) / 1e6
        for name, value in zip(self.facts, values, strict=True):
            self.facts[name].append(round(value, 3))
        for pid in processes(self._mark):
            # A process that has ended holds nothing.
            held, peak = memory_of(pid) or (0.0, 0.0)
            self.worker_peak = max(self.worker_peak, peak)
            self.of_workers.setdefault(pid, []).append(round(held, 1))


def measure(job: Job) -> tuple[Facts, list[str]]:
    """Measures kevo and Keras Tuner; returns the facts by tool, and problems of kevo's search."""
    # Other searches in the process would count in its memory.
    call = (lambda function, one: function(one)) if job.is_quick else in_its_own_process
    facts, problems = call(_measure_kevo, job)
    return {"kevo": facts, "Keras Tuner RandomSearch": call(_measure_keras_tuner, job)}, problems


def _measure_kevo(job: Job) -> tuple[Facts, list[str]]:
    import kevo
    from kevo.execution import local_workers

    with tempfile.TemporaryDirectory() as folder, marked() as mark:
        run = Path(folder) / "run"
        meter = _Meter(run, mark)
        kevo.search("digits", job.settings(), out=run, listener=meter)
        longest = max(meter.of_workers.values(), key=len, default=[])
        facts: Facts = {
            **meter.facts,
            "peak": memory(peak=True),
            "worker_peak": meter.worker_peak,
            "worker_limit": 1e-6 * local_workers._MEMORY_SHARE * (usable() or 0) / job.workers,
            "worker_slope": slope(longest),
            "num_workers": len(meter.of_workers),
            "folder_mb": Run(run, {}).num_bytes() / 1e6,
            "checkpoints_mb": Run(run, {}).num_bytes(layout.CHECKPOINTS) / 1e6,
            "model_mb": (run / layout.MODEL).stat().st_size / 1e6,
        }
        return facts, leftovers(run, mark)


def _measure_keras_tuner(job: Job) -> Facts:
    """Returns the facts of Keras Tuner's random search, which trains in its own process."""
    spec = SearchSpec(
        setting=job.setting,
        data="digits",
        space=EVEN_SPACE,
        weights={},
        seed=job.seed,
        epochs=job.epochs,
        num_trials=job.trials,
    )
    measured = measure_tool("random", spec)
    return {
        "memory": [one.memory for one in measured.trials],
        "seconds": [one.seconds for one in measured.trials],
        "peak": measured.peak,
    }


def report(rows: Sequence[Measurement]) -> str:
    """Returns the tables of the part in Markdown."""
    lines = []
    for tool in rows[0].facts:
        own = _of_tool(rows, tool)
        values = (
            (median_fact(own, lambda facts: slope(facts["memory"])), ".3f"),
            (median_fact(own, lambda facts: slope(facts["memory"][_WINDOW:])), ".3f"),
            (median_fact(own, itemgetter("peak")), ".0f"),
            (median_fact(own, lambda facts: facts.get("worker_peak", math.nan)), ".0f"),
            (median_fact(own, _first), ".2f"),
            (median_fact(own, _last), ".2f"),
        )
        lines.append((tool, str(len(own)), *(cell(*value) for value in values)))
    head = ("tool", "seeds", "MB more per trial", f"after the first {_WINDOW}", "peak, MB", "a worker's peak, MB")
    ours = _of_tool(rows, "kevo")
    whole, models, best = (median_fact(ours, itemgetter(name)) for name in ("folder_mb", "checkpoints_mb", "model_mb"))
    return "\n\n".join(
        (
            "Memory is resident memory: of the process that searches, and of its workers apart. Slopes are those of "
            f"least squares lines over trials. Seconds are medians of up to {_WINDOW} trials, from the start of a "
            "trial until its model is saved.",
            table((*head, "first trials, s", "last trials, s"), lines),
            f"The run folder holds {whole:.2f} MB at its end, {models:.2f} MB of it checkpoints; the best model has "
            f"{best:.3f} MB. Worker processes that trained: {median_fact(ours, itemgetter('num_workers')):.0f}, each "
            "replaced when its memory has grown; the one that trained longest grew by "
            f"{median_fact(ours, itemgetter('worker_slope')):.2f} MB with each trial of the search.",
        )
    )


def promises(rows: Sequence[Measurement]) -> list[Promise]:
    """Returns the promises of the part."""
    ours, other = _of_tool(rows, "kevo"), next(reversed(rows[0].facts))
    theirs = _of_tool(rows, other)
    growth, their_growth = (median_fact(own, lambda facts: slope(facts["memory"])) for own in (ours, theirs))
    slower, their_slower = (median_fact(own, lambda facts: _last(facts) / _first(facts)) for own in (ours, theirs))
    peak, limit = (median_fact(ours, itemgetter(name)) for name in ("worker_peak", "worker_limit"))
    worth = median_fact(ours, lambda facts: facts["checkpoints_mb"] / facts["model_mb"])
    most = median_fact(ours, lambda facts: max(facts["checkpoints"]) / facts["model_mb"])
    return [
        ("the parent grows less than 0.2 MB a trial", f"{growth:.3f} MB ({other}: {their_growth:.1f})", growth < 0.2),
        ("workers stay under their limit", f"{peak:.0f} of {limit:.0f} MB", peak < limit),
        (
            "the last trials take as long as the first (within a tenth)",
            f"{slower:.2f} times as long ({other}: {their_slower:.2f})",
            slower < 1.1,
        ),
        ("ten models' worth of checkpoints at most", f"{worth:.1f}, and {most:.1f} on the way", max(worth, most) <= 10),
    ]


def _of_tool(rows: Sequence[Measurement], tool: str) -> list[Measurement]:
    return [dataclasses.replace(one, facts=one.facts[tool]) for one in rows]


def _first(facts: Facts) -> float:
    """Returns the median seconds of the first trials."""
    return median(facts["seconds"][: _num_compared(facts)])


def _last(facts: Facts) -> float:
    """Returns the median seconds of the last trials."""
    return median(facts["seconds"][-_num_compared(facts) :])


def _num_compared(facts: Facts) -> int:
    return max(1, min(_WINDOW, len(facts["seconds"]) // 2))
