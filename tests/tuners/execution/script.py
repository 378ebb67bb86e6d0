"""A scheduler that follows a script, for the tests of executors and of the foreman."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Script:
    """Gives out trials in their order, each again once if its worker was lost, and notes what happens.

    Args:
        trials: What is given out.
        earlier: The model that all of them continue from.
        withdrawn: The trials that are to stop when they say something, by their places.
    """

    def __init__(
        self, *trials: Mapping[str, Any], earlier: Path | None = None, withdrawn: Sequence[int] = (), num_tries: int = 2
    ) -> None:
        self._trials = trials
        self._earlier = earlier
        self._withdrawn = withdrawn
        self._num_tries = num_tries
        self._waiting = list(range(len(trials)))
        self._num_lost: Counter[int] = Counter()
        self._heard_at: dict[str, float] = {}
        self.running: dict[str, int] = {}
        self.is_stopped = False
        self.told: dict[int, list[tuple[str, float, int, dict[str, float]]]] = {}
        self.kept: list[tuple[int, str, Mapping[str, Any]]] = []
        self.results: dict[int, Mapping[str, Any]] = {}
        self.files: dict[int, dict[str, str]] = {}
        self.lost: list[tuple[int | None, str]] = []
        self.workers: dict[int, list[str]] = {}

    @property
    def is_over(self) -> bool:
        return self.is_stopped or not (self._waiting or self.running)

    def next(self, worker: str) -> Mapping[str, Any] | None:
        self.running.pop(worker, None)
        if not self._waiting:
            return None
        number = self.running[worker] = self._waiting.pop(0)
        self.workers.setdefault(number, []).append(worker)
        self.hear(worker)
        return self._trials[number]

    def model_for(self, worker: str) -> Path | None:
        return self._earlier

    def hear(self, worker: str) -> None:
        self._heard_at[worker] = time.monotonic()

    def silence(self, worker: str) -> tuple[float, float]:
        return time.monotonic() - self._heard_at[worker], 0.0

    def tell(self, worker: str, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> bool:
        number = self.running[worker]
        self.told.setdefault(number, []).append((stage, done, total, dict(metrics)))
        return number not in self._withdrawn

    def keep(self, worker: str, folder: Path, values: Mapping[str, Any]) -> None:
        self.kept.append((self.running[worker], (folder / "model").read_text(), values))

    def wants(self, worker: str, result: Mapping[str, Any]) -> bool:
        return bool(result.get("wanted"))

    def finish(self, worker: str, result: Mapping[str, Any], folder: Path | None) -> None:
        number = self.running.pop(worker)
        self.results[number] = result
        if folder is not None:
            self.files[number] = {path.name: path.read_text() for path in folder.iterdir()}

    def lose(self, worker: str, reason: str, *, is_its_fault: bool) -> None:
        number = self.running.pop(worker, None)
        self.lost.append((number, reason))
        if number is not None:
            self._num_lost[number] += 1
            if self._num_lost[number] < self._num_tries:
                self._waiting.insert(0, number)

    def stop(self) -> None:
        self.is_stopped = True
