"""What of a series a file of rows holds: its steps of time, and the columns that can be forecast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kevo.errors import DataError
from kevo.tasks.series.reading import forecastable, read


@dataclass(frozen=True, slots=True)
class SeriesLook:
    """A series in a file of rows.

    Args:
        times: The columns of its times.
        steps: How long a step is, in words.
        first: The first time, as the series writes it.
        last: The last time.
        num_steps: How many steps there are, those without a row included.
        columns: The columns that can be forecast.
    """

    times: tuple[str, ...]
    steps: str
    first: str
    last: str
    num_steps: int
    columns: tuple[str, ...]


def look(path: Path) -> SeriesLook | None:
    """Looks for a series in a file of rows; `None` where no column holds times, or these are no equal steps.

    Args:
        path: The file.
    """
    try:
        columns = forecastable(path)
        if not columns:
            return None
        series = read(path, target=columns[0])
    except DataError:
        return None
    first, last = (series.clock.text(place) for place in (0, len(series) - 1))
    return SeriesLook(series.times, series.clock.words, first, last, len(series), columns)
