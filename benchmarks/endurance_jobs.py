"""What is to be measured of a search's endurance, what was found, and what is written down meanwhile."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import Any

from kevo import PRESETS, Settings
from kevo.progress import NullListener
from kevo.runs.records import TrialRecord
from kevo.settings import NO_CACHE

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


class Diary(NullListener):
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
