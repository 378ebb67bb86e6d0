"""Messages between scheduler and workers, as JSON values: a trial to run, and its result."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from kevo.training.effort import Effort
from tuners.genome import Genome


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """One training.

    Args:
        trial_id: Its name in the search.
        number: The candidate's place in the search, from 0.
        genome: What to train.
        effort: How much it may cost.
        continues: The trial that it continues after a pause; `None` for none.
        history: The metrics of every epoch before the pause, or before it broke off.
        stages: The training stage of each of them. Where there are any, the scheduler has the model.
        seconds_before: How long it took before it broke off.
        learned: What earlier trainings have taught; see `Task.learned`.
        inherits: The trial with whose weights it begins; `None` for new ones.
        parent: The genome of that trial.
    """

    trial_id: str
    number: int
    genome: Genome
    effort: Effort
    continues: str | None = None
    history: tuple[dict[str, float], ...] = ()
    stages: tuple[str, ...] = ()
    seconds_before: float = 0.0
    learned: Mapping[str, Any] = field(default_factory=dict)
    inherits: str | None = None
    parent: Genome | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values, from which `from_json` makes the same task."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        parent = None if self.parent is None else dict(self.parent)
        return {**values, "genome": dict(self.genome), "effort": dataclasses.asdict(self.effort), "parent": parent}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote."""
        history, stages = tuple(values["history"]), tuple(values["stages"])
        return cls(**{**values, "effort": Effort.from_json(values["effort"]), "history": history, "stages": stages})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """The result of a trial.

    Args:
        seconds: How long it took.
        reason: Why it failed; `None` if it did not.
        metrics: Its metrics in its best epoch, and those of its costs that the search minimizes.
        history: The metrics of every epoch, those before a pause included.
        stages: The training stage of every epoch.
        num_parameters: The size of its network; `None` if it failed.
        is_paused: Whether the training may be taken up again.
        is_cut_short: Whether its time was up before its end.
        share: How much of its last stage it has trained by then, up to 1.
        learned: What it has taught beside its scores; see `Trainer.news`.
        inherited: The share of its weights that came from a parent.
    """

    seconds: float
    reason: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: tuple[dict[str, float], ...] = ()
    stages: tuple[str, ...] = ()
    num_parameters: int | None = None
    is_paused: bool = False
    is_cut_short: bool = False
    share: float = 1.0
    learned: Mapping[str, Any] = field(default_factory=dict)
    inherited: float = 0.0

    def failed(self, reason: str) -> TrialResult:
        """Returns the result of the same trial as a failure."""
        return TrialResult(seconds=self.seconds, reason=reason, learned=self.learned)

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values, from which `from_json` makes the same outcome."""
        return {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: these are not the values of an outcome.
        """
        try:
            outcome = cls(
                **{
                    **values,
                    "history": tuple(
                        {str(name): float(value) for name, value in epoch.items()} for epoch in values["history"]
                    ),
                    "stages": tuple(map(str, values["stages"])),
                    "learned": dict(values["learned"]),
                }
            )
            numbers = [outcome.seconds, outcome.share, outcome.num_parameters or 0, outcome.inherited]
            if not all(math.isfinite(number) and number >= 0 for number in numbers):
                raise ValueError(f"a number is none from 0 on: {numbers}")
            if not all(map(math.isfinite, outcome.metrics.values())):
                raise ValueError(f"its metrics are {outcome.metrics}")
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError(str(error)) from error
        return outcome
