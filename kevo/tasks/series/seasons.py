"""After how many steps a series repeats, told by the autocorrelation of its changes.

A lag is a season if the autocorrelation there is larger than chance and what lies before it explain, as in the tests of
the M4 competition (Makridakis, Spiliotis and Assimakopoulos 2020, doi:10.1016/j.ijforecast.2019.04.014, with Bartlett's
formula). Changes from step to step are looked at in place of values: a trend is no season. And the value one season
before must be a better forecast than the last value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_CERTAIN = 1.645
"""Standard errors: a chance of one in ten."""
_VERY_CERTAIN = 3.0
"""Where no calendar says which lags to look at, one of many would be large by chance."""
_LEAST_CYCLES = 3
_MOST_LAGS = 400


def find(values: npt.NDArray[np.floating], candidates: Sequence[int]) -> int:
    """Returns the season of a series in steps, or 1 where it has none.

    Args:
        values: The series, shape (n,).
        candidates: Lags that the calendar suggests. Where there are none, each lag may be a season at which the
            autocorrelation has a peak.

    Example:
        >>> find(np.tile([1.0, 5.0, 2.0, 8.0], 30), [])
        4
    """
    most = min(_MOST_LAGS, len(values) // _LEAST_CYCLES)
    if most < 2 or not np.ptp(values) > 0:
        return 1
    lags = [lag for lag in candidates if lag <= len(values) // _LEAST_CYCLES]
    correlations = _autocorrelations(np.diff(values.astype(np.float64)), max([most, *lags]))
    sizes = _CERTAIN
    if not candidates:
        lags, sizes = _peaks(correlations), _VERY_CERTAIN
    limits = np.sqrt((1 + 2 * np.concatenate([[0.0], np.cumsum(correlations[1:-1] ** 2)])) / len(values))
    found = [
        lag
        for lag in lags
        if lag < len(correlations) and correlations[lag] > sizes * limits[lag - 1] and _is_worth_it(values, lag)
    ]
    return min(found, key=lambda lag: _error(values, lag), default=1)


def _error(values: npt.NDArray[np.floating], lag: int) -> float:
    """Returns the mean absolute error of the value so many steps before as a forecast."""
    return float(abs(values[lag:] - values[:-lag]).mean())


def _is_worth_it(values: npt.NDArray[np.floating], season: int) -> bool:
    """Tells whether the value one season before is a better forecast of a whole season than the last value."""
    errors = [_error(values, lag) for lag in range(1, season + 1)]
    return errors[-1] < float(np.mean(errors))


def _autocorrelations(values: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.float64]:
    """Returns the autocorrelations at the lags from 0 to `most`."""
    centered = values - values.mean()
    size = 2 ** int(np.ceil(np.log2(2 * len(values))))
    power = np.abs(np.fft.rfft(centered, size)) ** 2
    found: npt.NDArray[np.float64] = np.fft.irfft(power, size)[: min(most + 1, len(values))]
    return found / found[0] if found[0] > 0 else np.zeros_like(found)


def _peaks(correlations: npt.NDArray[np.float64]) -> list[int]:
    inner = correlations[1:-1]
    is_peak = (inner > correlations[:-2]) & (inner >= correlations[2:])
    return [int(place) for place in np.flatnonzero(is_peak) + 1 if place > 1]
