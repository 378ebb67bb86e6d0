"""Trainings that meet faults in real worker processes, between two steps, and what a search makes of them.

Workers are told of them by a `sitecustomize` on their path, so that kevo itself knows nothing of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
from endurance_checks import leftovers, lost, marked
from endurance_jobs import Diary, Facts, Job

from kevo import KevoError
from kevo.system.memory import usable

EVERY = 4
"""Of so many trials one meets a fault."""
LEASE_SECONDS = 10.0
"""So long a worker may give no sign of life while faults happen."""
PATIENCE_SECONDS = 30.0
"""So long a training may bring nothing new while faults happen."""
WORKER_MB = 2000
"""What a worker may hold while faults happen."""
_LONG = 900.0
"""More seconds than anybody waits for a training here."""
_FAULTS, _PLAN = "KEVO_ENDURANCE_FAULTS", "plan.json"
_RUNNER = "kevo.execution.runner"


def _grow() -> None:
    held = []
    for _ in range(2 * WORKER_MB // 100):
        held.append(b"1" * 100_000_000)
        time.sleep(0.02)
    time.sleep(_LONG)


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
    "hang": Fault(lambda: time.sleep(_LONG)),
    "memory": Fault(_grow),
    "raise": Fault(_raise, fails=True),
}


def draw(job: Job) -> dict[int, tuple[str, float]]:
    """Returns which trials meet which faults, after how many epochs: one of every four, each kind as often."""
    rng = np.random.default_rng(job.seed)
    kinds: list[str] = []
    plan = {}
    for first in range(0, job.trials - EVERY + 1, EVERY):
        kinds = kinds or list(rng.permutation(list(FAULTS)))
        plan[first + int(rng.integers(EVERY))] = str(kinds.pop()), float(rng.uniform(0, job.epochs - 0.5))
    return plan


def sabotage() -> None:
    """Makes the trainings of this process meet their faults, as soon as what trains is loaded."""
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == _RUNNER else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        module.TrialRunner.perform = _faulty(module.TrialRunner.perform, Path(os.environ[_FAULTS]))


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
    (site / "sitecustomize.py").write_text("import endurance_faults\n\nendurance_faults.sabotage()\n")
    share = WORKER_MB * 1e6 * num_workers / (usable() or 1e12)
    with (
        patch.dict(os.environ, {_FAULTS: str(folder)}),
        patch.object(sys, "path", [str(site), str(Path(__file__).parent), *sys.path]),
        patch("kevo.execution.local_pool._MEMORY_SHARE", share),
        patch("kevo.execution.local_pool._PATIENCE_SECONDS", PATIENCE_SECONDS),
        patch("kevo.session.Server", functools.partial(Server, lease_seconds=LEASE_SECONDS)),
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
