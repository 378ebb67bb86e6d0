"""Settings that several tasks have and others have not."""

from __future__ import annotations

from kevo.errors import SettingsError
from kevo.tasks.protocols.kind import TaskOption

CROP, SQUASH = "crop", "squash"

TARGET = TaskOption("target", "COLUMN", "What is to be predicted: a column of a CSV file.")
FIT = TaskOption(
    "fit",
    "crop|squash",
    "How pictures become squares: their middle alone, or all of them with other proportions.  [default: crop where "
    "classes are learned from pictures of ordinary proportions]",
)
GROUPS = TaskOption(
    "groups",
    "COLUMN|REGEX",
    "Examples that are never in different splits, such as those of one patient: a column of the CSV or, for pictures, "
    "an expression for their paths, such as 'patient([0-9]+)'.",
)


def is_crop(fit: str | None) -> bool | None:
    """Tells whether pictures are cropped, by the value of `FIT`; `None` where that is left open.

    Raises:
        SettingsError: it is neither.
    """
    if fit not in (CROP, SQUASH, None):
        raise SettingsError(f"--{FIT.name} is {fit!r:.40}. Expected {CROP} or {SQUASH}.")
    return None if fit is None else fit == CROP
