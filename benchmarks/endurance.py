"""Measures what a search endures on `digits`: two hundred trials, faults, kills, a full disk; and what workers gain.

    python benchmarks/endurance.py --seeds 0
    python benchmarks/endurance.py --seeds 0 1 2 --parts workers
    python benchmarks/endurance.py --write

Each part runs in a process of its own and is measured once: the report is made of all that the file of results holds.
Faults happen in real worker processes, between two steps of a training. Workers are told of them by a `sitecustomize`
on their path, so that kevo itself knows nothing of them. `--quick` shows that everything works; its numbers mean
nothing. Linux only, whose `/proc` knows processes and memory.

Exit codes: 0 all is well, 1 something was lost, left over or not measured.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import math
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from operator import itemgetter
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

# The checkout is measured, even where another version is installed.
sys.path.insert(0, str(Path(__file__).parent.parent))

from speed import Task, cell, in_its_own_process, machine, measure, median, memory, say, table

from kevo import PRESETS, KevoError, Settings
from kevo.memory import installed
from kevo.reporting import Silent
from kevo.runs import Run, TrialRecord
from kevo.settings import NO_CACHE

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "endurance.jsonl"
QUICK_RESULTS = ROOT / "build" / "benchmarks" / "endurance_quick.jsonl"
REPORT = ROOT / "docs" / "benchmarks" / "endurance.md"
SPACE = dataclasses.replace(PRESETS["small"], families=("conv",))
# Networks of one size: were later ones larger, they would look like a search that slows down.
EVEN = dataclasses.replace(
    SPACE,
    conv_image_sizes=(8,),
    num_blocks=(2,),
    filters=(16,),
    kernel_sizes=(3,),
    conv_summaries=("average",),
    batch_norm=(True,),
    num_dense=(0,),
    augment=(False,),
    optimizers=("adam",),
    batch_sizes=(32,),
)
ABOUT = """\
# What a search endures

What `python benchmarks/endurance.py` measured on scikit-learn's handwritten digits (1,797 of 8 px), with conv stacks of
the preset `small`. Parts that this page does not show were not run."""

_EVERY = 4
"""Of so many trials one meets a fault."""
_LEASE_SECONDS = 10.0
"""So long a worker may give no sign of life while faults happen."""
_PATIENCE_SECONDS = 30.0
"""So long a training may bring nothing new while faults happen."""
_WORKER_MB = 2000
"""What a worker may hold while faults happen."""
_WINDOW = 20
"""So many of the first trials are compared with the last."""
_MOMENT = 20.0
"""So many seconds processes have to notice that their search is gone."""
_AGES = 900.0
"""So many seconds a search of the command may take for what it should have done long before."""
_POLL_SECONDS = 0.02
_DISK_MB = 64
FILLED = ("once", "again and again")
"""How often others fill the disk."""
_MARK, _FAULTS, _PLAN = "KEVO_ENDURANCE", "KEVO_ENDURANCE_FAULTS", "plan.json"
_PERFORMING = "kevo.engine.performing"

Facts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be measured: a part with one seed."""

    part: str
    seed: int
    trials: int
    epochs: int
    workers: int
    kills: int
    is_quick: bool = False

    @property
    def setting(self) -> str:
        """What tells it from other jobs of its part, in words."""
        words = [f"{self.trials} trials", f"epochs: {self.epochs}"]
        words += [f"workers: {self.workers}"] * (self.part in ("memory", "faults"))
        words += [f"{self.kills} kills"] * (self.part == "kills")
        return ", ".join([*words, *["a quick look"] * self.is_quick])

    def settings(self, **changes: Any) -> Settings:
        """Returns the settings of its search."""
        values = {
            "max_trials": self.trials,
            "epochs": self.epochs,
            "final_epochs": self.epochs,
            "num_finalists": 1,
            "space": EVEN,
            "cache": NO_CACHE,
            "workers": self.workers,
            "seed": self.seed,
            **changes,
        }
        return Settings(**values)


@dataclass(frozen=True)
class Found:
    """What was measured: `problems` say what must never be."""

    part: str
    seed: int
    setting: str
    machine: str
    facts: Facts
    problems: list[str] = field(default_factory=list)


class Diary(Silent):
    """Writes down what happens to trials, and when."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, str]] = []
        self.records: list[TrialRecord] = []
        self.first_started = self.last_evolved = 0.0
        self._began: dict[int, float] = {}

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        self.events.append(("started", number, worker))
        self._began[number] = time.monotonic()
        self.first_started = self.first_started or time.monotonic()

    def trial_lost(self, number: int, reason: str) -> None:
        self.events.append(("lost", number, reason))

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        self.events.append(("ended", record.number, record.status))
        self.records.append(record)
        if not record.full_length:
            self.last_evolved = time.monotonic()
            self.noted(record, time.monotonic() - self._began[record.number])

    def noted(self, record: TrialRecord, seconds: float) -> None:
        """Is told of each trial of the evolution how long it took."""


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
            held, peak = _held(pid)
            self.worker_peak = max(self.worker_peak, peak)
            self.of_workers.setdefault(pid, []).append(round(held, 1))


def processes(mark: str) -> list[int]:
    """Returns the processes that inherited a mark, by their numbers; see `marked`."""
    found = []
    for entry in Path("/proc").iterdir():
        # Others' are none of our business, and what has just ended cannot be read.
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid() and (entry / "environ").is_file():
                is_ours = f"{_MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0")
                found += [int(entry.name)] * is_ours
    return sorted(found)


@contextlib.contextmanager
def marked() -> Iterator[str]:
    """Marks all processes that are started within, whoever becomes their parent later, and yields the mark."""
    mark = secrets.token_hex(8)
    with patch.dict(os.environ, {_MARK: mark}):
        yield mark


def _held(pid: int) -> tuple[float, float]:
    """Returns the MB that a process holds and the most that it ever held; nothing of one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return 1.024e-3 * int(values.get("VmRSS", 0)), 1.024e-3 * int(values.get("VmHWM", 0))


def slope(values: Sequence[float]) -> float:
    """Returns how much values grow from one to the next: the slope of the least squares line."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0]) if len(values) > 1 else math.nan


def measure_memory(job: Job) -> tuple[Facts, list[str]]:
    """A long search: memory, seconds and disk, trial by trial."""
    import kevo
    from kevo.engine import crew

    with tempfile.TemporaryDirectory() as folder, marked() as mark:
        run = Path(folder) / "run"
        meter = Meter(run, mark)
        kevo.search("digits", job.settings(), out=run, listener=meter)
        longest = max(meter.of_workers.values(), key=len, default=[])
        facts: Facts = {
            **meter.facts,
            "peak": memory(peak=True),
            "worker_peak": meter.worker_peak,
            "worker_limit": 1e-6 * crew._MEMORY_SHARE * (installed() or 0) / job.workers,
            "worker_slope": slope(longest),
            "num_workers": len(meter.of_workers),
            "folder_mb": Run(run, {}).num_bytes() / 1e6,
            "checkpoints_mb": Run(run, {}).num_bytes("checkpoints") / 1e6,
            "model_mb": (run / "best.keras").stat().st_size / 1e6,
        }
        return facts, leftovers(run, mark)


def measure_keras_tuner(job: Job) -> Facts:
    """The same with Keras Tuner's random search, which trains in its own process."""
    task = Task(
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


def _grow() -> None:
    held = []
    for _ in range(2 * _WORKER_MB // 100):
        held.append(b"1" * 100_000_000)
        time.sleep(0.02)
    time.sleep(_AGES)


def _raise() -> None:
    raise RuntimeError("a fault that was injected")


@dataclass(frozen=True)
class Fault:
    """What happens to a training, and whether its trial has to fail."""

    act: Callable[[], object]
    fails: bool = False


def _signaled(number: signal.Signals) -> Fault:
    return Fault(lambda: os.kill(os.getpid(), number))


FAULTS = {
    "kill": _signaled(signal.SIGKILL),
    "stop": _signaled(signal.SIGSTOP),
    "exit": Fault(lambda: os._exit(3)),
    "crash": _signaled(signal.SIGSEGV),
    # Its learning rate does it.
    "nan": Fault(lambda: None, fails=True),
    "slow": Fault(lambda: time.sleep(5)),
    "hang": Fault(lambda: time.sleep(_AGES)),
    "memory": Fault(_grow),
    "raise": Fault(_raise, fails=True),
}


def draw(job: Job) -> dict[int, tuple[str, float]]:
    """Returns which trials meet which faults, after how many epochs: one of every four, each kind as often."""
    rng = np.random.default_rng(job.seed)
    kinds: list[str] = []
    plan = {}
    for first in range(0, job.trials - _EVERY + 1, _EVERY):
        kinds = kinds or list(rng.permutation(list(FAULTS)))
        plan[first + int(rng.integers(_EVERY))] = str(kinds.pop()), float(rng.uniform(0, job.epochs - 0.5))
    return plan


def sabotage() -> None:
    """Makes the trainings of this process meet their faults, as soon as what trains is loaded."""
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == _PERFORMING else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        module.Performer.perform = _faulty(module.Performer.perform, Path(os.environ[_FAULTS]))


def _faulty(perform: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    plan = json.loads((folder / _PLAN).read_text())

    def is_first(number: int) -> bool:
        try:
            (folder / str(number)).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    @functools.wraps(perform)
    def faulty(self: Any, task: Any, *, progress: Callable[..., object], **options: Any) -> Any:
        kind, at = plan.get(str(task.number), (None, 0.0))
        if kind == "nan" and is_first(task.number):
            rates = {name: 1e38 for name in task.genome if name.endswith("learning_rate")}
            task = dataclasses.replace(task, genome={**task.genome, **rates})

        def watched(stage: str, done: float, *rest: Any) -> None:
            if kind is not None and done >= at and is_first(task.number):
                FAULTS[kind].act()
            progress(stage, done, *rest)

        return perform(self, task, progress=watched, **options)

    return faulty


@contextlib.contextmanager
def _faults(plan: Mapping[int, tuple[str, float]], folder: Path, num_workers: int) -> Iterator[None]:
    """Lets workers that are started within meet faults, and has them watched more closely."""
    from tuners.remote import Server

    (folder / _PLAN).write_text(json.dumps(plan))
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import endurance\n\nendurance.sabotage()\n")
    share = _WORKER_MB * 1e6 * num_workers / (installed() or 1e12)
    with (
        patch.dict(os.environ, {_FAULTS: str(folder)}),
        patch.object(sys, "path", [str(site), str(Path(__file__).parent), *sys.path]),
        patch("kevo.engine.crew._MEMORY_SHARE", share),
        patch("kevo.engine.crew._PATIENCE_SECONDS", _PATIENCE_SECONDS),
        patch("kevo.engine.sitting.Server", functools.partial(Server, lease_seconds=_LEASE_SECONDS)),
    ):
        yield


def measure_faults(job: Job) -> tuple[Facts, list[str]]:
    """A search whose workers meet faults: what it keeps, and what it leaves behind."""
    import kevo

    problems: list[str] = []
    with tempfile.TemporaryDirectory() as name, marked() as mark:
        folder, plan, diary = Path(name), draw(job), Diary()
        run, began = folder / "run", time.monotonic()
        with _faults(plan, folder, job.workers):
            try:
                kevo.search("digits", job.settings(), out=run, listener=diary)
            except KevoError as error:
                problems.append(f"the search ended with {type(error).__name__}: {error}")
        seconds = time.monotonic() - began
        happened = {number for number in plan if (folder / str(number)).exists()}
        problems += [f"the fault of trial {number} did not happen" for number in sorted(plan.keys() - happened)]
        problems += lost(diary, run) + unexplained(diary, plan, job.trials) + leftovers(run, mark)
    losses = [(number, words) for event, number, words in diary.events if event == "lost"]
    ends = {record.number: record for record in diary.records}
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
        "completed": sum(record.status == "completed" for record in diary.records),
        "failed": sum(record.status == "failed" for record in diary.records),
        "collateral": sum(number not in plan for number, _ in losses),
    }
    return facts, problems


def lost(diary: Diary, run: Path) -> list[str]:
    """Says what a run folder lacks of that which has completed, and what was done twice."""
    problems = []
    kept = {record.trial_id: record for record in Run(run, {}).trials()}
    for record in diary.records:
        if record.status == "completed" and kept.get(record.trial_id) != record:
            problems.append(f"trial {record.number} completed and is not in the run folder as it was")
    ended: set[int] = set()
    for event, number, words in diary.events:
        if event == "started" and number in ended:
            problems.append(f"trial {number} was trained again after it had completed")
        if event == "ended" and words == "completed":
            ended.add(number)
    return problems + twice(run)


def twice(run: Path) -> list[str]:
    """Says which trials a run folder tells of twice."""
    text = (run / "trials.jsonl").read_text() if (run / "trials.jsonl").exists() else ""
    # A last line without its end is no word.
    counts = Counter(json.loads(line)["trial_id"] for line in text.split("\n")[:-1])
    return [f"trial {trial_id} was written down {num} times" for trial_id, num in counts.items() if num > 1]


def unexplained(diary: Diary, plan: Mapping[int, tuple[str, float]], num_trials: int) -> list[str]:
    """Says what ended otherwise than its fault explains, or not at all."""
    evolved = [record for record in diary.records if not record.full_length]
    problems = [f"{len(evolved)} trials ended, expected {num_trials}"] * (len(evolved) != num_trials)
    for record in diary.records:
        fails = record.number in plan and FAULTS[plan[record.number][0]].fails
        if (record.status == "failed") is not fails:
            fault = plan.get(record.number, ("no fault", 0.0))[0]
            problems.append(f"trial {record.number} ({fault}) {record.status}: {record.reason or 'no reason'}")
    return problems


def leftovers(run: Path, mark: str) -> list[str]:
    """Says what a search has left that is over: processes, locks, what workers needed; and which model it lacks."""
    problems = orphans(mark)
    try:
        with Run.open(run).locked():
            pass
    except KevoError as error:
        problems.append(f"no new search can begin: {error}")
    if (run / "work").exists():
        problems.append(f"work/ is left with {len(list((run / 'work').iterdir()))} entries")
    try:
        model = _loaded(run / "best.keras")
        sums = np.asarray(model.predict(np.zeros((2, 8, 8, 3), np.uint8), verbose=0)).sum(axis=-1)
        if not np.allclose(sums, 1, atol=1e-3):
            problems.append(f"the final model's probabilities sum to {sums}")
    except (OSError, ValueError) as error:
        problems.append(f"the final model cannot be loaded: {error}")
    return problems


def _loaded(path: Path) -> Any:
    import keras

    return keras.models.load_model(path, safe_mode=True)


def orphans(mark: str) -> list[str]:
    """Says which processes are left after a moment, and ends them."""
    until = time.monotonic() + _MOMENT
    while (left := processes(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"process {pid} was left" for pid in left]


class Sitting:
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
                env={**os.environ, "PYTHONPATH": str(ROOT)},
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
        return [f"the command ended with {self.process.returncode}, expected {code}: {self.last_words}"]

    @property
    def last_words(self) -> str:
        """The last line that the command wrote."""
        return (self._log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def _uninterrupted(job: Job, folder: Path) -> tuple[list[TrialRecord], float, float, list[str]]:
    """Searches once undisturbed; returns its trials, the seconds until the first began and those from then on."""
    run, began = folder / "undisturbed", time.monotonic()
    sitting = Sitting(job, run, folder / "log")
    sitting.wait_for_work()
    start = time.monotonic() - began
    problems = [f"undisturbed: {problem}" for problem in sitting.ended()]
    return Run(run, {}).trials(), start, time.monotonic() - began - start, problems


def differences(
    expected: Iterable[TrialRecord], got: Iterable[TrialRecord], *, broken: frozenset[str] | set[str] = frozenset()
) -> list[str]:
    """Says how the trials of two searches differ; histories of trainings that were broken off may."""

    def by_key(records: Iterable[TrialRecord]) -> dict[str, TrialRecord]:
        return {json.dumps([one.full_length, one.status, one.genome], sort_keys=True): one for one in records}

    def named(record: TrialRecord) -> str:
        return f"trial {record.number}" + f" (failed: {record.reason})" * (record.reason is not None)

    first, second = by_key(expected), by_key(got)
    problems = [f"{named(first[key])} of the undisturbed search is missing" for key in first.keys() - second]
    problems += [f"{named(second[key])} is not in the undisturbed search" for key in second.keys() - first]
    for key in first.keys() & second:
        if first[key].history != second[key].history and second[key].trial_id not in broken:
            problems.append(f"trial {second[key].number} has another history than in the undisturbed search")
    return sorted(problems)


def _kept(run: Path, before: Sequence[TrialRecord]) -> tuple[list[TrialRecord], list[str]]:
    """Returns the trials of a run folder, and says whether those of before are still among them."""
    now = Run(run, {}).trials()
    return now, ["trials that had ended are gone or changed"] * (now[: len(before)] != list(before))


def _broken_off(run: Path) -> set[str]:
    """Returns the trials whose training goes on from where it was kept."""
    return {path.stem for path in (run / "unfinished").glob("*.json")}


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
            sitting = Sitting(job, run, folder / "log")
            if num_kills % 4:
                is_alive = sitting.wait_for_work()
                is_alive = is_alive and sitting.wait(rng.uniform(0, 2 * rest / job.kills))
            else:
                # Every fourth time it may hardly have begun.
                is_alive = sitting.wait(rng.uniform(0, start))
            if is_alive:
                sitting.kill()
                num_kills += 1
            else:
                problems += sitting.ended()
            broken |= _broken_off(run)
            problems += orphans(mark)
            kept, gone = _kept(run, kept)
            problems += gone
            num_completed.append(len(kept))
        if is_alive and not problems:
            problems += Sitting(job, run, folder / "log").ended()
        kept, gone = _kept(run, kept)
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
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "kevo-endurance", str(folder)]
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
                kept, gone = _kept(run, facts[way].pop("kept"))
                broken = set(facts[way].pop("broken"))
                found += gone + differences(expected, kept, broken=broken) + twice(run) + leftovers(run, mark)
                facts[way] |= {"trials": len(kept), "words": facts[way]["words"].replace(name, "")}
                problems += [f"filled {way}: {problem}" for problem in found]
    return facts, problems


def _filled(job: Job, run: Path, way: str) -> tuple[Facts, list[str]]:
    """Searches until others have filled the disk, makes room, and goes on."""
    ballast, log = run.with_name("ballast"), run.parents[1] / "log"
    sitting = Sitting(job, run, log)
    sitting.wait(_AGES, until=lambda: len(Run(run, {}).trials()) >= job.trials / 3)
    _fill(ballast)
    until = time.monotonic() + _AGES
    while sitting.wait(_POLL_SECONDS) and time.monotonic() < until:
        if way == "again and again":
            _fill(ballast)
    problems = []
    words = sitting.last_words
    # With what kevo removes it may find room enough.
    goes_on = way == "once" and sitting.process.returncode == 0
    if not goes_on:
        problems += sitting.ended(code=1)
        if "Cannot write" not in words or "kevo resume" not in words:
            problems.append(f"the error does not say what to do: {words}")
    ballast.unlink()
    facts = {
        "before": len(Run(run, {}).trials()),
        "words": "" if goes_on else words,
        "kept": Run(run, {}).trials(),
        "broken": _broken_off(run),
    }
    return facts, problems if goes_on else problems + Sitting(job, run, log).ended()


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


def examine(job: Job) -> Found:
    """Measures one part with one seed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Memory is a process's own only if nothing else has run there.
    call = (lambda function, one: function(one)) if job.is_quick else in_its_own_process
    facts, problems = call(PARTS[job.part].measure, job)
    if job.part == "memory":
        facts = {"kevo": facts, "Keras Tuner RandomSearch": call(measure_keras_tuner, job)}
    return Found(job.part, job.seed, job.setting, machine(), facts, problems)


def _of(found: Sequence[Found], value: Callable[[Facts], float]) -> float:
    return median(value(one.facts) for one in found)


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "**no**"


def _first(facts: Facts) -> float:
    """Returns the median seconds of the first trials."""
    return median(facts["seconds"][: _num_compared(facts)])


def _last(facts: Facts) -> float:
    """Returns the median seconds of the last trials."""
    return median(facts["seconds"][-_num_compared(facts) :])


def _num_compared(facts: Facts) -> int:
    return max(1, min(_WINDOW, len(facts["seconds"]) // 2))


def tell_memory(found: Sequence[Found]) -> str:
    """Returns the tables of the long search."""
    rows = []
    for tool in found[0].facts:
        own = [dataclasses.replace(one, facts=one.facts[tool]) for one in found]
        values = (
            (_of(own, lambda facts: slope(facts["memory"])), ".3f"),
            (_of(own, lambda facts: slope(facts["memory"][_WINDOW:])), ".3f"),
            (_of(own, itemgetter("peak")), ".0f"),
            (_of(own, lambda facts: facts.get("worker_peak", math.nan)), ".0f"),
            (_of(own, _first), ".2f"),
            (_of(own, _last), ".2f"),
        )
        rows.append((tool, str(len(own)), *(cell(*value) for value in values)))
    head = ("tool", "seeds", "MB more per trial", f"after the first {_WINDOW}", "peak, MB", "a worker's peak, MB")
    ours = [dataclasses.replace(one, facts=one.facts["kevo"]) for one in found]
    growth = _of(ours, lambda facts: slope(facts["memory"]))
    slower = _of(ours, lambda facts: _last(facts) / _first(facts))
    peak, limit = (_of(ours, itemgetter(name)) for name in ("worker_peak", "worker_limit"))
    worth = _of(ours, lambda facts: facts["checkpoints_mb"] / facts["model_mb"])
    most = _of(ours, lambda facts: max(facts["checkpoints"]) / facts["model_mb"])
    whole, models, best = (_of(ours, itemgetter(name)) for name in ("folder_mb", "checkpoints_mb", "model_mb"))
    promises = (
        ("the parent grows less than 0.2 MB a trial", f"{growth:.3f} MB", growth < 0.2),
        ("workers stay under their limit", f"{peak:.0f} of {limit:.0f} MB", peak < limit),
        ("the last trials are as fast as the first (within a tenth)", f"{slower:.2f} times", slower < 1.1),
        ("ten models' worth of checkpoints at most", f"{worth:.1f}, and {most:.1f} on the way", worth <= 10),
    )
    return "\n\n".join(
        (
            "Memory is resident; kevo's is the parent's, its workers' is apart. Slopes are those of least squares "
            f"lines over trials, seconds are medians of {_WINDOW} trials at most, from a trial's begin to its end, its "
            "model saved.",
            table((*head, "first trials, s", "last trials, s"), rows),
            f"The run folder holds {whole:.2f} MB at its end, {models:.2f} MB of it checkpoints; the best model has "
            f"{best:.3f} MB. Worker processes that trained: {_of(ours, itemgetter('num_workers')):.0f}, each replaced "
            "when its memory has grown; the one that trained longest grew by "
            f"{_of(ours, itemgetter('worker_slope')):.2f} MB with each trial of the search.",
            _promised(promises),
        )
    )


def _promised(rows: Iterable[tuple[str, str, bool]]) -> str:
    return table(("promised", "measured", "kept"), ((words, value, _yes(is_so)) for words, value, is_so in rows))


def tell_faults(found: Sequence[Found]) -> str:
    """Returns the tables of faults."""
    rows = []
    for kind in FAULTS:
        ours = [one.facts["kinds"][kind] for one in found]
        nums = [str(sum(one[name] for one in ours)) for name in ("happened", "begun again", "completed", "failed")]
        words = Counter(words for one in ours for words in one["words"])
        rows.append((kind, *nums, "; ".join(text for text, _ in words.most_common(2))))
    sums = {name: sum(one.facts[name] for one in found) for name in ("completed", "failed", "collateral")}
    return "\n\n".join(
        (
            f"One of every {_EVERY} trials meets a fault in the middle of its training, the first time that it is "
            f"trained. A worker may hold {_WORKER_MB} MB, give no sign of life for {_LEASE_SECONDS:.0f} s, and bring "
            f"nothing new for {_PATIENCE_SECONDS:.0f} s.",
            table(("fault", "happened", "begun again", "completed", "failed", "in kevo's words"), rows),
            f"All in all {sums['completed']} trainings completed, final ones included, and {sums['failed']} failed; "
            f"{sums['collateral']} were begun again that had met no fault. Median seconds of a search: "
            f"{_of(found, itemgetter('seconds')):.0f}.",
        )
    )


def tell_kills(found: Sequence[Found]) -> str:
    """Returns the table of kills."""
    head = ("seed", "kills", "trials when killed", "trials undisturbed", "trials at the end")
    rows = [
        (
            str(one.seed),
            str(one.facts["kills"]),
            " ".join(map(str, one.facts["trials_at_kills"])),
            str(one.facts["trials"]),
            str(one.facts["same"]),
        )
        for one in found
    ]
    return (
        "`kevo search` is killed (SIGKILL) at random instants, every fourth time while it starts, and `kevo resume` "
        "goes on. Trials are compared with those of an undisturbed search: genomes, and the metrics of every epoch.\n\n"
        + table(head, rows)
    )


def tell_full(found: Sequence[Found]) -> str:
    """Returns the table of full disks."""
    rows = [
        (way, str(one.seed), *(str(one.facts[way][name]) for name in ("before", "trials", "words")))
        for way in FILLED
        for one in found
        if "skipped" not in one.facts
    ]
    skipped = [f"Seed {one.seed} was not run: {one.facts['skipped']}." for one in found if "skipped" in one.facts]
    words = (
        f"The run folder is on a disk of {_DISK_MB} MB, which others fill up after a third of the trials: once, or "
        "again and again as soon as there is room. `kevo search` is to end with exit code 1 and say what it needs, or "
        "to do with the room it finds; then `kevo resume` goes on. Trials are compared with those of an undisturbed "
        "search."
    )
    head = ("filled", "seed", "trials before", "trials at the end", "in kevo's words")
    return "\n\n".join([words, *[table(head, rows)] * bool(rows), *skipped])


def tell_workers(found: Sequence[Found]) -> str:
    """Returns the table of trials per hour."""

    def per_hour(num: str, name: str) -> Callable[[Facts], float]:
        return lambda facts: 3600 * facts[num]["trials"] / facts[num][name]

    names = ("at_work", "seconds")
    rows = [
        (num, str(len(found)), *(cell(_of(found, per_hour(num, name)), ".0f") for name in names)) for num in ("1", "2")
    ]
    gains = [median(per_hour("2", name)(one.facts) / per_hour("1", name)(one.facts) for one in found) for name in names]
    rows.append(("2 over 1", str(len(found)), *(cell(gain, ".2f") for gain in gains)))
    return "\n\n".join(
        (
            "Both searches train the same candidates. Medians over seeds; trials per hour count from when the first "
            "candidate is begun, or from the start of the search, which includes that of the workers, to the end of "
            "the last one.",
            table(("workers", "seeds", "trials per hour", "from the start"), rows),
            _promised([("two workers train 1.5 times as many", f"{gains[0]:.2f} times", gains[0] >= 1.5)]),
        )
    )


@dataclass(frozen=True)
class Part:
    """A part of the benchmark: how it is measured and told, its trials and epochs."""

    title: str
    measure: Callable[[Job], tuple[Facts, list[str]]]
    tell: Callable[[Sequence[Found]], str]
    trials: int
    quick_trials: int
    epochs: int = 3


PARTS = {
    "memory": Part("Two hundred trials", measure_memory, tell_memory, 200, 4),
    "faults": Part("Faults", measure_faults, tell_faults, 200, 4),
    "kills": Part("Kills", measure_kills, tell_kills, 24, 3, epochs=5),
    "full": Part("A full disk", measure_full, tell_full, 12, 3, epochs=5),
    "workers": Part("One worker and two", measure_workers, tell_workers, 24, 2, epochs=5),
}


def tell(found: Sequence[Found]) -> str:
    """Returns the report in Markdown."""
    texts = [ABOUT, f"Machine: {'; '.join(dict.fromkeys(one.machine for one in found))}."]
    for name, part in PARTS.items():
        for setting in dict.fromkeys(one.setting for one in found if one.part == name):
            ours = [one for one in found if (one.part, one.setting) == (name, setting)]
            texts += [f"## {part.title}: {setting}", part.tell(ours)]
            problems = [f"- Seed {one.seed}: {problem}." for one in ours for problem in one.problems]
            if all("skipped" in one.facts for one in ours):
                continue
            texts.append("\n".join(["**What must not be:**", "", *problems]) if problems else CHECKED[name])
    return "\n\n".join(texts) + "\n"


_CLEAN = "no process and no lock was left, and the final model loads"
_SAME = f"Every trial that had ended was kept, none was trained anew, trials are the same; {_CLEAN}."
CHECKED = {
    "memory": f"Checked: {_CLEAN}.",
    "faults": "Checked: every completed trial was kept, none was trained again after it had completed, and only those "
    f"failed that had to; {_CLEAN}.",
    "kills": f"Checked: {_SAME[0].lower()}{_SAME[1:]}",
    "full": f"Checked: {_SAME[0].lower()}{_SAME[1:]}",
    "workers": f"Checked: {_CLEAN}.",
}


def read(results: Path) -> list[Found]:
    """Returns what was measured, ordered by seed; of two for the same, the later one."""
    lines = results.read_text().splitlines() if results.exists() else []
    found = {(one.part, one.setting, one.seed): one for one in (Found(**json.loads(line)) for line in lines)}
    return [found[key] for key in sorted(found)]


def keep(found: Found, results: Path) -> None:
    """Adds to what was measured."""
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("a") as file:
        file.write(json.dumps(dataclasses.asdict(found)) + "\n")


def run(jobs: Iterable[Job], *, results: Path, fresh: bool) -> bool:
    """Measures what is not measured yet, keeps each as soon as it is done, and returns whether all could be."""
    done = {(one.part, one.setting, one.seed) for one in read(results)}
    went_well = True
    for job in jobs:
        what = f"{job.part}, {job.setting}, seed {job.seed}"
        if not fresh and (job.part, job.setting, job.seed) in done:
            say(f"{what}: measured before")
            continue
        began = time.monotonic()
        try:
            found = examine(job)
        except Exception as error:
            # A night of measuring does not end with one that fails.
            say(f"{what}: failed, {type(error).__name__}: {error}")
            went_well = False
            continue
        keep(found, results)
        say(f"{what}: {time.monotonic() - began:.0f} s; {'; '.join(found.problems) or 'all is well'}")
    return went_well


def main(given: Sequence[str] | None = None) -> int:
    """Measures what is not measured yet, and reports; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"with commas between: {', '.join(PARTS)}")
    parser.add_argument("--seeds", type=int, nargs="*", default=(), help="none: report only")
    parser.add_argument("--trials", type=int, help="how many trials each part has, in place of its own number")
    parser.add_argument("--epochs", type=int, help="for how many epochs each is trained")
    parser.add_argument("--workers", type=int, default=2, help="how many workers there are in `memory` and `faults`")
    parser.add_argument("--kills", type=int, default=20, help="how often `kills` kills")
    parser.add_argument("--results", type=Path, help="the file with what is measured")
    parser.add_argument("--fresh", action="store_true", help="measure anew what was measured before")
    parser.add_argument(
        "--quick", action="store_true", help="only see that everything works: a few trials, seed 0, in a single process"
    )
    parser.add_argument("--write", action="store_true", help="put the report into docs/benchmarks")
    arguments = parser.parse_args(given)
    parts = arguments.parts.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"Got {unknown[0]!r}, expected some of: {', '.join(PARTS)}.")
    is_quick = arguments.quick
    jobs = [
        Job(
            part=part,
            seed=seed,
            trials=arguments.trials or (PARTS[part].quick_trials if is_quick else PARTS[part].trials),
            epochs=arguments.epochs or (1 if is_quick else PARTS[part].epochs),
            workers=arguments.workers,
            kills=min(arguments.kills, 2) if is_quick else arguments.kills,
            is_quick=is_quick,
        )
        for seed in arguments.seeds or ([0] if is_quick else [])
        for part in parts
    ]
    results = arguments.results or (QUICK_RESULTS if is_quick else RESULTS)
    went_well = run(jobs, results=results, fresh=arguments.fresh or is_quick)

    found = [one for one in read(results) if one.part in parts]
    if not found:
        say(f"Nothing is measured in {results}. Name seeds: --seeds 0.")
        return 1
    report = tell(found)
    print(report)
    if arguments.write:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(report)
    return 0 if went_well and not any(one.problems for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
