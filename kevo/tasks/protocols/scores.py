"""What a model answers, and how good that is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Outputs: TypeAlias = "npt.NDArray[np.float32]"
"""What a model answers for the examples of a split, shape (n, ...)."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """By what the probabilities of a saved model were made to mean what they say, and what that gained.

    The numbers are of the validation examples, before the model learned from them too.

    Args:
        temperature: What goes into the softmax is divided by it.
        num_examples: So many examples it was fitted on.
        error_before: The expected calibration error before, from 0 to 1.
        error_after: The same with the temperature.
        loss_before: The cross-entropy before.
        loss_after: The same with the temperature.
    """

    temperature: float
    num_examples: int
    error_before: float
    error_after: float
    loss_before: float
    loss_after: float

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads the values of its fields.

        Raises:
            LookupError, TypeError, ValueError: these are none.
        """
        values = {**values, "num_examples": int(values["num_examples"])}
        found = cls(**{field.name: values[field.name] for field in dataclasses.fields(cls)})
        numbers = dataclasses.astuple(found)
        if not all(map(math.isfinite, numbers)) or min(numbers) < 0 or not found.temperature:
            raise ValueError("these are no numbers of a calibration")
        return found


class Scores(Protocol):
    """How good outputs are on one split."""

    @property
    def num_examples(self) -> int:
        """How many examples were scored."""

    @property
    def num_judged(self) -> int:
        """How many independent ones these count for: fewer where they overlap."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes or labels, in the order of a model's outputs; none where there are none."""

    @property
    def is_chance(self) -> bool:
        """Whether the same answer to every example may be as good, as far as these examples tell."""

    def uninformed(self, metric: str) -> float | None:
        """The value of `metric` that the same answer to every example would have; `None` where that is not known."""

    def value(self, metric: str) -> float:
        """The score that an objective calls `metric`, `val_` aside."""

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values, from which `TaskKind.parse_scores` makes the same scores."""
