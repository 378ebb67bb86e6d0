"""The phases of a search, by name and in words."""

from __future__ import annotations

from collections.abc import Mapping

READING, PROBING, EVOLVING, FINALS = "reading", "probing", "evolving", "finals"
REFITTING, SCORING, COMBINING, WRITING = "refitting", "scoring", "combining", "writing"

PHASES: Mapping[str, str] = {
    READING: "reads what earlier sessions left",
    PROBING: "looks at the data, and gets the first candidates ready",
    EVOLVING: "evolves candidates",
    FINALS: "trains the best once more, longer",
    REFITTING: "refit: the winner learns from the validation split too",
    SCORING: "scores and saves the best",
    COMBINING: "tries the best together, as an ensemble",
    WRITING: "writes the model card",
}
"""What a search is doing, in the order in which it mostly does it. It may go back from the final trainings."""


def words(phase: str) -> str:
    """What a phase is, in words."""
    return PHASES[phase]
