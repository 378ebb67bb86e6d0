"""The records of finished trials: one line of JSON each."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

_LONGEST_ID = 50
"""A file name holds 255 bytes, and a letter may take four of them."""
_MOST_TRIALS = 10**6
_MOST_EPOCHS = 10**6
_MOST_PARAMETERS = 10**13
_MOST_SECONDS = 1e10
"""Three hundred years."""
_LARGEST = 1e300
"""The largest score or loss: the distance of larger ones could not be computed, nor drawn."""


FIRST = "first"
"""The trial of the model that a search under a time limit begins with, and its origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """The record of one finished trial.

    Args:
        number: Its number in the search, from 0.
        trial_id: Its name in the search. Letters, digits, `_` and `-`.
        generation: The generation that it was bred for, from 0.
        genome: Its genes.
        status: Whether it has a fitness.
        fitness: The objective's value on the validation split; `None` if it failed.
        metrics: Its metrics in its best epoch, and those of its costs that the search minimizes.
        history: The metrics of every epoch.
        stages: The training stage of every epoch.
        num_epochs: How many epochs it trained, over all stages.
        seconds: How long it took.
        num_parameters: The size of its network; `None` if it failed.
        reason: Why it failed; `None` if it did not.
        finished_at: When it ended, in seconds of search, over all sessions.
        full_length: Whether this is the final training of a finalist, and no step of the evolution.
        continues: The trial whose training this one takes up after a pause; its epochs are a part of the history, its
            seconds are not. `None` for a training from the start.
        is_paused: Whether the training may be taken up again, in a higher rung.
        planned_epochs: Over how many epochs of a stage its learning rates were to fall.
        tune_epochs: The same for fine-tuning, if that differs.
        origin: How its genome was made: `seed`, `random`, `crossover`, `mutation`, `promotion`, `final` for a
            finalist's last training, or `first` for the model that a search begins with. Empty where that is unknown.
        parents: The trials that its genome was made from; a promoted trial or a finalist has one.
        inherits: The trial with whose weights it began; `None` for new ones.
        inherited_share: The share of its weights that came from there, from 0 to 1.
        inherited_epochs: For how many epochs these had learned by then, in all of its ancestors together.

    Raises:
        ValueError: a trial_id that could be mistaken for a path, a status and fitness that contradict each other, a
            history and stages that do, or a time that is no number.
    """

    number: int
    trial_id: str
    generation: int
    genome: dict[str, Any]
    status: Literal["completed", "failed"]
    fitness: float | None
    metrics: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    num_epochs: int
    seconds: float
    num_parameters: int | None
    reason: str | None = None
    finished_at: float
    full_length: bool = False
    continues: str | None = None
    is_paused: bool = False
    planned_epochs: int = 1
    tune_epochs: int | None = None
    origin: str = ""
    parents: tuple[str, ...] = ()
    inherits: str | None = None
    inherited_share: float = 0.0
    inherited_epochs: int = 0

    @property
    def lineage_epochs(self) -> int:
        """How many epochs its weights have learned for, those of its ancestors included."""
        return self.inherited_epochs + self.num_epochs

    @property
    def is_evolved(self) -> bool:
        """Whether the evolution has proposed it, and it counts for the limit of candidates."""
        return not self.full_length and self.origin != FIRST

    def __post_init__(self) -> None:
        # Files are named after it, and a run folder may come from someone else.
        if not re.fullmatch(rf"[\w-]{{1,{_LONGEST_ID}}}", self.trial_id):
            raise ValueError(
                f"`trial_id` may hold letters, digits, '_' and '-' only, {_LONGEST_ID} at most. Received: "
                f"{self.trial_id[: 2 * _LONGEST_ID]!r}."
            )
        completed = self.status == "completed" and self.fitness is not None and math.isfinite(self.fitness)
        if not completed and (self.status != "failed" or self.fitness is not None):
            raise ValueError(
                "A completed trial has a finite fitness, a failed one has none. "
                f"Received: status {self.status!r}, fitness {self.fitness}."
            )
        if len(self.stages) != len(self.history):
            raise ValueError(
                f"Every epoch has a stage. Received: {len(self.history)} epochs, {len(self.stages)} stages."
            )
        if not (math.isfinite(self.seconds) and math.isfinite(self.finished_at)):
            raise ValueError(f"Times are finite. Received: seconds {self.seconds}, finished_at {self.finished_at}.")

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values, from which `from_json` makes the same record; both share their parts."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: these are not the values of a record.
        """
        try:
            return cls(
                number=_whole(values, "number", _MOST_TRIALS),
                trial_id=str(values["trial_id"]),
                generation=_whole(values, "generation", _MOST_TRIALS),
                genome=dict(values["genome"]),
                status=values["status"],
                fitness=None if values["fitness"] is None else _number(values["fitness"], "fitness"),
                metrics=_numbers(values["metrics"]),
                history=[_numbers(epoch) for epoch in values["history"]],
                stages=[str(stage) for stage in values["stages"]],
                num_epochs=_whole(values, "num_epochs", _MOST_EPOCHS),
                seconds=_seconds(values, "seconds"),
                num_parameters=None
                if values["num_parameters"] is None
                else _whole(values, "num_parameters", _MOST_PARAMETERS),
                reason=None if values["reason"] is None else str(values["reason"]),
                finished_at=_seconds(values, "finished_at"),
                full_length=bool(values["full_length"]),
                continues=None if values["continues"] is None else str(values["continues"]),
                is_paused=bool(values["is_paused"]),
                planned_epochs=_whole(values, "planned_epochs", _MOST_EPOCHS),
                tune_epochs=None if values["tune_epochs"] is None else _whole(values, "tune_epochs", _MOST_EPOCHS),
                origin=str(values.get("origin", "")),
                parents=tuple(str(parent) for parent in values.get("parents", ())),
                inherits=None if values.get("inherits") is None else str(values["inherits"]),
                inherited_share=_number(values.get("inherited_share", 0.0), "inherited_share"),
                inherited_epochs=_whole({"inherited_epochs": 0, **values}, "inherited_epochs", _MOST_EPOCHS),
            )
        except KeyError as error:
            raise ValueError(f"{error} is missing") from error
        except (AttributeError, OverflowError, TypeError) as error:
            raise ValueError(str(error)) from error


def _whole(values: Mapping[str, Any], name: str, most: int) -> int:
    number = int(values[name])
    if not 0 <= number <= most:
        raise ValueError(f"`{name}` must be from 0 to {most}. Received: {number}")
    return number


def _seconds(values: Mapping[str, Any], name: str) -> float:
    number = float(values[name])
    # NaN is no less than anything.
    if not 0 <= number <= _MOST_SECONDS:
        raise ValueError(f"`{name}` must be from 0 to {_MOST_SECONDS:g} seconds. Received: {number:g}")
    return number


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): math.nan if value is None else _number(value, str(name)) for name, value in values.items()}


def _number(value: Any, name: str) -> float:
    number = float(value)
    if math.isfinite(number) and abs(number) > _LARGEST:
        raise ValueError(f"`{name}` must be {_LARGEST:g} at most, or its negative. Received: {number:g}")
    return number
