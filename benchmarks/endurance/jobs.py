"""Plain data: what is to be measured, and what was measured."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from kevo import PRESETS, Settings
from kevo.settings import NO_CACHE

SPACE = dataclasses.replace(PRESETS["small"], families=("conv",))
# Networks of one size: if later ones were larger, the search would seem to slow down.
EVEN_SPACE = dataclasses.replace(
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
"""Measured values, as JSON."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A part of the benchmark to measure with a seed.

    Args:
        part: Name of the part.
        seed: Seed of the search, and of what happens to it.
        trials: Number of trials of each search.
        epochs: Epochs of each trial.
        workers: Number of workers in `memory` and `faults`.
        kills: How often `kills` kills the search.
        is_quick: Whether only to show that everything works.
    """

    part: str
    seed: int
    trials: int
    epochs: int
    workers: int
    kills: int
    is_quick: bool = False

    @property
    def setting(self) -> str:
        """Describes the job within its part, without its seed."""
        words = [f"{self.trials} trials", f"epochs: {self.epochs}"]
        words += [f"workers: {self.workers}"] * (self.part in ("memory", "faults"))
        words += [f"{self.kills} kills"] * (self.part in ("kills", "cluster-kills"))
        return ", ".join([*words, *["a quick look"] * self.is_quick])

    def settings(self, **changes: Any) -> Settings:
        """Returns the settings of the job's search, with some changed."""
        values = {
            "max_trials": self.trials,
            "epochs": self.epochs,
            "final_epochs": self.epochs,
            "num_finalists": 1,
            "space": EVEN_SPACE,
            "cache": NO_CACHE,
            "workers": self.workers,
            "seed": self.seed,
            **changes,
        }
        return Settings(**values)


@dataclass(frozen=True)
class Measurement:
    """What was measured of a job.

    Args:
        part: Name of the part.
        seed: Seed of the job.
        setting: Setting of the job.
        machine: Describes the machine.
        facts: The measured values; each part has its own.
        problems: What went wrong, in words; none if the search kept all promises.
    """

    part: str
    seed: int
    setting: str
    machine: str
    facts: Facts
    problems: list[str] = field(default_factory=list)
