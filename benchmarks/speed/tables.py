"""Measurements grouped for the tables of a report."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.speed.measurements import TITLES, Measurement


@dataclass(frozen=True)
class Group:
    """The measurements of one setting, by tool in the order of `TITLES`."""

    setting: str
    by_tool: dict[str, list[Measurement]] = field(default_factory=dict)

    @property
    def limit(self) -> float:
        """The greatest time limit in seconds; 0 if there is none."""
        return max(one.limit or 0.0 for rows in self.by_tool.values() for one in rows)

    def pairs(self, tool: str) -> list[tuple[Measurement, Measurement]]:
        """Returns kevo's measurement and the tool's for each seed that both have."""
        ours = {one.seed: one for one in self.by_tool.get("kevo", ())}
        return [(ours[one.seed], one) for one in self.by_tool[tool] if one.seed in ours]


def groups(measurements: Sequence[Measurement]) -> list[Group]:
    """Returns the measurements by setting, the greatest time limit first."""
    found = []
    for setting in dict.fromkeys(one.setting for one in measurements):
        rows = [one for one in measurements if one.setting == setting]
        by_tool = {tool: [one for one in rows if one.tool == tool] for tool in TITLES}
        found.append(Group(setting, {tool: of_tool for tool, of_tool in by_tool.items() if of_tool}))
    return sorted(found, key=lambda group: group.limit, reverse=True)


def median_of(rows: Sequence[Measurement], value: Callable[[Measurement], float | None]) -> float:
    """Returns the median over seeds; NaN unless every seed has a number, since a median of the lucky ones flatters."""
    values = [value(one) for one in rows]
    numbers = [number for number in values if number is not None and not math.isnan(number)]
    return statistics.median(numbers) if numbers and len(numbers) == len(values) else math.nan


def machines(found: Sequence[Group]) -> str:
    """Returns the machines of all measurements, each once."""
    measurements = (one for group in found for rows in group.by_tool.values() for one in rows)
    return "; ".join(dict.fromkeys(one.machine for one in measurements))
