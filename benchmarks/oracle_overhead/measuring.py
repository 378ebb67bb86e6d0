"""Drives an oracle as a tuner does, and times trials around each mark.

Nothing is trained: scores come from a formula, so that only the oracle is measured. Linux only: memory and the bytes
written are read from `/proc`.
"""

from __future__ import annotations

import gc
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner

from benchmarks.support.processes import memory
from tuners import GeneticOracle, Settings


@dataclass(frozen=True)
class Subject:
    """An oracle to measure.

    Args:
        make: Builds it from an objective, a seed and hyperparameters.
        last_mark: Greatest mark to go to.
        seconds: Time after which to stop.
        window: Most trials to time around each mark.
    """

    make: Callable[..., Any]
    last_mark: float = math.inf
    seconds: float = math.inf
    window: float = math.inf


def _plain(**arguments: Any) -> GeneticOracle:
    return GeneticOracle(**arguments, settings=Settings(surrogate=False))


SUBJECTS = {
    "GeneticOracle": Subject(GeneticOracle),
    "GeneticOracle, `surrogate=False`": Subject(_plain),
    "RandomSearchOracle": Subject(keras_tuner.oracles.RandomSearchOracle, seconds=180),
    # An ask takes seconds.
    "BayesianOptimizationOracle": Subject(
        keras_tuner.oracles.BayesianOptimizationOracle, last_mark=100, seconds=600, window=10
    ),
}


@dataclass(frozen=True)
class Measurement:
    """What was measured of an oracle around one mark.

    Args:
        mark: Number of trials.
        asks: Seconds of each `create_trial`.
        tells: Seconds of each `update_trial` and `end_trial` together.
        memory: Resident memory of the process, in MB.
        growth: Growth of memory per trial since the mark before, or since the start, in MB.
        folder: Bytes in the project folder per trial.
        written: Bytes written to files per trial.
    """

    mark: int
    asks: tuple[float, ...]
    tells: tuple[float, ...]
    memory: float
    growth: float
    folder: float
    written: float

    @property
    def seconds(self) -> float:
        """Median seconds of ask and tell together."""
        return statistics.median(ask + tell for ask, tell in zip(self.asks, self.tells, strict=True))


def space() -> keras_tuner.HyperParameters:
    """Returns the space that all oracles search: 8 categorical and 4 float genes."""
    hp = keras_tuner.HyperParameters()
    for number in range(8):
        hp.Choice(f"choice_{number}", ["a", "b", "c"])
    for number in range(4):
        hp.Float(f"float_{number}", 0.0, 1.0)
    return hp


def score(values: dict[str, Any]) -> float:
    """Returns the score of a trial, at most 8."""
    return float(sum(value == "b" if isinstance(value, str) else -((value - 0.3) ** 2) for value in values.values()))


def measure(name: str, marks: Sequence[int], window: int) -> list[Measurement]:
    """Runs an oracle to the last mark that it reaches, in this process.

    Args:
        name: One of `SUBJECTS`.
        marks: Numbers of trials, in ascending order.
        window: Number of trials to time around each.
    """
    subject, found = SUBJECTS[name], list[Measurement]()
    oracle = subject.make(
        objective=keras_tuner.Objective("score", "max"), seed=0, hyperparameters=space(), max_trials=None
    )
    oracle.verbose = 0
    with tempfile.TemporaryDirectory() as folder:
        oracle._set_project_dir(folder, "project")
        trials, started, num_trials = _run(oracle), time.monotonic(), 0
        held, counted = _memory(), 0
        for mark in marks:
            if mark > subject.last_mark:
                break
            half = max(1, int(min(window, subject.window, mark)) // 2)
            for _ in range(mark - half - num_trials):
                next(trials)
                if time.monotonic() - started > subject.seconds:
                    return found
            written = _written()
            asks, tells = zip(*(next(trials) for _ in range(2 * half)), strict=True)
            num_trials = mark + half
            written, before = _written() - written, held
            held = _memory()
            found.append(
                Measurement(
                    mark=mark,
                    asks=asks,
                    tells=tells,
                    memory=held,
                    growth=(held - before) / (num_trials - counted),
                    folder=sum(path.stat().st_size for path in Path(folder).rglob("*.json")) / num_trials,
                    written=written / len(asks),
                )
            )
            counted = num_trials
    return found


def _run(oracle: Any) -> Iterator[tuple[float, float]]:
    """Yields the seconds of each ask and tell, endlessly."""
    while True:
        start = time.perf_counter()
        trial = oracle.create_trial("tuner")
        asked = time.perf_counter()
        if trial.status != "RUNNING":
            raise RuntimeError(f"Got a trial with status {trial.status!r}, expected 'RUNNING'.")
        value = score(trial.hyperparameters.values)
        trained = time.perf_counter()
        oracle.update_trial(trial.trial_id, {"score": value})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        yield asked - start, time.perf_counter() - trained


def _memory() -> float:
    gc.collect()
    return memory()


def _written() -> int:
    """Returns the bytes that this process has written so far."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["wchar"])
