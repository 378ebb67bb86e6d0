"""The settings that only tables have."""

from __future__ import annotations

from collections.abc import Mapping

TARGET = "target"
"""Names the column to be predicted."""
KEEP = "keep"
"""Names columns to learn from whatever they seem to be."""


def kept_columns(options: Mapping[str, str]) -> list[str]:
    """Returns the columns that `KEEP` names in a search's options."""
    return [name.strip() for name in options.get(KEEP, "").split(",") if name.strip()]
