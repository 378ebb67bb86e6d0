"""The settings that only series have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kevo.errors import SettingsError
from kevo.tasks.options import TARGET
from kevo.tasks.protocols.kind import TaskOption
from kevo.tasks.protocols.task import SearchSettings

HORIZON = TaskOption(
    "horizon",
    "N",
    "How many next values of a series are to be forecast.  [default: a season of 24 steps at most, or 1]",
)
WINDOW = TaskOption("window", "N", "From how many last steps of a series they are forecast.  [default: by its length]")
TIME = TaskOption(
    "time",
    "COLUMN,...",
    "The times of a series: a column, or several such as year,month.  [default: found by what they hold]",
)
SEASON = TaskOption("season", "N|none", "After how many steps a series repeats.  [default: found by its training part]")
NONE = "none"
MOST_STEPS = 10_000
"""Of a window or horizon."""


def number(options: Mapping[str, str], option: TaskOption) -> int | None:
    """Returns a number of steps among a search's options; `None` where it is not given.

    Raises:
        SettingsError: it is no whole number from 1 on.
    """
    text = options.get(option.name)
    if text is None:
        return None
    steps = int(text) if text.isdecimal() and len(text) <= len(str(MOST_STEPS)) else 0
    if not 1 <= steps <= MOST_STEPS:
        raise SettingsError(f"--{option.name} must be a number of steps from 1 to {MOST_STEPS:,}. Received: {text!r}.")
    return steps


def season(options: Mapping[str, str]) -> int | None:
    """Returns the season among a search's options: 1 for none, `None` where it is to be found.

    Raises:
        SettingsError: it is no number of steps.
    """
    return 1 if options.get(SEASON.name) == NONE else number(options, SEASON)


def time_columns(options: Mapping[str, str]) -> Sequence[str] | None:
    """Returns the columns of times among a search's options; `None` where they are to be found."""
    text = options.get(TIME.name)
    return None if text is None else [name.strip() for name in text.split(",")]


def arguments(settings: SearchSettings) -> dict[str, Any]:
    """Returns what a search's settings say to `loading.load`.

    Raises:
        SettingsError: an option has no value of its kind.
    """
    given = settings.options
    return {
        "target": given.get(TARGET.name),
        "times": time_columns(given),
        "horizon": number(given, HORIZON),
        "window": number(given, WINDOW),
        "season": season(given),
        "max_examples": settings.max_examples,
    }
