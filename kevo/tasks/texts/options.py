"""The settings that only texts have."""

from __future__ import annotations

from kevo.tasks.protocols.kind import TaskOption

TEXT = TaskOption("text", "COLUMN", "The column of a CSV, TSV or JSON lines file that holds the texts.")
