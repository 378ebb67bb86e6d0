"""Where a predicted example stands."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kevo.errors import SettingsError


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

    def write(self, folder: Path, *, taken: set[str]) -> Path:
        """Writes the answer into a folder, as a file; see `Prediction.write`.

        Raises:
            SettingsError: such answers are no files.
        """
        raise SettingsError(
            "Only masks of pictures are written as files, and this model answers with something else. Leave out "
            "--masks."
        )

    def drawings(self, picture: bytes | None) -> dict[str, Any]:
        """Returns what of the answer is a picture; see `Prediction.drawings`. Most answers are none."""
        return {}


def free_name(stem: str, ending: str, taken: set[str]) -> str:
    """Returns a name of a file that is not taken yet, and takes it.

    Args:
        stem: The name of the example's own file, without its ending: those of several folders may be the same.
        ending: What the name goes on with, such as `mask.png`.
        taken: The names so far.

    Example:
        >>> taken = set()
        >>> free_name("cat", "mask.png", taken), free_name("cat", "mask.png", taken)
        ('cat-mask.png', 'cat-mask-2.png')
    """
    words, dot, suffix = ending.partition(".")
    names = (f"{stem}-{words}{f'-{number}' if number > 1 else ''}{dot}{suffix}" for number in itertools.count(1))
    name = next(name for name in names if name not in taken)
    taken.add(name)
    return name
