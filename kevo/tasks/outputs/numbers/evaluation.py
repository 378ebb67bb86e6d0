"""How good predicted numbers are: R2, mean absolute and root mean squared error, with bootstrap intervals."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

_CONFIDENCE = 0.95
_NUM_RESAMPLES = 1000
_MAX_RESAMPLED = 20_000_000
"""Examples that are drawn for an interval, all resamples together."""
_MOST_POINTS = 500
"""So many examples are kept to be drawn."""
_SHARE_WITHIN = 0.9


@dataclass(frozen=True, slots=True)
class NumberEvaluation:
    """Scores of predicted numbers on one split, in the unit of the target.

    Args:
        num_examples: So many were scored.
        r2: The coefficient of determination: 1 for no error, 0 for always answering with the mean.
        mae: The mean absolute error.
        rmse: The root of the mean squared error.
        median_error: The median absolute error.
        within: Nine of ten errors are smaller than this.
        mean_mae: The mean absolute error of always answering with the median of these examples.
        r2_interval: 95 % bootstrap interval of `r2`.
        mae_interval: The same of `mae`.
        points: True and predicted numbers of some examples, as many as a figure can show.
        further: The objective's score, by its name, where it is none of these.
    """

    num_examples: int
    r2: float
    mae: float
    rmse: float
    median_error: float
    within: float
    mean_mae: float
    r2_interval: tuple[float, float]
    mae_interval: tuple[float, float]
    points: tuple[tuple[float, float], ...]
    further: dict[str, float] = field(default_factory=dict)

    def value(self, metric: str) -> float:
        """`r2`, `mae`, `rmse`, `mse` or the objective's score."""
        if metric in self.further:
            return self.further[metric]
        return self.rmse**2 if metric == "mse" else float(getattr(self, metric))

    @property
    def num_judged(self) -> int:
        """All: none says what another does."""
        return self.num_examples

    @property
    def names(self) -> tuple[str, ...]:
        """None: there are no classes."""
        return ()

    def uninformed(self, metric: str) -> float | None:
        """What always answering with the mean would score; of absolute errors, with the median."""
        mean_mse = self.rmse**2 / (1 - self.r2) if self.r2 < 1 else math.inf
        known = {"r2": 0.0, "mae": self.mean_mae, "mse": mean_mse, "rmse": math.sqrt(mean_mse)}
        return known.get(metric)

    @property
    def is_chance(self) -> bool:
        """Whether always answering with the mean may be as good: the interval of R2 goes down to 0."""
        return self.r2_interval[0] <= 0

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values, from which `parse` makes the same scores."""
        return dataclasses.asdict(self)


def evaluate(outputs: npt.NDArray[np.floating], targets: npt.NDArray[np.floating]) -> NumberEvaluation:
    """Scores predicted numbers against the true ones.

    Intervals are percentiles over resamples of the examples (Efron 1979, "Bootstrap methods",
    doi:10.1214/aos/1176344552).

    Args:
        outputs: Shape (n, 1).
        targets: Shape (n,).

    Example:
        >>> evaluate(np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 2.0, 3.0])).r2
        0.5
    """
    predicted, true = outputs[:, 0].astype(np.float64), targets.astype(np.float64)
    errors = abs(predicted - true)
    rng = np.random.default_rng(0)
    num_resamples = max(100, min(_NUM_RESAMPLES, _MAX_RESAMPLED // len(true)))
    found = []
    for _ in range(num_resamples):
        rows = rng.integers(len(true), size=len(true))
        found.append((r2(predicted[rows], true[rows]), errors[rows].mean()))
    tails = [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2]
    (r2_low, mae_low), (r2_high, mae_high) = np.quantile(found, tails, axis=0).tolist()
    shown = np.sort(rng.permutation(len(true))[:_MOST_POINTS])
    return NumberEvaluation(
        num_examples=len(true),
        r2=r2(predicted, true),
        mae=float(errors.mean()),
        rmse=float(np.sqrt((errors**2).mean())),
        median_error=float(np.median(errors)),
        within=float(np.quantile(errors, _SHARE_WITHIN)),
        mean_mae=float(abs(true - np.median(true)).mean()),
        r2_interval=(r2_low, r2_high),
        mae_interval=(mae_low, mae_high),
        points=tuple(zip(true[shown].tolist(), predicted[shown].tolist(), strict=True)),
    )


def r2(predicted: npt.NDArray[np.floating], true: npt.NDArray[np.floating]) -> float:
    """Returns the coefficient of determination; 0 where all true numbers are the same.

    Args:
        predicted: Shape (n,).
        true: Shape (n,).
    """
    spread = float(((true - true.mean()) ** 2).sum())
    return 1 - float(((true - predicted) ** 2).sum()) / spread if spread else 0.0


def measure(outputs: npt.NDArray[np.float32], targets: npt.NDArray[Any]) -> dict[str, float]:
    """Returns the metrics of the `OBJECTIVES`.

    Args:
        outputs: Shape (n, 1).
        targets: Shape (n,).
    """
    predicted, true = outputs[:, 0].astype(np.float64), targets.astype(np.float64)
    mse = float(((predicted - true) ** 2).mean())
    return {
        "val_r2": r2(predicted, true),
        "val_mae": float(abs(predicted - true).mean()),
        "val_rmse": math.sqrt(mse),
        "val_mse": mse,
    }


def parse(values: Mapping[str, Any]) -> NumberEvaluation:
    """Reads scores of `NumberEvaluation.to_json`'s, and refuses inconsistent ones: pages are made of them.

    Raises:
        LookupError, TypeError, ValueError: these are no scores of numbers.
    """
    scores = NumberEvaluation(
        num_examples=int(values["num_examples"]),
        r2=_finite(values["r2"]),
        mae=_finite(values["mae"]),
        rmse=_finite(values["rmse"]),
        median_error=_finite(values["median_error"]),
        within=_finite(values["within"]),
        mean_mae=_finite(values["mean_mae"]),
        r2_interval=_pair(values["r2_interval"]),
        mae_interval=_pair(values["mae_interval"]),
        points=tuple(map(_pair, values["points"])),
        further={str(name): _finite(value) for name, value in values.get("further", {}).items()},
    )
    if scores.num_examples < 1 or scores.r2 > 1 or min(scores.mae, scores.rmse, scores.within) < 0:
        raise ValueError("these are no scores of numbers: an error is negative, R2 is above 1, or there is no example")
    return scores


def _pair(values: Any) -> tuple[float, float]:
    first, second = values
    return _finite(first), _finite(second)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a number, got {value}")
    return number
