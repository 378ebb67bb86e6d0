"""What a model answers, and how good that is."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Outputs = npt.NDArray[np.float32]
"""What a model answers for the examples of a split, shape (n, ...)."""


class Scores(Protocol):
    """How good outputs are on one split."""

    @property
    def num_examples(self) -> int:
        """How many examples were scored."""

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
