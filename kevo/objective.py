"""What makes one candidate better than another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kevo.errors import SettingsError

Measure = Callable[[Any, Any], float]
"""Returns a score of outputs, shape (n, ...), and the true answers, shape (n, ...)."""
FUNCTION = "function:"
"""Begins the name of an objective that is a function of the user's."""
StandardError = Callable[[float, int], float]
"""Returns the standard error of a score over a number of independent examples."""
IsSimple = Callable[[Mapping[str, Any]], bool]
"""Tells whether the network of a genome is a simple one of its task."""


def binomial_error(share: float, num_examples: int) -> float:
    """Returns the standard error of a share of examples.

    Args:
        share: From 0 to 1.
        num_examples: The number of examples that it is a share of.

    Example:
        >>> binomial_error(0.9, 100)
        0.03
    """
    return math.sqrt(share * (1 - share) / num_examples)


class Uninformed(Protocol):
    """Scores that know what an answer without a model would have."""

    def uninformed(self, metric: str) -> float | None:
        """Returns the value of a metric, `val_` aside; `None` where it is not known."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric that is to be improved, and how candidates compare that are equal in it.

    Args:
        metric: Its name among a candidate's metrics.
        direction: `max` or `min`.
        tie_breaker: The metric that decides between equals, the lower the better. `None` for none.
        standard_error: The metric's standard error, which is the `margin`. `None` where there is no margin.
        measure: Computes the metric; `None` where every training does anyway.
        is_simple: Of equals a simple one is better than all others, before the tie-breaker decides. `None` where the
            task tells none apart.
    """

    metric: str
    direction: str
    tie_breaker: str | None = field(default=None, kw_only=True)
    standard_error: StandardError | None = field(default=None, kw_only=True)
    measure: Measure | None = field(default=None, kw_only=True)
    is_simple: IsSimple | None = field(default=None, kw_only=True)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics by which candidates are compared."""
        return (self.metric,) if self.tie_breaker is None else (self.metric, self.tie_breaker)

    def level(self, scores: Uninformed) -> float | None:
        """Returns what the same answer to every example would score; `None` where that is not known."""
        return scores.uninformed(self.metric.removeprefix("val_"))

    def tie(self, metrics: Mapping[str, float]) -> float:
        """Returns the value of the tie-breaker, the lower the better; 0 where there is none."""
        return 0.0 if self.tie_breaker is None else metrics[self.tie_breaker]

    def is_complex(self, genome: Mapping[str, Any]) -> bool:
        """Tells whether simple ones are preferred, and the network of a genome is none."""
        return self.is_simple is not None and not self.is_simple(genome)

    def rank(self, metrics: Mapping[str, float]) -> tuple[float, float]:
        """Returns the key that orders candidates, or epochs of one: the greater the better."""
        sign = 1 if self.direction == "max" else -1
        return sign * metrics[self.metric], -self.tie(metrics)

    def margin(self, best: float, *, num_examples: int) -> float:
        """Returns how far another score may be from the best one and still count as equal to it.

        The best of hundreds of candidates, judged by a few hundred examples, was lucky with some of them. A lead that
        is smaller than the standard error of the best score is therefore none: among those a simple one wins, and then
        the tie-breaker decides, which sees more of each example than right or wrong (the one-standard-error rule of
        Breiman, Friedman, Olshen and Stone 1984, "Classification and Regression Trees").

        Args:
            best: The best score.
            num_examples: The number of independent examples that the score is computed on.
        """
        return 0.0 if self.standard_error is None else self.standard_error(best, num_examples)


def with_costs(objective: Objective, minimize: Iterable[str]) -> tuple[Objective, ...]:
    """Returns all that a search improves: its objective, and then the costs that it minimizes beside it."""
    return objective, *(Objective(cost, "min") for cost in minimize)


_FUNCTIONS: dict[str, Measure] = {}
"""The functions that this process was given as objectives, by name."""


def register(function: Measure) -> str:
    """Makes an objective of a function, which is the better the greater it is.

    Args:
        function: Returns a score of true answers and outputs, in this order.

    Returns:
        The name of the objective in the settings of a search.

    Raises:
        SettingsError: it has no name, such as a lambda.
    """
    name = getattr(function, "__name__", type(function).__name__)
    if not name.isidentifier():
        raise SettingsError(f"The objective {name} has no name. Expected a function that was made by `def`.")
    _FUNCTIONS[f"{FUNCTION}{name}"] = function
    return f"{FUNCTION}{name}"


def function_of(name: str) -> Measure:
    """Returns a function that this process was given.

    Raises:
        SettingsError: it was not.
    """
    if name not in _FUNCTIONS:
        raise SettingsError(
            f"The objective of this search is the function {name.removeprefix(FUNCTION)}, which only the process knows "
            "that was given it. Give it again: kevo.resume(run, data, objective=...)."
        )
    return _FUNCTIONS[name]


COSTS: Mapping[str, str] = {
    "params": "parameters",
    "seconds": "seconds of training",
    "flops": "FLOPs per prediction",
    "bytes": "bytes of the saved model",
}
"""The costs that may be minimized beside an objective, with their units in words."""
