"""Measures what an oracle itself costs per trial: seconds, memory and bytes, ours beside Keras Tuner's.

    python benchmarks/oracle_overhead.py --write

Nothing is trained: scores come from a formula, so that all that is measured is the oracle's. Each one runs in a process
of its own, driven as a tuner would: `create_trial` is the ask, `update_trial` and `end_trial` are the tell. Around each
mark some trials are timed one by one. Linux only, whose `/proc` knows memory and bytes written.
"""

from __future__ import annotations

import argparse
import gc
import math
import multiprocessing
import os
import platform
import resource
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The checkout is measured, even where another version is installed.
sys.path.insert(0, str(Path(__file__).parent.parent))

import keras_tuner

from tuners import GeneticOracle, Settings

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "benchmarks" / "oracle_overhead.md"
MARKS = (10, 100, 1_000, 10_000)
HEAD = """\
| oracle | trials | ask, ms | tell, ms | ask + tell, ms | times the first | repeats | memory, MB | more per trial, kB \
| folder per trial, kB | written per trial, kB |
|---|---|---|---|---|---|---|---|---|---|---|"""
ABOUT = """\
# What an oracle costs per trial

Medians of trials timed one by one around each mark, on a space of 8 categorical genes with 3 values each and 4 float
genes; scores come from a formula. Ask is `create_trial`, tell is `update_trial` and `end_trial`. "Times the first" is
ask + tell over that of the first oracle at the same mark. Memory is the whole process's, TensorFlow included; "more per
trial" is its growth since the mark before. "Folder" is the size of the project folder over the number of trials,
"written" what a trial around the mark writes into files. Marks that an oracle does not reach in time are left out."""


@dataclass(frozen=True)
class Subject:
    """An oracle to measure.

    Args:
        make: Builds it from an objective, a seed and hyperparameters.
        last_mark: The greatest mark to go to.
        seconds: Time after which it goes no further.
        window: Trials to time around each mark; by default as many as asked for.
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
    # Seconds per ask.
    "BayesianOptimizationOracle": Subject(
        keras_tuner.oracles.BayesianOptimizationOracle, last_mark=100, seconds=600, window=10
    ),
}


@dataclass(frozen=True)
class Measured:
    """What an oracle costs around one mark.

    Args:
        mark: Number of trials.
        asks: Seconds of each.
        tells: Seconds of each.
        memory: Resident bytes of the process.
        growth: Bytes of memory per trial since the mark before, or since the start.
        folder: Bytes in the project folder per trial.
        written: Bytes written to files per trial.
    """

    mark: int
    asks: tuple[float, ...]
    tells: tuple[float, ...]
    memory: int
    growth: float
    folder: float
    written: float

    @property
    def seconds(self) -> float:
        """The median of ask and tell together."""
        return statistics.median(ask + tell for ask, tell in zip(self.asks, self.tells, strict=True))


def space() -> keras_tuner.HyperParameters:
    """Returns what all oracles search."""
    hp = keras_tuner.HyperParameters()
    for number in range(8):
        hp.Choice(f"choice_{number}", ["a", "b", "c"])
    for number in range(4):
        hp.Float(f"float_{number}", 0.0, 1.0)
    return hp


def score(values: dict[str, Any]) -> float:
    """Returns what a trial is worth, 8 at most."""
    return float(sum(value == "b" if isinstance(value, str) else -((value - 0.3) ** 2) for value in values.values()))


def measure(name: str, marks: Sequence[int], window: int) -> list[Measured]:
    """Runs one oracle to the last mark that it reaches, in this process.

    Args:
        name: One of `SUBJECTS`.
        marks: Rising numbers of trials.
        window: Number of trials to time around each.
    """
    subject, found = SUBJECTS[name], list[Measured]()
    oracle = subject.make(
        objective=keras_tuner.Objective("score", "max"), seed=0, hyperparameters=space(), max_trials=None
    )
    oracle.verbose = 0
    with tempfile.TemporaryDirectory() as folder:
        oracle._set_project_dir(folder, "project")
        trials, started, num_trials = _run(oracle), time.monotonic(), 0
        memory, counted = _memory(), 0
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
            written, before = _written() - written, memory
            memory = _memory()
            found.append(
                Measured(
                    mark=mark,
                    asks=asks,
                    tells=tells,
                    memory=memory,
                    growth=(memory - before) / (num_trials - counted),
                    folder=sum(path.stat().st_size for path in Path(folder).rglob("*.json")) / num_trials,
                    written=written / len(asks),
                )
            )
            counted = num_trials
    return found


def _run(oracle: Any) -> Iterator[tuple[float, float]]:
    """Yields the seconds of each ask and tell, without end."""
    while True:
        start = time.perf_counter()
        trial = oracle.create_trial("tuner")
        asked = time.perf_counter()
        if trial.status != "RUNNING":
            raise RuntimeError(f"Got no trial but {trial.status!r}, expected a space without end.")
        value = score(trial.hyperparameters.values)
        trained = time.perf_counter()
        oracle.update_trial(trial.trial_id, {"score": value})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        yield asked - start, time.perf_counter() - trained


def _memory() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _written() -> int:
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["wchar"])


def rows(name: str, measured: Sequence[Measured], first: Sequence[Measured]) -> list[str]:
    """Returns the lines of the table for one oracle.

    Args:
        name: How it is called.
        measured: Its costs.
        first: The costs of the oracle to compare it with.
    """
    compared = {one.mark: one.seconds for one in first}
    lines = []
    for one in measured:
        ratio = f"{one.seconds / compared[one.mark]:.2g}" if one.mark in compared else ""
        times = [statistics.median(one.asks), statistics.median(one.tells), one.seconds]
        sizes = [one.growth, one.folder, one.written]
        cells = [
            name,
            f"{one.mark:,}",
            *(f"{1e3 * seconds:.2f}" for seconds in times),
            ratio,
            str(len(one.asks)),
            f"{one.memory / 1e6:.0f}",
            *(f"{size / 1e3:.1f}" for size in sizes),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(given: Sequence[str] | None = None) -> None:
    """Measures every oracle, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--marks", type=int, nargs="+", default=MARKS, help="rising numbers of trials")
    parser.add_argument("--window", type=int, default=60, help="trials to time around each mark")
    parser.add_argument("--only", help="measure only the oracles with this word in their name")
    parser.add_argument("--write", action="store_true", help="write the table to docs/benchmarks/ too")
    arguments = parser.parse_args(given)

    table, first = [HEAD], None
    print(HEAD, flush=True)
    for name in SUBJECTS:
        if arguments.only and arguments.only not in name:
            continue
        # Spawned, so that nothing of this process's memory is in the other's.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            measured = process.submit(measure, name, sorted(arguments.marks), arguments.window).result()
        first = first or measured
        table += rows(name, measured, first)
        print(*table[-len(measured) :], sep="\n", flush=True)
    if arguments.write:
        command = shlex.join(["python", "benchmarks/oracle_overhead.py", *(sys.argv[1:] if given is None else given)])
        machine = (
            f"Keras Tuner {version('keras-tuner')}, Python {platform.python_version()}, {os.cpu_count()} cores, "
            f"{platform.machine()}"
        )
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text("\n".join([ABOUT, "", f"    {command}", "", f"{machine}.", "", *table, ""]))


if __name__ == "__main__":
    main()
