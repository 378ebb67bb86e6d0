"""How the class probabilities of one example are told: in a line of a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kevo.tasks.outputs.located import Located


@dataclass(frozen=True, slots=True)
class Prediction(Located):
    """The class of an example.

    Args:
        probabilities: For each class how likely it is, the likeliest first.
    """

    probabilities: dict[str, float] = field(kw_only=False)

    @property
    def label(self) -> str:
        """The likeliest class."""
        return next(iter(self.probabilities))

    @property
    def probability(self) -> float:
        """How likely that class is."""
        return self.probabilities[self.label]

    def line(self, *, top: int = 1) -> str:
        """Returns the likeliest classes with their probabilities, and the example's name."""
        return line(self.name, self.probabilities, top=top)

    def to_json(self, *, top: int | None = None) -> dict[str, Any]:
        """Returns the same as JSON values; of `top` classes, or of all."""
        values = {**self.place(), **to_json(self.probabilities, top=top)}
        return values if self.grad_cam is None else {**values, "grad_cam": str(self.grad_cam)}


def line(name: str, probabilities: Mapping[str, float], *, top: int) -> str:
    """Returns the likeliest classes with their probabilities, and the example's name.

    Args:
        name: What the example is called.
        probabilities: For each class how likely it is, the likeliest first.
        top: How many classes to tell.

    Example:
        >>> line("7.png", {"cat": 0.75, "zebra": 0.25}, top=1)
        'cat   0.750  7.png'
    """
    width = max(map(len, probabilities))
    classes = [f"{label:<{width}} {value:.3f}" for label, value in list(probabilities.items())[:top]]
    return "  ".join([*classes, name])


def to_json(probabilities: Mapping[str, float], *, top: int | None) -> dict[str, Any]:
    """Returns the likeliest class, its probability, and those of the `top` likeliest or, for `None`, of all classes.

    Args:
        probabilities: For each class how likely it is, the likeliest first.
        top: How many classes to tell.
    """
    label, probability = next(iter(probabilities.items()))
    return {"label": label, "probability": probability, "probabilities": dict(list(probabilities.items())[:top])}
