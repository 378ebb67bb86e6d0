"""How long a search takes until there is a model that can be used, and how much memory, by the pictures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.support.project import ROOT

_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class FirstModel:
    """How a search began.

    Args:
        num_pictures: Of so many pictures.
        size: Their side, in pixels.
        num_classes: In so many classes.
        seconds: From the command to the first `best.keras`.
        memory: Peak of what its process and its worker hold together, in MB, without files that are mapped into memory.
        files: Peak of these files, in MB: the system drops them where memory is short.
    """

    num_pictures: int
    size: int
    num_classes: int
    seconds: float
    memory: float
    files: float


def measure(num_pictures: int, *, size: int, num_classes: int, further_seconds: float) -> FirstModel:
    """Begins a search over pictures that are made here, and ends it some time after its first model.

    Args:
        num_pictures: How many, of all splits together.
        size: Their side, in pixels.
        num_classes: How many classes; their colors differ.
        further_seconds: For how long its memory is measured after the first model.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder) / "data.npz", num_pictures, size=size, num_classes=num_classes)
        best = Path(folder) / "run" / "best.keras"
        command = [sys.executable, "-m", "kevo", "search", "data.npz", "--max-time", "10m", "--quiet", "--out", "run"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": folder}
        seconds, memory, files = None, 0.0, 0.0
        began = time.perf_counter()
        search = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
        try:
            while search.poll() is None and (passed := time.perf_counter() - began) < _PATIENCE_SECONDS:
                if seconds is None and best.exists():
                    seconds = passed
                if seconds is not None and passed > seconds + further_seconds:
                    break
                held, mapped = _held(search.pid)
                memory, files = max(memory, held), max(files, mapped)
                time.sleep(_POLL_SECONDS)
        finally:
            workers = [one.pid for one in psutil.Process(search.pid).children(recursive=True)]
            os.killpg(search.pid, signal.SIGKILL)
            search.wait()
            # They end with it.
            psutil.wait_procs([psutil.Process(pid) for pid in workers if psutil.pid_exists(pid)], timeout=10)
    if seconds is None:
        raise RuntimeError(f"No model of {num_pictures} pictures after {time.perf_counter() - began:.0f} seconds.")
    return FirstModel(num_pictures, size, num_classes, seconds, memory, files)


def _write(path: Path, num_pictures: int, *, size: int, num_classes: int) -> None:
    """Writes pictures part by part: all of them need not fit into memory."""
    rng = np.random.default_rng(0)
    labels = np.arange(num_pictures) % num_classes
    colors = rng.integers(60, 196, (num_classes, 1, 1, 3))
    whole = path.with_suffix(".npy")
    pictures = np.lib.format.open_memmap(whole, "w+", np.uint8, (num_pictures, size, size, 3))
    for start in range(0, num_pictures, 1024):
        part = colors[labels[start : start + 1024]]
        pictures[start : start + 1024] = part + rng.integers(-60, 60, (len(part), size, size, 3), dtype=np.int16)
    np.savez(path, x=pictures, y=labels)
    whole.unlink()


def _held(process: int) -> tuple[float, float]:
    """Memory of a process and of those that it has started, in MB: what is theirs, and mapped files."""
    own = files = 0.0
    try:
        family = [psutil.Process(process), *psutil.Process(process).children(recursive=True)]
    except psutil.Error:
        return 0.0, 0.0
    for one in family:
        try:
            lines = Path(f"/proc/{one.pid}/smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            continue
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        # In proportion, where several processes share a page.
        own += 1.024e-3 * (kilobytes["Pss"] - kilobytes["Pss_File"])
        files += 1.024e-3 * kilobytes["Pss_File"]
    return own, files
