"""The settings that only tables have."""

from __future__ import annotations

from collections.abc import Mapping

from kevo.tasks.protocols.kind import TaskOption

KEEP = TaskOption(
    "keep", "COLUMN,...", "Columns of a table to learn from even if they seem to repeat the target or to identify rows."
)


def kept_columns(options: Mapping[str, str]) -> list[str]:
    """Returns the columns that `KEEP` names in a search's options."""
    return [name.strip() for name in options.get(KEEP.name, "").split(",") if name.strip()]
