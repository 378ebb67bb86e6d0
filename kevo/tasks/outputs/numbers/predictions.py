"""How the number that is predicted for one example is told: in a line of a terminal, and as JSON values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kevo.tasks.outputs.located import Located


@dataclass(frozen=True, slots=True)
class NumberPrediction(Located):
    """The number of an example.

    Args:
        value: The number, in the unit of the target.
    """

    value: float = field(kw_only=False)

    def line(self, *, top: int = 1) -> str:
        """Returns the number and the example's name; there is no `top` of several."""
        return f"{self.value:.6g}  {self.name}"

    def to_json(self, *, top: int | None = None) -> dict[str, Any]:
        """Returns the same as JSON values."""
        return {**self.place(), "value": self.value}
