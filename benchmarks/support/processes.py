"""Fresh processes, the command `kevo`, the memory of a process, and a description of the machine.

Memory is read from `/proc`, which only Linux has; elsewhere the peak that the system reports for this process is used.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.support.project import ROOT

_T = TypeVar("_T")
_TITLES = {"tensorflow": "TensorFlow", "keras": "Keras", "keras-tuner": "Keras Tuner"}


def in_its_own_process(function: Callable[..., _T], *arguments: Any) -> _T:
    """Calls a function in a fresh process, which ends afterwards, and returns the result."""
    # Spawned, not forked: the new process shares no memory with this one, and TensorFlow does not survive a fork.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def memory_of(process: int | str) -> tuple[float, float] | None:
    """Returns the resident memory of a process and its peak, in MB; `None` if `/proc` does not know the process."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return 1.024e-3 * int(values.get("VmRSS", 0)), 1.024e-3 * int(values.get("VmHWM", 0))


def memory(*, peak: bool = False) -> float:
    """Returns the resident memory of this process, or its peak, in MB."""
    found = memory_of("self")
    if found is None:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    # The peak of `getrusage` may be that of the parent process.
    return found[1] if peak else found[0]


class OwnMemory:
    """The peak memory of this process without mapped files, which the system may drop at any time.

    It is sampled five times a second: shorter peaks may be missed.
    """

    def __init__(self) -> None:
        self.peak: float | None = None
        """In MB; `None` if `/proc` does not tell."""
        threading.Thread(target=self._watch, name="own memory", daemon=True).start()

    def _watch(self) -> None:
        while (held := _own_memory()) is not None:
            self.peak = max(held, self.peak or 0.0)
            time.sleep(0.2)


def _own_memory() -> float | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    own = [int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:"))]
    return 1.024e-3 * sum(own) if own else None


def machine(*packages: str) -> str:
    """Returns a description of the machine with its Python and the versions of packages.

    Args:
        packages: Names of distributions; by default TensorFlow, Keras and Keras Tuner.
    """
    versions = [f"{_TITLES.get(name, name)} {version(name)}" for name in packages or _TITLES]
    parts = [f"{os.cpu_count()} cores", platform.machine(), f"Python {platform.python_version()}", *versions]
    return ", ".join(parts)


def run_kevo(arguments: Sequence[str], *, folder: Path | None = None) -> str:
    """Runs the command `kevo` of this checkout in a process of its own, and returns its standard output.

    Args:
        arguments: Arguments of the command.
        folder: Working directory; by default the current one.

    Raises:
        subprocess.CalledProcessError: The command failed.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "kevo", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()
