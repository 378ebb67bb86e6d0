"""The command `kevo`, killed at random instants or on a disk that others fill, and resumed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from endurance_checks import broken_off, differences, leftovers, marked, orphans, still_there, twice
from endurance_jobs import Facts, Job

from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord

_ROOT = Path(__file__).parent.parent
DISK_MB = 64
FILLED = ("once", "again and again")
"""How often others fill the disk."""
_AGES = 900.0
"""So many seconds a search of the command may take for what it should have done long before."""
_POLL_SECONDS = 0.02


class Session:
    """One run of the command `kevo`.

    Args:
        job: What is measured.
        run: The run folder: a new search begins where there is none yet, otherwise one goes on.
        log: The file for what it says.
    """

    def __init__(self, job: Job, run: Path, log: Path) -> None:
        words = ["search", "digits", "--space", "small", "--max-trials", str(job.trials), "--epochs", str(job.epochs)]
        words += ["--workers", "1", "--cache", "none", "--seed", str(job.seed), "--out", str(run)]
        if (run / "settings.json").exists():
            words = ["resume", str(run)]
        self._status = run / "status.json"
        self._stale = self._written_at
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kevo", *words, "--quiet"],
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
            )

    @property
    def _written_at(self) -> int | None:
        try:
            return self._status.stat().st_mtime_ns
        except OSError:
            return None

    @property
    def is_at_work(self) -> bool:
        """Whether a worker trains, or has."""
        if self._written_at in (None, self._stale):
            return False
        try:
            return bool(json.loads(self._status.read_text())["trainings"])
        except OSError:
            return False

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Waits so long at most, or until something is true, and returns whether the command has not ended."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end and not until():
            time.sleep(_POLL_SECONDS)
        return self.process.poll() is None

    def wait_for_work(self) -> bool:
        """Waits until a worker trains, and returns whether the command has not ended."""
        return self.wait(_AGES, until=lambda: self.is_at_work)

    def kill(self) -> None:
        """Ends the command at once."""
        self.process.kill()
        self.process.wait()

    def ended(self, code: int = 0) -> list[str]:
        """Waits for the end and says what is wrong with it."""
        if self.wait(_AGES):
            self.kill()
            return [f"the command did not end within {_AGES:.0f} s"]
        if self.process.returncode == code:
            return []
        return [f"the command ended with {self.process.returncode}, expected {code}: {self.last_log_line}"]

    @property
    def last_log_line(self) -> str:
        """The last line that the command wrote."""
        return (self._log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def _uninterrupted(job: Job, folder: Path) -> tuple[list[TrialRecord], float, float, list[str]]:
    """Searches once undisturbed; returns its trials, the seconds until the first began and those from then on."""
    run, began = folder / "undisturbed", time.monotonic()
    session = Session(job, run, folder / "log")
    session.wait_for_work()
    start = time.monotonic() - began
    problems = [f"undisturbed: {problem}" for problem in session.ended()]
    return Run(run, {}).trials(), start, time.monotonic() - began - start, problems


def measure_kills(job: Job) -> tuple[Facts, list[str]]:
    """A search by the command that is killed again and again, and resumed."""
    rng = np.random.default_rng(job.seed)
    with tempfile.TemporaryDirectory() as name, marked() as mark:
        folder, run = Path(name), Path(name) / "killed"
        expected, start, rest, problems = _uninterrupted(job, folder)
        kept: list[TrialRecord] = []
        broken: set[str] = set()
        num_kills, num_completed, is_alive = 0, [], True
        while is_alive and num_kills < job.kills and not problems:
            session = Session(job, run, folder / "log")
            if num_kills % 4:
                is_alive = session.wait_for_work()
                # A search that goes on begins with work, too, before it is heard of.
                is_alive = is_alive and session.wait(rng.uniform(0, 1.2 * rest / job.kills))
            else:
                # Every fourth time it may hardly have begun.
                is_alive = session.wait(rng.uniform(0, start))
            if is_alive:
                session.kill()
                num_kills += 1
            else:
                problems += session.ended()
            broken |= broken_off(run)
            problems += orphans(mark)
            kept, gone = still_there(run, kept)
            problems += gone
            num_completed.append(len(kept))
        if is_alive and not problems:
            problems += Session(job, run, folder / "log").ended()
        kept, gone = still_there(run, kept)
        problems += gone + differences(expected, kept, broken=broken) + twice(run) + leftovers(run, mark)
    facts = {
        "kills": num_kills,
        "trials": len(expected),
        "same": len(kept),
        "trials_at_kills": num_completed,
        "undisturbed_seconds": start + rest,
    }
    return facts, problems


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[str | None]:
    """Mounts a small disk and yields why that cannot be done, if it cannot."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "kevo-endurance", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        yield str(error)
        return
    if done.returncode:
        yield done.stderr.strip()
        return
    try:
        yield None
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(path: Path) -> None:
    """Writes a file until there is no room left."""
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def measure_full(job: Job) -> tuple[Facts, list[str]]:
    """Searches by the command whose disk gets full, and which are resumed when there is room again."""
    facts: Facts = {}
    expected: list[TrialRecord] = []
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as name, marked() as mark:
        for way in FILLED:
            with _small_disk(Path(name) / "disk") as reason:
                if reason is not None:
                    return {"skipped": reason}, []
                if not expected:
                    expected, _, _, problems = _uninterrupted(job, Path(name))
                run = Path(name) / "disk" / "run"
                facts[way], found = _filled(job, run, way)
                kept, gone = still_there(run, facts[way].pop("kept"))
                broken = set(facts[way].pop("broken"))
                found += gone + differences(expected, kept, broken=broken) + twice(run) + leftovers(run, mark)
                facts[way] |= {"trials": len(kept), "words": facts[way]["words"].replace(str(run), "RUN")}
                problems += [f"filled {way}: {problem}" for problem in found]
    return facts, problems


def _filled(job: Job, run: Path, way: str) -> tuple[Facts, list[str]]:
    """Searches until others have filled the disk, makes room, and goes on."""
    ballast, log = run.with_name("ballast"), run.parents[1] / "log"
    session = Session(job, run, log)
    session.wait(_AGES, until=lambda: len(Run(run, {}).trials()) >= job.trials / 3)
    _fill(ballast)
    until = time.monotonic() + _AGES
    while session.wait(_POLL_SECONDS) and time.monotonic() < until:
        if way == "again and again":
            _fill(ballast)
    problems = []
    words = session.last_log_line
    # With what kevo removes it may find room enough.
    goes_on = way == "once" and session.process.returncode == 0
    if not goes_on:
        problems += session.ended(code=1)
        if "Cannot write" not in words or "kevo resume" not in words:
            problems.append(f"the error does not say what to do: {words}")
    ballast.unlink()
    facts = {
        "before": len(Run(run, {}).trials()),
        "words": "" if goes_on else words,
        "kept": Run(run, {}).trials(),
        "broken": broken_off(run),
    }
    return facts, problems if goes_on else problems + Session(job, run, log).ended()
