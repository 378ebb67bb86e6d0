"""How much one candidate may cost, what it may continue from, and how its training reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kevo.errors import KevoError

if TYPE_CHECKING:
    import keras

PATIENCE = 5
"""After so many epochs in a row without gain a stage of training ends."""


class CandidateError(KevoError, RuntimeError):
    """One candidate cannot be trained; the search goes on without it."""


class OutOfTimeError(Exception):
    """A candidate's time is up before there is anything to measure."""


class Progress(Protocol):
    """Is told how far a candidate is: its stage, epochs done (with fractions) of all, and the latest metrics."""

    def __call__(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None: ...


def named(progress: Progress | None, name: str) -> Progress | None:
    """Returns a listener that is told of one of several trainings, by its name in place of the stage's."""
    if progress is None:
        return None
    return lambda stage, done, total, metrics: progress(name, done, total, metrics)


Keep = Callable[["keras.Model", Sequence[dict[str, float]], Sequence[str], float], None]
"""Is lent the model of a training under way, as it would be saved, with the weights of its best epoch so far; and told
the metrics of all epochs, their stages, and how many seconds the training took."""


@dataclass(frozen=True, slots=True)
class MeanMember:
    """A further network whose outputs are averaged with those of the first.

    Args:
        genome: What is trained.
        num_epochs: As for `Effort`.
        refit: As for `Effort`.
    """

    genome: Mapping[str, str | int | float | bool]
    num_epochs: int
    refit: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much one candidate may cost.

    Args:
        num_epochs: The length of each stage; learning rates fall over it.
        seconds: Wall-clock time for the whole candidate, a download of its weights included; `None` for no limit. Only
            the first validation may end later, after as long again as was trained before.
        patience: So many epochs in a row without gain end a stage.
        pause_after: The epoch after which training pauses, to be continued perhaps; `None` for no pause. Learning rates
            fall over `num_epochs` all the same.
        tune_epochs: The length of fine-tuning in place of `num_epochs`. It then goes on to its end: pretrained blocks
            lose accuracy first, and regain more as the learning rate falls. `None` treats it as any other stage.
        num_examples: So many training examples are learned from at most, a sample; `None` for all.
        refit: A network learns from the validation examples too, for so many epochs of each stage, and nothing is
            measured; `None` for an ordinary training.
        rate: Learning rates are multiplied by it.
        keeps_outputs: Whether the outputs for the validation examples are kept of every epoch.
        members: Further networks that a refit trains, as far as there is time; the model is the mean of all. Those of
            numbers from tables begin with other random weights; those of pictures are heads on one frozen network.
    """

    num_epochs: int
    seconds: float | None = None
    patience: int = PATIENCE
    pause_after: int | None = None
    tune_epochs: int | None = None
    num_examples: int | None = None
    refit: Mapping[str, int] | None = None
    rate: float = 1.0
    keeps_outputs: bool = False
    members: Sequence[MeanMember] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Effort:
        """Reads what `dataclasses.asdict` returned, also after it was JSON."""
        return cls(**{**values, "members": tuple(MeanMember(**member) for member in values["members"])})


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a training goes on from: one of the same genome that paused or was broken off, or its parent.

    Args:
        model_path: The model that was saved, with the weights of the best epoch.
        history: The metrics of all epochs of the same genome.
        stages: The stage of each of them.
        parent: The genome whose weights this one began with; `None` for new weights. As long as there is no history, it
            is the parent's model.
    """

    model_path: Path
    history: Sequence[dict[str, float]]
    stages: Sequence[str]
    parent: Mapping[str, str | int | float | bool] | None = None

    @property
    def own(self) -> Earlier | None:
        """The training of the same genome; `None` where this is the parent's."""
        return self if self.parent is None or self.history else None
