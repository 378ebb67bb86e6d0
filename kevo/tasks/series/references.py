"""Cheap forecasts on the same splits, which a network has to be better than to be worth it.

That the last value and the seasonal last value are hard to beat is what each of the M competitions found anew
(Makridakis, Spiliotis and Assimakopoulos 2020, "The M4 Competition", doi:10.1016/j.ijforecast.2019.04.014).
"""

from __future__ import annotations

import time

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
    found = [linear(dataset), _repeating(LAST, "the last known one again", dataset, 1)]
    if season > 1:
        found.append(_repeating(SEASONAL, f"that {season} steps before", dataset, season))
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
    """Ridge regression on windows relative to their last values, one for all steps ahead.

    For the test split it learns from the validation windows too, as the winner of a search does: what is newest says
    most of what comes next.
    """
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

    def answer(windows: Windows, *learned: Windows) -> Outputs:
        x = np.concatenate([inputs(one) for one in learned])
        y = np.concatenate([one.labels - repeated(one, 1) for one in learned])
        found = RidgeCV(_PENALTIES).fit(x, y).predict(inputs(windows))
        return np.reshape(found, (len(windows), -1)) + repeated(windows, 1)

    with threadpool_limits(1):
        answers = answer(dataset.validation, train), answer(dataset.test, train, dataset.validation)
    words = "by ridge regression of scikit-learn, for the test split from the validation windows too"
    return _reference(LINEAR, words, dataset, *answers, began=began)


def _repeating(name: str, words: str, dataset: SeriesDataset, season: int) -> Reference:
    began = time.monotonic()
    answers = repeated(dataset.validation, season), repeated(dataset.test, season)
    return _reference(name, words, dataset, *answers, began=began)


def _reference(
    name: str, words: str, dataset: SeriesDataset, validation: Outputs, test: Outputs, *, began: float
) -> Reference:
    score = dataset.output.score
    scores = score(validation, dataset.validation.labels), score(test, dataset.test.labels)
    return Reference(name, words, *scores, seconds=time.monotonic() - began)
