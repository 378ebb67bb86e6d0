"""Plain data: what a tool is to search, and what is measured of the search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.support.numbers import median, slope
from kevo import Space

TITLES = {
    "kevo": "kevo",
    "random": "Keras Tuner RandomSearch",
    "bayesian": "Keras Tuner BayesianOptimization",
}
"""Titles of the tools, by name."""
FROZEN = "frozen"
"""Kind of a candidate whose backbone is not trained."""


@dataclass(frozen=True, kw_only=True)
class SearchSpec:
    """A search that a tool is to run.

    Args:
        setting: Describes the search, without its seed; only searches of the same setting are compared.
        data: A folder of pictures, or the name of a built-in data set.
        space: The search space.
        weights: Source of the weights for each backbone.
        seed: Seed of splits, search and training.
        epochs: Epochs of each training stage at most.
        seconds: Time limit of the search; `None` for none.
        num_trials: Number of candidates to train; `None` for no limit.
        num_finalists: Number of candidates that kevo trains once more at the end.
        is_given: Whether to train `num_trials` random candidates, the same for every tool and without early stopping,
            instead of searching.
    """

    setting: str
    data: str
    space: Space
    weights: Mapping[str, str]
    seed: int
    epochs: int
    seconds: float | None = None
    num_trials: int | None = None
    num_finalists: int = 3
    is_given: bool = False


@dataclass(frozen=True)
class Trial:
    """A candidate's training.

    Args:
        kind: `conv`, `frozen` or `fine_tune`.
        part: Backbone, width, cut and size: the same for candidates that share a frozen part; empty for `conv`.
        ended: When it ended, in seconds since the start of the search.
        seconds: Its duration.
        accuracy: Accuracy on the validation split; `None` if it failed.
        memory: Resident memory of the process after it, in MB.
        is_closing: Whether it is a final training, after the search itself.
    """

    kind: str
    part: str
    ended: float
    seconds: float
    accuracy: float | None
    memory: float
    is_closing: bool = False


@dataclass(frozen=True)
class Step:
    """A new best model: accuracies of the search's choice from `seconds` on."""

    seconds: float
    validation: float
    test: float


@dataclass(frozen=True)
class Measurement:
    """What was measured of one search.

    Args:
        tool: Name of the tool.
        seed: Seed of splits, search and training.
        setting: Setting of the search.
        limit: Its time limit in seconds; `None` for none.
        trials: Its candidates.
        steps: The model that was best so far, whenever that changed.
        seconds: Duration of everything, from reading the pictures to the final model.
        test: Test accuracy of the final model.
        ensemble: Test accuracy of the ensemble, if there is one.
        peak: Peak memory of the process, in MB.
        machine: Describes the machine.
        own_peak: Its peak memory without files that are mapped; `None` where that was not measured.
    """

    tool: str
    seed: int
    setting: str
    limit: float | None
    trials: tuple[Trial, ...]
    steps: tuple[Step, ...]
    seconds: float
    test: float | None
    ensemble: float | None
    peak: float
    machine: str
    own_peak: float | None = None

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Measurement:
        """Returns the measurement from decoded JSON of its fields."""
        trials = tuple(Trial(**trial) for trial in values["trials"])
        return cls(**{**values, "trials": trials, "steps": tuple(Step(**step) for step in values["steps"])})

    @property
    def searched(self) -> list[Trial]:
        """The candidates that did not fail, without final trainings."""
        return [trial for trial in self.trials if trial.accuracy is not None and not trial.is_closing]

    @property
    def num_failed(self) -> int:
        """Number of candidates that failed."""
        return sum(trial.accuracy is None for trial in self.trials)

    @property
    def search_seconds(self) -> float:
        """When the last candidate ended, without final trainings."""
        return max((trial.ended for trial in self.trials if not trial.is_closing), default=math.nan)

    @property
    def per_hour(self) -> float:
        """Candidates per hour until the last one ended, without final trainings."""
        return 3600 * len(self.searched) / self.search_seconds

    @property
    def median_seconds(self) -> float:
        """Median seconds of a candidate."""
        return median(trial.seconds for trial in self.searched)

    @property
    def frozen_per_hour(self) -> float:
        """Candidates with a frozen backbone per hour of their own training, forward passes of backbones included."""
        seconds = [trial.seconds for trial in self.searched if trial.kind == FROZEN]
        return 3600 * len(seconds) / sum(seconds) if seconds else math.nan

    @property
    def later_frozen_seconds(self) -> float:
        """Median seconds of a candidate whose frozen part an earlier candidate had, too."""
        seen: set[str] = set()
        seconds = []
        for trial in self.searched:
            if trial.kind == FROZEN:
                if trial.part in seen:
                    seconds.append(trial.seconds)
                seen.add(trial.part)
        return median(seconds)

    @property
    def best_validation(self) -> float:
        """Best validation accuracy of all candidates."""
        return max((trial.accuracy for trial in self.trials if trial.accuracy is not None), default=math.nan)

    @property
    def memory_slope(self) -> float:
        """Growth of memory with each candidate, in MB: the slope of the least squares line."""
        return slope([trial.memory for trial in self.trials])

    def test_at(self, seconds: float) -> float:
        """Returns the choice's test accuracy after `seconds`; NaN before the first choice and after the time limit."""
        if self.limit is not None and seconds > self.limit:
            return math.nan
        return self.chosen_at(seconds)

    def chosen_at(self, seconds: float) -> float:
        """Returns the choice's test accuracy after `seconds`, which may exceed the time limit; NaN before the first."""
        return next((step.test for step in reversed(self.steps) if step.seconds <= seconds), math.nan)

    def seconds_to(self, accuracy: float) -> float:
        """Returns when the choice first had this test accuracy or more; infinity if never."""
        return next((step.seconds for step in self.steps if step.test >= accuracy), math.inf)
