"""How the labels that are predicted for one example are told: in a line of a terminal, and as JSON values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kevo.tasks.outputs.labels.evaluation import THRESHOLD
from kevo.tasks.outputs.located import Located


@dataclass(frozen=True, slots=True)
class LabelPrediction(Located):
    """The labels of an example.

    Args:
        probabilities: For each label how likely it is, the likeliest first.
    """

    probabilities: dict[str, float] = field(kw_only=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that are more likely there than not, the likeliest first."""
        return tuple(name for name, value in self.probabilities.items() if value >= THRESHOLD)

    def line(self, *, top: int = 1) -> str:
        """Returns the labels with their probabilities, or `none`, and the example's name; `top` means nothing here."""
        found = " ".join(f"{name} {self.probabilities[name]:.3f}" for name in self.labels) or "none"
        return f"{found}  {self.name}"

    def to_json(self, *, top: int | None = None) -> dict[str, Any]:
        """Returns the same as JSON values; probabilities of the `top` likeliest labels, or of all."""
        values = dict(list(self.probabilities.items())[:top])
        return {**self.place(), "labels": list(self.labels), "probabilities": values}
