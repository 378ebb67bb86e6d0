"""How a forecast value is told: in a line of a terminal, and as JSON values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kevo.tasks.outputs.located import Located


@dataclass(frozen=True, slots=True)
class ForecastValue(Located):
    """One of the next values of a series.

    Args:
        time: When, as the series writes its times.
        value: The value, in the unit of the series.
    """

    time: str = field(kw_only=False)
    value: float = field(kw_only=False)

    def line(self, *, top: int = 1) -> str:
        """Returns the time, the value and the series' name; there is no `top` of several."""
        return f"{self.time}  {self.value:.6g}  {self.name}".rstrip()

    def to_json(self, *, top: int | None = None) -> dict[str, Any]:
        """Returns the same as JSON values."""
        return {**self.place(), "time": self.time, "value": self.value}
