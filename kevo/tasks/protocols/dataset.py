"""What a source holds, divided into splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class Skipped:
    """A part of a source that was stepped over, and why.

    Args:
        path: Where it stands: inside the folder or archive, or as the source wrote it.
        reason: What is wrong with it.
    """

    path: str
    reason: str


class Dataset(Protocol):
    """Examples, divided for training, choosing and measuring."""

    @property
    def name(self) -> str:
        """A short name, fit for a file."""

    @property
    def made_splits(self) -> tuple[str, ...]:
        """The splits that the source did not give, and that were taken out of its training examples."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Parts of the source that could not be used."""

    @property
    def max_examples(self) -> int | None:
        """What its reading was limited to, as in `Settings.max_examples`; `None` where the whole source was read."""

    @property
    def num_folds(self) -> int | None:
        """How many folds its training examples are divided into; `None` where one split is for validation."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Decisions that were made while reading, in words."""

    @property
    def num_judged(self) -> int:
        """How many independent examples candidates are compared on: fewer than `validation` has where these overlap."""

    def num_examples(self, split: str) -> int:
        """How many examples a split has: `train`, `validation` or `test`."""

    def summary(self) -> str:
        """The data set in one line."""

    def fingerprint(self) -> str:
        """Content hash: equal only for the same examples, answers and splits."""

    def write(self, folder: Path) -> None:
        """Writes the data set where `TaskKind.read` finds it; other processes then share its memory."""


D = TypeVar("D", bound=Dataset)
