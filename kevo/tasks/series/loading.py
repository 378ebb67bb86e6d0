"""`load()` makes a data set of a series: window, horizon and season are decided, and it is divided by time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError
from kevo.tasks.outputs.forecasts.output import Forecasts
from kevo.tasks.series import seasons
from kevo.tasks.series.dataset import SeriesDataset, Windows
from kevo.tasks.series.reading import Series, read
from kevo.tasks.splits import SPLITS
from kevo.tasks.tables.reading import Limits

VALIDATION_SHARE, TEST_SHARE = 0.2, 0.15
_LEAST_WINDOWS = 10
"""So many windows must there be to learn from."""
_VALIDATION_HORIZONS, _MOST_VALIDATION = 4, 0.3
"""The validation part is so many horizons long, up to that share of the steps: windows overlap, and say the same."""
_LEAST_JUDGED = 4
"""So many windows at least choose and measure models, where no share of the series says more."""
_LONGEST_DEFAULT = 24
"""A horizon of one season is taken up to so many steps."""
_PLAIN_WINDOWS = (32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
_CYCLES = (8, 6, 5, 4, 3, 2, 1)
_LONG_WINDOW = 36
_LEAST_CYCLES = 3
"""A window of more than three seasons is no longer than this."""
_LONGEST_WINDOW = 512
_MOST_VALUES = 250_000_000
"""Windows times steps times columns: 1 GB."""


class _Shape(NamedTuple):
    """What is decided of windows, in steps."""

    window: int
    horizon: int
    season: int


def load(
    source: Any,
    *,
    target: str | None = None,
    times: Sequence[str] | None = None,
    horizon: int | None = None,
    window: int | None = None,
    season: int | None = None,
    max_examples: int | None = None,
    limits: Limits | None = None,
) -> SeriesDataset:
    """Reads a series, decides what is not given, and divides it by time.

    The last 15 % of the steps are the test split. A fifth before them is for validation, or four horizons up to three
    tenths of the steps; all before that is to learn from. A window belongs to the split that all values after it are
    in: it may look back into the split before.

    Args:
        source: See `reading.read`.
        target: The column to be forecast. `None` takes the only one of numbers.
        times: The columns of times; none where rows are steps. `None` finds them.
        horizon: How many values follow a window. `None` takes a season of 24 steps at most, or 1.
        window: The steps of a window. `None` takes as many seasons as leave enough windows.
        season: After how many steps the series repeats; 1 for never. `None` finds it in the training part.
        max_examples: The last so many rows are used; `None` for all.
        limits: What to refuse. Defaults to `Limits()`.

    Raises:
        DataError: the series cannot be read, or is too short.

    Example:
        >>> found = load(np.tile([1.0, 5.0, 2.0, 8.0], 25))
        >>> found.window, found.output.summary(), len(found.train), len(found.validation), len(found.test)
        (24, 'the next 4 values of value', 38, 17, 12)
    """
    series = read(source, target=target, times=times, limits=limits)
    notes = list(series.notes)
    total = len(series)
    is_limited = max_examples is not None and max_examples < total
    if is_limited:
        series = series.later(total - (max_examples or 0))
        notes.append(f"Of {total:,} steps the last {len(series):,} are used.")
    shape, decided = _shape(series, horizon, window, season)
    borders = _borders(len(series), shape.horizon)
    values = series.values
    limits_of = zip(SPLITS, (0, *borders), (*borders, len(series)), strict=True)
    firsts = {split: _firsts(series.is_known, low, high, shape) for split, low, high in limits_of}
    _check(series, shape, firsts)
    own = values[: borders[0], 0]
    train, validation, test = (Windows(values, firsts[split], shape.window, shape.horizon) for split in SPLITS)
    found = SeriesDataset(
        name=series.name,
        times=series.times,
        clock=series.clock,
        columns=series.columns,
        output=Forecasts.of(series.columns[0], own, horizon=shape.horizon, season=shape.season),
        train=train,
        validation=validation,
        test=test,
        unused=series.unused,
        max_examples=max_examples if is_limited else None,
    )
    spans = [f"{split} {' to '.join(found.span(split))}" for split in SPLITS]
    decided.append(
        f"Divided by time: {', '.join(spans)}. A window may look back into the part before; what follows it never lies "
        "in two parts."
    )
    return dataclasses.replace(found, notes=(*notes, *decided))


def _shape(series: Series, horizon: int | None, window: int | None, season: int | None) -> tuple[_Shape, list[str]]:
    """Decides what is not given, and says so."""
    num_steps, notes = len(series), []
    if season is None:
        learned = series.values[: round((1 - VALIDATION_SHARE - TEST_SHARE) * num_steps), 0]
        season = seasons.find(learned, series.clock.seasons)
        found = f"{series.columns[0]!r} repeats after {season} steps"
        notes.append(
            f"{found}, as far as its changes tell; --season none for never."
            if season > 1
            else f"{series.columns[0]!r} shows no season; --season N says after how many steps it repeats."
        )
    how = "" if horizon else "; --horizon asks for another number"
    if horizon is None:
        horizon = season if 1 < season <= _LONGEST_DEFAULT and num_steps >= 8 * season else 1
    train = _borders(num_steps, horizon)[0]
    if window is None:
        seasonal = [season * num for num in _CYCLES if num <= _LEAST_CYCLES or season * num <= _LONG_WINDOW]
        lengths = [*seasonal, *_PLAIN_WINDOWS] if season > 1 else [*_PLAIN_WINDOWS]
        fitting = [
            one
            for one in lengths
            if one <= _LONGEST_WINDOW and train - one - horizon + 1 >= max(1.5 * one, _LEAST_WINDOWS)
        ]
        window = next(iter(fitting), min(lengths))
    notes.append(f"Windows of {window} steps are followed by {horizon} to be forecast{how}.")
    return _Shape(window, horizon, season), notes


def _borders(num_steps: int, horizon: int) -> tuple[int, int]:
    """Returns the first steps of the validation and the test split."""
    least = horizon + _LEAST_JUDGED - 1
    test = max(round(TEST_SHARE * num_steps), least)
    long = min(_VALIDATION_HORIZONS * horizon, round(_MOST_VALIDATION * num_steps))
    validation = max(round(VALIDATION_SHARE * num_steps), long, least)
    return max(0, num_steps - test - validation), max(0, num_steps - test)


def _firsts(is_known: npt.NDArray[np.bool_], low: int, high: int, shape: _Shape) -> npt.NDArray[np.int64]:
    """Returns the steps after the windows of a split: the values that follow are all known, and between its borders."""
    firsts = np.arange(max(low, shape.window), max(low, high - shape.horizon + 1))
    unknown = np.concatenate([[0], np.cumsum(~is_known)])
    found: npt.NDArray[np.int64] = firsts[unknown[firsts + shape.horizon] == unknown[firsts]]
    return found


def _check(series: Series, shape: _Shape, firsts: dict[str, npt.NDArray[np.int64]]) -> None:
    fewest = {"train": _LEAST_WINDOWS, "validation": 1, "test": 1}
    if short := [split for split, least in fewest.items() if len(firsts[split]) < least]:
        raise DataError(
            f"{series.name} has {len(series):,} steps, which leave {len(firsts[short[0]]):,} windows of {shape.window} "
            f"steps for {short[0]}, each followed by {shape.horizon} known values. Expected {fewest[short[0]]} at "
            "least: ask for a smaller --horizon or --window, or give a longer series."
        )
    num_values = sum(map(len, firsts.values())) * shape.window * len(series.columns)
    if num_values > _MOST_VALUES:
        raise DataError(
            f"{series.name} has {num_values:,} values in all windows together, which is too much for memory. Expected "
            f"{_MOST_VALUES:,} at most: search on the last rows, with --max-examples, or with a smaller --window."
        )
