"""Faults that are injected into trainings of real worker processes, between two training steps.

A `sitecustomize` module on the workers' path loads this module, so that kevo itself knows nothing of faults.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.support.project import ROOT

Plan = Mapping[int, tuple[str, float]]
"""By trial number: which fault it meets, and after how many epochs."""
WORKER_MB = 2000
"""Memory that a worker may hold while faults happen."""
_LONG_SECONDS = 900.0
"""Longer than a search waits for a training while faults happen."""
_FOLDER_VARIABLE = "KEVO_ENDURANCE_FAULTS"
_PLAN = "plan.json"
_RUNNER = "kevo.execution.runner"


def _grow() -> None:
    held = []
    for _ in range(2 * WORKER_MB // 100):
        held.append(b"1" * 100_000_000)
        time.sleep(0.02)
    time.sleep(_LONG_SECONDS)


def _raise() -> None:
    raise RuntimeError("a fault that was injected")


@dataclass(frozen=True)
class Fault:
    """What happens to a training, and whether its trial then has to fail."""

    act: Callable[[], object]
    fails: bool = False


def _signaled(number: signal.Signals) -> Fault:
    return Fault(lambda: os.kill(os.getpid(), number))


FAULTS = {
    "kill": _signaled(signal.SIGKILL),
    "stop": _signaled(signal.SIGSTOP),
    "exit": Fault(lambda: os._exit(3)),
    "crash": _signaled(signal.SIGSEGV),
    # The learning rates that `_faulty` sets make the loss NaN.
    "nan": Fault(lambda: None, fails=True),
    "slow": Fault(lambda: time.sleep(5)),
    "hang": Fault(lambda: time.sleep(_LONG_SECONDS)),
    "memory": Fault(_grow),
    "raise": Fault(_raise, fails=True),
}


def prepare(plan: Plan, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Writes what workers need to meet the faults of a plan.

    Args:
        plan: The faults.
        folder: An empty folder; a fault that has happened leaves a file there, see `has_happened`.

    Returns:
        Environment variables, and folders to put before the module path, of the workers.
    """
    (folder / _PLAN).write_text(json.dumps(plan))
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("from benchmarks.endurance import injection\n\ninjection.install()\n")
    return {_FOLDER_VARIABLE: str(folder)}, [str(site), str(ROOT)]


def has_happened(number: int, folder: Path) -> bool:
    """Returns whether a trial has met its fault."""
    return (folder / str(number)).exists()


def install() -> None:
    """Makes the trainings of this process meet their faults, once the module that runs trials is imported."""
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
        module.TrialRunner.run = _faulty(module.TrialRunner.run, Path(os.environ[_FOLDER_VARIABLE]))


def _faulty(run: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    """Returns `TrialRunner.run` with the faults of the plan in a folder; each happens once."""
    plan = json.loads((folder / _PLAN).read_text())

    def is_first(number: int) -> bool:
        try:
            (folder / str(number)).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    @functools.wraps(run)
    def faulty(self: Any, spec: Any, *, progress: Callable[..., object], **options: Any) -> Any:
        kind, at = plan.get(str(spec.number), (None, 0.0))
        if kind == "nan" and is_first(spec.number):
            rates = {name: 1e38 for name in spec.genome if name.endswith("learning_rate")}
            spec = dataclasses.replace(spec, genome={**spec.genome, **rates})

        def watched(stage: str, done: float, *rest: Any) -> None:
            if kind is not None and done >= at and is_first(spec.number):
                FAULTS[kind].act()
            progress(stage, done, *rest)

        return run(self, spec, progress=watched, **options)

    return faulty
