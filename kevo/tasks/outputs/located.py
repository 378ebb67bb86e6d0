"""Where a predicted example stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """An example, by its place.

    Args:
        path: Its file; `None` for an array.
        row: Its row in that file or array, from 1: the header does not count. `None` where a file is one example.
        grad_cam: A drawing of what in the example speaks for its answer, where it was asked for.
    """

    path: str | None = None
    row: int | None = None
    grad_cam: Path | None = None

    @property
    def name(self) -> str:
        """The file, and the row's place in it."""
        row = "" if self.row is None else f"row {self.row}"
        return " ".join(filter(None, (self.path, row)))

    def place(self) -> dict[str, Any]:
        """The path and the row as JSON values, as far as there are any."""
        return {name: value for name, value in (("path", self.path), ("row", self.row)) if value is not None}
