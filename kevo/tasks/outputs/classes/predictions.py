"""How the class probabilities of one example are told: in a line of a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
