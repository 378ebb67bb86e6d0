"""Settings that several tasks have and others have not."""

from __future__ import annotations

from kevo.tasks.protocols.kind import TaskOption

TARGET = TaskOption("target", "COLUMN", "What is to be predicted: a column of a CSV file.")
GROUPS = TaskOption(
    "groups",
    "COLUMN|REGEX",
    "Examples that are never in different splits, such as those of one patient: a column of the CSV or, for pictures, "
    "an expression for their paths, such as 'patient([0-9]+)'.",
)
