"""The command `kevo`, run as a user would, and watched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.endurance.checks import trials_of
from benchmarks.endurance.jobs import Job
from benchmarks.support.project import ROOT
from kevo.runs import layout
from kevo.runs.records import TrialRecord

MAX_SECONDS = 900.0
"""How long to wait for something that should have happened long before."""
POLL_SECONDS = 0.02


class Command:
    """A running `kevo search`, or `kevo resume` where the run folder exists already.

    Args:
        job: Trials, epochs and seed of the search.
        run: The run folder.
        log: File for its output.
        cluster: The address of the cluster where it trains; `None` for this machine.
        prefix: What is put before the command.
        num_workers: How many trials run at a time.
        is_quiet: Whether it says nothing but its result.
    """

    def __init__(
        self,
        job: Job,
        run: Path,
        log: Path,
        *,
        cluster: str | None = None,
        prefix: Sequence[str] = (),
        num_workers: int = 1,
        is_quiet: bool = True,
    ) -> None:
        words = ["search", "digits", "--space", "small", "--max-trials", str(job.trials), "--epochs", str(job.epochs)]
        words += ["--workers", str(num_workers), "--cache", "none", "--seed", str(job.seed), "--out", str(run)]
        if (run / layout.SETTINGS).exists():
            words = ["resume", str(run)]
        if cluster is not None:
            words += ["--cluster", cluster]
        if is_quiet:
            words.append("--quiet")
        self._status = run / layout.STATUS
        self._stale = self._written_at
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "kevo", *words],
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    @property
    def _written_at(self) -> int | None:
        try:
            return self._status.stat().st_mtime_ns
        except OSError:
            return None

    @property
    def is_training(self) -> bool:
        """Whether the status that this command wrote shows a training."""
        if self._written_at in (None, self._stale):
            return False
        try:
            return bool(json.loads(self._status.read_text())["trainings"])
        except OSError:
            return False

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Waits until the command ends, `until` returns true, or `seconds` are over; returns whether it still runs."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end and not until():
            time.sleep(POLL_SECONDS)
        return self.process.poll() is None

    def wait_for_training(self) -> bool:
        """Waits until a worker trains, and returns whether the command still runs."""
        return self.wait(MAX_SECONDS, until=lambda: self.is_training)

    def kill(self) -> None:
        """Kills the command and waits for its end."""
        self.process.kill()
        self.process.wait()

    def ended(self, code: int = 0) -> list[str]:
        """Waits for the command's end, and returns a problem unless it ended in time with an exit code."""
        if self.wait(MAX_SECONDS):
            self.kill()
            return [f"the command did not end within {MAX_SECONDS:.0f} s"]
        if self.process.returncode == code:
            return []
        return [f"the command ended with {self.process.returncode}, expected {code}: {self.last_log_line}"]

    @property
    def last_log_line(self) -> str:
        """The last line of its output."""
        return (self._log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def undisturbed(
    job: Job, folder: Path, *, cluster: str | None = None
) -> tuple[list[TrialRecord], float, float, list[str]]:
    """Runs a search to its end.

    Returns:
        Its trials, the seconds until the first training, the seconds from then on, and problems.
    """
    run, began = folder / "undisturbed", time.monotonic()
    command = Command(job, run, folder / "log", cluster=cluster)
    command.wait_for_training()
    start = time.monotonic() - began
    problems = [f"undisturbed: {problem}" for problem in command.ended()]
    return trials_of(run), start, time.monotonic() - began - start, problems
