"""Compares the time that `kevo search` takes in several checkouts of kevo: until the first training, and to its end.

Checkouts may breed other candidates, and train the last ones for longer. So it is told too how much of the evolution
was training; and the processor time of all processes, which says more where something else runs on the machine.

    python -m benchmarks.checkouts . ../kevo-before --rounds 3

Each round runs the same search in every checkout, one after another, so that what else the machine does meets all.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from benchmarks.support.numbers import median
from benchmarks.support.pages import table
from benchmarks.support.processes import machine

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Times:
    """Seconds of one search.

    Args:
        first: From the command until it says that a candidate trains.
        evolved: Until the last candidate of the evolution has ended, from the search's own begin.
        training: What candidates of the evolution trained of that.
        whole: From the command to its end, final trainings included.
        processor: The processor time of all processes.
    """

    first: float
    evolved: float
    training: float
    whole: float
    processor: float


HEAD = ("until the first training", "until the last candidate", "of that training", "in all", "of the processor")
"""The fields of `Times` in words."""


def measure(checkout: Path, *, trials: int, epochs: int) -> Times:
    """Runs a search of `digits` with one worker."""
    words = ["search", "digits", "--space", "small", "--max-trials", str(trials), "--epochs", str(epochs)]
    words += ["--workers", "1", "--cache", "none", "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        run, began, worked = Path(folder, "run"), time.monotonic(), _processor_seconds()
        process = subprocess.Popen(
            [sys.executable, "-m", "kevo", *words, "--out", str(run)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(checkout.absolute())},
        )
        while process.poll() is None and not _is_training(run / "status.json"):
            time.sleep(_POLL_SECONDS)
        first = time.monotonic() - began
        if process.wait():
            raise RuntimeError(f"kevo search ended with {process.returncode} in {checkout}.")
        whole = time.monotonic() - began
        records = map(json.loads, (run / "trials.jsonl").read_text().splitlines())
        evolved = [record for record in records if not record["full_length"]]
        return Times(
            first=first,
            evolved=max(record["finished_at"] for record in evolved),
            training=sum(record["seconds"] for record in evolved),
            whole=whole,
            processor=_processor_seconds() - worked,
        )


def _processor_seconds() -> float:
    """Returns the processor time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _is_training(status: Path) -> bool:
    try:
        return bool(json.loads(status.read_text())["trainings"])
    except OSError:
        return False


def main(given: Sequence[str] | None = None) -> int:
    """Measures, prints a table and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="+", type=Path, help="folders with a checkout of kevo")
    parser.add_argument("--rounds", type=int, default=3, help="number of searches in each")
    parser.add_argument("--trials", type=int, default=8, help="candidates of each search")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of each candidate")
    arguments = parser.parse_args(given)
    found: dict[Path, list[Times]] = {checkout: [] for checkout in arguments.checkouts}
    for _ in range(arguments.rounds):
        for checkout in arguments.checkouts:
            found[checkout].append(measure(checkout, trials=arguments.trials, epochs=arguments.epochs))
            print(f"{checkout}: {found[checkout][-1]}", file=sys.stderr)
    lines = [
        (checkout.name or ".", *(f"{median(values):.1f}" for values in zip(*map(astuple, each), strict=True)))
        for checkout, each in found.items()
    ]
    print(machine())
    print(table(("seconds in", *HEAD), lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
