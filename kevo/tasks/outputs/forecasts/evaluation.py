"""How good forecasts are: absolute and squared errors, scaled ones, R2, with intervals by blocks of windows."""

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
"""Windows that are drawn for an interval, all resamples together."""
_MOST_POINTS = 400
"""So many forecasts are kept to be drawn."""


@dataclass(frozen=True, slots=True)
class ForecastEvaluation:
    """Scores of forecasts on one split, in the unit of the series.

    Args:
        num_examples: So many windows were scored.
        mase: The mean absolute error, over that of the last value, or the seasonal last value, in the training part.
        mae: The mean absolute error over all windows and steps ahead.
        rmse: The root of the mean squared error.
        r2: The coefficient of determination: 1 for no error, 0 for always answering with the mean of these values.
        mean_mase: `mase` of always answering with the median of these values.
        mase_interval: 95 % bootstrap interval of `mase`, by blocks of windows.
        mae_interval: The same of `mae`.
        r2_interval: The same of `r2`.
        by_step: The mean absolute error of each step ahead.
        points: True and forecast values of windows that do not overlap, up to the last one, as many as a figure shows.
        further: The objective's score, by its name, where it is none of these.
    """

    num_examples: int
    mase: float
    mae: float
    rmse: float
    r2: float
    mean_mase: float
    mase_interval: tuple[float, float]
    mae_interval: tuple[float, float]
    r2_interval: tuple[float, float]
    by_step: tuple[float, ...]
    points: tuple[tuple[float, float], ...]
    further: dict[str, float] = field(default_factory=dict)

    def value(self, metric: str) -> float:
        """`mase`, `mae`, `rmse`, `mse`, `r2` or the objective's score."""
        if metric in self.further:
            return self.further[metric]
        return self.rmse**2 if metric == "mse" else float(getattr(self, metric))

    @property
    def num_judged(self) -> int:
        """As many of the windows as do not overlap."""
        return num_independent(self.num_examples, len(self.by_step))

    @property
    def names(self) -> tuple[str, ...]:
        """None: there are no classes."""
        return ()

    def uninformed(self, metric: str) -> float | None:
        """What always answering with the mean would score; of absolute errors, with the median."""
        mean_mse = self.rmse**2 / (1 - self.r2) if self.r2 < 1 else math.inf
        known = {
            "mase": self.mean_mase,
            "mae": self.mean_mase * self.mae / self.mase if self.mase else None,
            "mse": mean_mse,
            "rmse": math.sqrt(mean_mse),
            "r2": 0.0,
        }
        return known.get(metric)

    @property
    def is_chance(self) -> bool:
        """Whether always answering with the mean may be as good: the interval of R2 goes down to 0."""
        return self.r2_interval[0] <= 0

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values, from which `parse` makes the same scores."""
        return dataclasses.asdict(self)


def evaluate(
    outputs: npt.NDArray[np.floating], targets: npt.NDArray[np.floating], *, scale: float
) -> ForecastEvaluation:
    """Scores forecasts against what came.

    Windows overlap, and what follows each other is alike: intervals are percentiles over resamples of blocks of
    windows in a row, as long as the horizon at least (Politis and Romano 1992, "A circular block-resampling procedure
    for stationary data", in Exploring the limits of bootstrap, 263-270).

    Args:
        outputs: Shape (n, horizon), in order of time.
        targets: The same.
        scale: The mean absolute error that counts as 1.

    Example:
        >>> evaluate(np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [2.0], [3.0]]), scale=2.0).mase
        0.16666666666666666
    """
    predicted, true = outputs.astype(np.float64), targets.astype(np.float64)
    errors, squares = abs(predicted - true), (predicted - true) ** 2
    num, horizon = true.shape
    sums = np.stack([errors.mean(axis=1), squares.mean(axis=1), true.mean(axis=1), (true**2).mean(axis=1)], axis=1)
    rng = np.random.default_rng(0)
    length = min(max(horizon, round(num ** (1 / 3))), max(1, num // 2))
    num_resamples = max(100, min(_NUM_RESAMPLES, _MAX_RESAMPLED // num))
    found = []
    for _ in range(num_resamples):
        starts = rng.integers(num, size=math.ceil(num / length))
        rows = ((starts[:, None] + np.arange(length)) % num).reshape(-1)[:num]
        error, square, mean, power = sums[rows].mean(axis=0)
        found.append((error, _r2(square, power - mean**2)))
    tails = [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2]
    (mae_low, r2_low), (mae_high, r2_high) = np.quantile(found, tails, axis=0).tolist()
    # The last window is among them, whatever the number.
    apart = np.arange(num - 1, -1, -horizon)[::-1]
    apart = apart[-max(1, _MOST_POINTS // horizon) :]
    mae = float(errors.mean())
    return ForecastEvaluation(
        num_examples=num,
        mase=mae / scale,
        mae=mae,
        rmse=float(np.sqrt(squares.mean())),
        r2=_r2(float(squares.mean()), float(true.var())),
        mean_mase=float(abs(true - np.median(true)).mean()) / scale,
        mase_interval=(mae_low / scale, mae_high / scale),
        mae_interval=(mae_low, mae_high),
        r2_interval=(r2_low, r2_high),
        by_step=tuple(errors.mean(axis=0).tolist()),
        points=tuple(zip(true[apart].reshape(-1).tolist(), predicted[apart].reshape(-1).tolist(), strict=True)),
    )


def num_independent(num_windows: int, horizon: int) -> int:
    """Returns how many of windows in a row, one step apart, do not overlap in what they are to forecast.

    Windows that share most of their values say the same: a standard error counts them once.

    Args:
        num_windows: How many there are.
        horizon: The values that each is to forecast.

    Example:
        >>> num_independent(32, 12), num_independent(5, 12), num_independent(30, 1)
        (3, 1, 30)
    """
    return math.ceil(num_windows / horizon)


def measure(outputs: npt.NDArray[np.float32], targets: npt.NDArray[Any], *, scale: float) -> dict[str, float]:
    """Returns the metrics of the `OBJECTIVES`; arguments as for `evaluate`."""
    predicted, true = outputs.astype(np.float64), targets.astype(np.float64)
    mae, mse = float(abs(predicted - true).mean()), float(((predicted - true) ** 2).mean())
    return {
        "val_mase": mae / scale,
        "val_mae": mae,
        "val_rmse": math.sqrt(mse),
        "val_mse": mse,
        "val_r2": _r2(mse, float(true.var())),
    }


def parse(values: Mapping[str, Any]) -> ForecastEvaluation:
    """Reads scores of `ForecastEvaluation.to_json`'s, and refuses inconsistent ones: pages are made of them.

    Raises:
        LookupError, TypeError, ValueError: these are no scores of forecasts.
    """
    scores = ForecastEvaluation(
        num_examples=int(values["num_examples"]),
        mase=_finite(values["mase"]),
        mae=_finite(values["mae"]),
        rmse=_finite(values["rmse"]),
        r2=_finite(values["r2"]),
        mean_mase=_finite(values["mean_mase"]),
        mase_interval=_pair(values["mase_interval"]),
        mae_interval=_pair(values["mae_interval"]),
        r2_interval=_pair(values["r2_interval"]),
        by_step=tuple(map(_finite, values["by_step"])),
        points=tuple(map(_pair, values["points"])),
        further={str(name): _finite(value) for name, value in values.get("further", {}).items()},
    )
    errors = (scores.mase, scores.mae, scores.rmse, scores.mean_mase, *scores.by_step)
    if scores.num_examples < 1 or scores.r2 > 1 or min(errors) < 0 or not scores.by_step:
        raise ValueError("these are no scores of forecasts: an error is negative, R2 is above 1, or there is no window")
    return scores


def _r2(square: float, spread: float) -> float:
    # What is always the same leaves nothing to explain.
    return 1 - square / spread if spread > 0 else 0.0


def _pair(values: Any) -> tuple[float, float]:
    first, second = values
    return _finite(first), _finite(second)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a number, got {value}")
    return number
