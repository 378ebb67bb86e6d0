"""How long a search takes until there is a model that can be used, by the number of pictures."""

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

from benchmarks.support.processes import memory_of
from benchmarks.support.project import ROOT

_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class FirstModel:
    """How a search began.

    Args:
        num_pictures: Of so many pictures.
        size: Their side, in pixels.
        num_classes: In so many classes.
        seconds: From the command to the first `best.keras`.
        memory: Peak memory of the search's process until then, in MB; 0 where it cannot be told.
    """

    num_pictures: int
    size: int
    num_classes: int
    seconds: float
    memory: float


def measure(num_pictures: int, *, size: int, num_classes: int) -> FirstModel:
    """Begins a search over pictures that are made here, and ends it with its first model.

    Args:
        num_pictures: How many, of all splits together.
        size: Their side, in pixels.
        num_classes: How many classes; their colors differ.
    """
    rng = np.random.default_rng(0)
    labels = np.arange(num_pictures) % num_classes
    colors = rng.integers(60, 196, (num_classes, 1, 1, 3))
    pictures = np.empty((num_pictures, size, size, 3), np.uint8)
    for start in range(0, num_pictures, 1024):
        part = colors[labels[start : start + 1024]]
        pictures[start : start + 1024] = part + rng.integers(-60, 60, (len(part), size, size, 3))
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "data.npz", x=pictures, y=labels)
        best = Path(folder) / "run" / "best.keras"
        command = [sys.executable, "-m", "kevo", "search", "data.npz", "--max-time", "10m", "--quiet", "--out", "run"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        began = time.perf_counter()
        search = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
        try:
            while not best.exists() and search.poll() is None and time.perf_counter() - began < _PATIENCE_SECONDS:
                time.sleep(_POLL_SECONDS)
            seconds, (_, peak) = time.perf_counter() - began, memory_of(search.pid) or (0.0, 0.0)
            if not best.exists():
                raise RuntimeError(f"No model of {num_pictures} pictures after {seconds:.0f} seconds.")
        finally:
            os.killpg(search.pid, signal.SIGKILL)
            search.wait()
    return FirstModel(num_pictures, size, num_classes, seconds, peak)
