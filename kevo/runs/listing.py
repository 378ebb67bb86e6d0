"""The run folders that lie in a folder, a line for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kevo.errors import RunError
from kevo.runs import layout, reader
from kevo.system.text import duration, metric_name, shorten

_WIDEST = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One search in few words.

    Args:
        run_folder: Its folder.
        state: `running`, `interrupted`, `failed`, `finished` or `damaged`.
        started: When it began, as an ISO 8601 time; `None` where that is unknown.
        seconds: How long it has taken, over all sessions.
        data: A short name of its data.
        objective: What it improves.
        trials: How many trials have ended, without final trainings.
        best: The best trial's score for the objective on the validation split; `None` before the first.
        test: The best model's score on the test split; `None` before the end.
        reason: What is damaged; empty for nothing.
    """

    run_folder: Path
    state: str
    started: str | None = None
    seconds: float = 0.0
    data: str = ""
    objective: str = ""
    trials: int = 0
    best: float | None = None
    test: float | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values."""
        return {**dataclasses.asdict(self), "run_folder": str(self.run_folder)}


def read(folder: Path) -> list[Row]:
    """Reads all run folders in a folder, the newest first; one that is damaged says so.

    Args:
        folder: The folder, or a run folder itself.

    Raises:
        RunError: there is no such folder.
    """
    if not folder.is_dir():
        raise RunError(f"There is no folder {folder}. Name the one that holds your run folders, kevo-runs by default.")
    places = [folder, *folder.iterdir()]
    # What a link leads to lies elsewhere.
    found = [_row(place) for place in places if not place.is_symlink() and (place / layout.SETTINGS).is_file()]
    return sorted(found, key=lambda row: (row.started or "", row.run_folder.name), reverse=True)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yields a table for a terminal: a headline, and a line for each search."""
    table = [("run", "state", "began", "took", "data", "trials", "improves", "validation", "test"), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _row(folder: Path) -> Row:
    try:
        facts = reader.read(folder)
    except RunError as error:
        return Row(run_folder=folder, state="damaged", reason=str(error))
    metric, outcome, winner = facts.objective.metric, facts.outcome, facts.winner
    return Row(
        run_folder=folder,
        state=facts.state,
        started=facts.started,
        seconds=facts.seconds,
        data=facts.name,
        objective=metric_name(metric),
        trials=len(facts.evolved),
        best=None if winner is None else winner.metrics[metric],
        test=None if outcome is None else outcome.test.value(metric.removeprefix("val_")),
        reason=" ".join(facts.damages),
    )


def _cells(row: Row) -> tuple[str, ...]:
    name = shorten(row.run_folder.name or str(row.run_folder.resolve()), _WIDEST)
    if row.state == "damaged":
        return name, row.state, *[""] * 7
    scores = ("" if score is None else f"{score:.4f}" for score in (row.best, row.test))
    began = (row.started or "")[:16].replace("T", " ")
    return (
        name,
        row.state,
        shorten(began, _WIDEST),
        duration(row.seconds),
        shorten(row.data, _WIDEST),
        f"{row.trials:,}",
        row.objective,
        *scores,
    )
