"""Everything that a report tells, read from a run folder as plain data.

The folder may be of a search at work or of one that was killed, and it may come from someone else. What is missing or
damaged is named and stepped over; only a folder without readable settings is refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from kevo.errors import KevoError, os_reason
from kevo.objective import Objective
from kevo.runs import layout, ranking
from kevo.runs.atomic_files import damage
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.tasks.task import AnyKind

_MOST_METADATA = 2**16
_MOST_WORDS = 400
_LARGEST_GENE = 1e15
"""No gene is as large, and what is made of genes counts in single precision."""
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a run folder says of its search.

    Args:
        run_folder: The folder.
        state: Whether the search is at work, can be taken up again, or has found all that it will.
        settings: What `settings.json` holds.
        search: How the search was to run; `None` where that is damaged.
        objectives: What was to be improved, the first above all.
        records: The candidates that can be made use of.
        winner: The one that would win now, or the one that the outcome tells of; `None` where none has a fitness.
        outcome: What it ended with; `None` where it has not ended, or not well.
        class_names: The classes, in the order of the model's outputs; empty where nobody knows.
        keras_version: Which Keras wrote the best model; empty where nobody knows.
        model_bytes: The size of the best model's file; `None` where there is none.
        damages: What could not be made use of, in words.
    """

    run_folder: Path
    state: Literal["running", "interrupted", "finished"]
    settings: Mapping[str, Any]
    search: Settings | None
    objectives: tuple[Objective, ...]
    records: tuple[TrialRecord, ...]
    winner: TrialRecord | None
    outcome: Outcome | None
    class_names: tuple[str, ...]
    keras_version: str
    model_bytes: int | None
    damages: tuple[str, ...]

    @property
    def kind(self) -> AnyKind:
        """The task; the first of the table where the settings are damaged."""
        return (self.search or Settings()).kind

    def describe(self, genome: Mapping[str, Any]) -> str:
        """Puts a genome into words; one that is damaged is shown as it is."""
        try:
            return self.kind.describe(genome)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return json.dumps(genome)[:_MOST_WORDS]

    @property
    def objective(self) -> Objective:
        """What was to be improved above all."""
        return self.objectives[0]

    @property
    def num_judged(self) -> int | None:
        """How many examples the candidates are compared on; `None` where that is unknown."""
        if self.outcome is not None:
            return int(self.outcome.validation.num_examples)
        return num_judged(self.settings)

    @property
    def data(self) -> str | None:
        """Where the pictures can be read again; `None` for what lived in memory only."""
        source = self.settings.get("data")
        return source if isinstance(source, str) and source and "\0" not in source else None

    @property
    def versions(self) -> dict[str, str]:
        """What was installed when the search began, with versions; empty where nobody knows."""
        found = self.settings.get("versions")
        return {str(name): str(version) for name, version in found.items()} if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """A short name of the pictures, or else of the folder."""
        return (self.data and Path(self.data).name) or self.run_folder.resolve().name

    @property
    def evolved(self) -> list[TrialRecord]:
        """The candidates that the evolution brought about, without final trainings."""
        return [record for record in self.records if not record.full_length]

    @property
    def rivals(self) -> list[TrialRecord]:
        """The candidates that have a fitness, best first; see `ranking.rivals`."""
        return ranking.ranked(self.records, self.objective)

    @property
    def winners(self) -> list[TrialRecord | None]:
        """For each record the one that would have won when it ended; see `ranking.winners`."""
        return list(ranking.winners(self.records, self.objectives, num_judged=self.num_judged))

    @property
    def failed(self) -> list[TrialRecord]:
        """The candidates that failed."""
        return [record for record in self.records if record.status == "failed"]

    @property
    def seconds(self) -> float:
        """How long the search has taken, over all sessions, as far as it is written down."""
        last = max((record.finished_at for record in self.records), default=0.0)
        return last if self.outcome is None else max(last, self.outcome.seconds)


def read(run_folder: str | Path) -> Facts:
    """Reads what a run folder says of its search.

    Args:
        run_folder: The folder.

    Raises:
        RunError: it is no run folder, or holds links or damaged settings.

    Example:
        >>> read("kevo-runs/digits-20260101-120000").state  # doctest: +SKIP
        'finished'
    """
    run = Run.open(run_folder)
    damages: list[str] = []
    search = _try(run.search_settings, damages)
    objectives = (search or Settings()).objectives
    records = _records(run.path / layout.TRIALS, objectives, damages)
    outcome = _try(lambda: read_outcome(run), damages)
    names = _try(lambda: _class_names(run), damages) or ()
    is_done = outcome is not None and not outcome.interrupted
    model = run.path / layout.MODEL
    facts = Facts(
        run_folder=run.path,
        state="running" if _try(lambda: run.is_busy, damages) else "finished" if is_done else "interrupted",
        settings=run.settings,
        search=search,
        objectives=objectives,
        records=tuple(records),
        winner=None,
        outcome=outcome,
        class_names=tuple(outcome.test.support) if outcome else names,
        keras_version=_keras_version(model),
        model_bytes=model.stat().st_size if model.is_file() else None,
        damages=tuple(damages),
    )
    return _with_winner(facts)


def num_judged(settings: Mapping[str, Any]) -> int | None:
    """Returns how many examples candidates are compared on, by the settings file; `None` where that is unknown."""
    num = settings.get("num_validation")
    return num if isinstance(num, int) and num > 0 else None


def _with_winner(facts: Facts) -> Facts:
    genome = facts.outcome.genome if facts.outcome else None
    decided = ranking.decided(facts.records, facts.objectives, num_judged=facts.num_judged)
    winner = next((record for record in decided if record.genome == genome), decided[0] if decided else None)
    return dataclasses.replace(facts, winner=winner)


def _records(path: Path, objectives: Sequence[Objective], damages: list[str]) -> list[TrialRecord]:
    """Reads the candidates; a line that tells of none costs only itself."""
    if not path.is_file():
        return []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        damages.append(f"{path.name} cannot be read: {os_reason(error)}.")
        return []
    records: dict[str, TrialRecord] = {}
    for number, line in enumerate(lines, start=1):
        try:
            if line:
                record = TrialRecord.from_json(json.loads(line))
                _check(record, objectives)
                records[record.trial_id] = record
        except (RecursionError, ValueError) as error:
            # Whoever is writing, or was killed while writing, leaves half a line at the end.
            if number < len(lines):
                damages.append(f"Line {number} of {path.name} is damaged: {error}.")
    return list(records.values())


def _check(record: TrialRecord, objectives: Sequence[Objective]) -> None:
    if not all(map(_is_gene, record.genome.values())):
        raise ValueError(f"the genes of trial {record.trial_id} must be words and ordinary numbers")
    names = {name for one in objectives for name in one.metrics}
    if record.fitness is not None and not all(math.isfinite(record.metrics.get(name, math.nan)) for name in names):
        raise ValueError(f"trial {record.trial_id} lacks one of the metrics {', '.join(sorted(names))}")


def _is_gene(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int | float) and abs(value) < _LARGEST_GENE)


def read_outcome(run: Run) -> Outcome | None:
    """Returns what a search, or one session of it, ended with; `None` where that is nothing yet.

    Raises:
        RunError: the file is damaged.
    """
    path = run.path / layout.RESULT
    if not path.is_file():
        return None
    with damage(path):
        return Outcome.from_json(run.read_json(layout.RESULT)).moved(run.path)


def _class_names(run: Run) -> tuple[str, ...]:
    path = run.path / layout.LABELS
    if not path.is_file():
        return ()
    with damage(path):
        names = run.read_json(layout.LABELS)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("expected a list of names")
        return tuple(names)


def _keras_version(model: Path) -> str:
    """Returns which Keras wrote a model, without building it."""
    try:
        with zipfile.ZipFile(model) as archive, archive.open("metadata.json") as file:
            return str(json.loads(file.read(_MOST_METADATA))["keras_version"])
    except (OSError, LookupError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile, zlib.error):
        return ""


def _try(read: Callable[[], _Value], damages: list[str]) -> _Value | None:
    """Returns what can be read; `None`, and the reason in words, for what cannot."""
    try:
        return read()
    except KevoError as error:
        damages.append(str(error))
        return None
