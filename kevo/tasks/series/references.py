"""Cheap forecasts on the same splits, which a network has to be better than to be worth it.

That the last value and the seasonal last value are hard to beat is what each of the M competitions found anew
(Makridakis, Spiliotis and Assimakopoulos 2020, "The M4 Competition", doi:10.1016/j.ijforecast.2019.04.014).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kevo.tasks.outputs.reference import Reference
from kevo.tasks.series.dataset import SeriesDataset, Windows

LAST, SEASONAL, LINEAR = "Last value", "Seasonal last value", "Linear autoregression"
_PENALTIES = tuple(10.0**power for power in range(-3, 6))

Outputs = npt.NDArray[np.floating]


def fit(dataset: SeriesDataset) -> list[Reference]:
    """Scores a linear autoregression, the last value and, where there is a season, the seasonal last value."""
    season = dataset.output.season
    found = [
        linear(dataset),
        _reference(LAST, "the last known one again", dataset, lambda windows: repeated(windows, 1)),
    ]
    if season > 1:
        words = f"that {season} steps before"
        found.append(_reference(SEASONAL, words, dataset, lambda windows: repeated(windows, season)))
    return found


def repeated(windows: Windows, season: int) -> Outputs:
    """Returns the values of the last known season, again and again, shape (n, horizon).

    Args:
        windows: The windows, each at least that far from the beginning of the series.
        season: The steps of a season; 1 for the last value.
    """
    ahead = np.arange(windows.horizon)
    steps = windows.firsts[:, None] + ahead - season * (ahead // season + 1)
    # The first windows of a series may lie nearer to its beginning than a season is long.
    found: Outputs = windows.series[np.maximum(steps, 0), 0]
    return found


def linear(dataset: SeriesDataset) -> Reference:
    """Ridge regression on windows relative to their last values, one for all steps ahead."""
    from sklearn.linear_model import RidgeCV
    from threadpoolctl import threadpool_limits

    began = time.monotonic()
    train = dataset.train
    known = train.series[: int(train.firsts[-1]) + train.horizon].astype(np.float64)
    deviation = np.where(known.std(axis=0) > 0, known.std(axis=0), 1.0)

    def inputs(windows: Windows) -> Outputs:
        raw = windows.inputs.astype(np.float64) / deviation
        relative: Outputs = (raw - raw[:, -1:]).reshape(len(raw), -1)
        return relative

    def last(windows: Windows) -> Outputs:
        return repeated(windows, 1)

    with threadpool_limits(1):
        model = RidgeCV(_PENALTIES).fit(inputs(train), train.labels - last(train))
        return _reference(
            LINEAR,
            "by ridge regression of scikit-learn",
            dataset,
            lambda windows: model.predict(inputs(windows)).reshape(len(windows), -1) + last(windows),
            began=began,
        )


def _reference(
    name: str, words: str, dataset: SeriesDataset, answer: Callable[[Windows], Outputs], *, began: float | None = None
) -> Reference:
    began = time.monotonic() if began is None else began
    validation, test = (
        dataset.output.score(answer(windows), windows.labels) for windows in (dataset.validation, dataset.test)
    )
    return Reference(name, words, validation, test, time.monotonic() - began)
