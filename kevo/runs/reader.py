"""Reads a run folder as plain data and checks it. `trial_reader` does so for its trials; no other module parses one.

The folder may be of a search at work or of one that was killed, and it may come from somebody else. `read` names what
is missing or damaged and steps over it; only a folder without readable settings is refused. The other functions read
one part each, and refuse it where it is damaged.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from kevo.errors import KevoError
from kevo.objective import Objective
from kevo.runs import failure, layout, limits, ranking
from kevo.runs.atomic_files import DAMAGE, damage, loads
from kevo.runs.folder import Run
from kevo.runs.limits import Limits
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.runs.trial_reader import read_sound_trials
from kevo.settings import Settings
from kevo.system import archives
from kevo.tasks.protocols.kind import AnyKind

_MOST_METADATA = 2**16
_MOST_WORDS = 400
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a run folder says of its search.

    Args:
        run_folder: The folder.
        state: `running`, `interrupted` (it can be resumed), `failed` or `finished`.
        settings: What `settings.json` holds.
        is_own: Whether this user has begun the search; see `kevo.runs.ownership`.
        search: The settings of the search; `None` where they are damaged.
        objectives: What the search improves, the one that decides first.
        records: The finished trials, without damaged lines.
        winner: The trial that has won, or would win now; `None` where none has a fitness.
        outcome: What the search ended with; `None` where it has not ended, or the file is damaged.
        class_names: The classes, in the order of the model's outputs; empty where they are unknown.
        keras_version: The version of Keras that wrote the best model; empty where that is unknown.
        model_bytes: The size of the best model's file; `None` where there is none.
        damages: What is damaged and left out, in words.
    """

    run_folder: Path
    state: Literal["running", "interrupted", "failed", "finished"]
    settings: Mapping[str, Any]
    is_own: bool
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
        """Returns a genome in words, or as JSON where it is not one of the task."""
        try:
            return self.kind.describe(genome)
        except DAMAGE:
            return json.dumps(genome)[:_MOST_WORDS]

    @property
    def objective(self) -> Objective:
        """The objective that decides."""
        return self.objectives[0]

    @property
    def num_judged(self) -> int | None:
        """How many examples the candidates are compared on; `None` where that is unknown."""
        return num_judged(self.settings, self.outcome)

    @property
    def fingerprint(self) -> str | None:
        """The content hash of the data; `None` where that is unknown."""
        return _text(self.settings.get("fingerprint"))

    @property
    def kevo_version(self) -> str | None:
        """Which kevo began the search; `None` where that is unknown."""
        return _text(self.settings.get("kevo"))

    @property
    def started(self) -> str | None:
        """When the search began, as an ISO 8601 time; `None` where that is unknown."""
        return _text(self.settings.get("started"))

    @property
    def limits(self) -> tuple[Limits, ...]:
        """The limits that the search has had, in their order; empty where its settings are damaged."""
        return () if self.search is None else limits.history(self.settings, self.search)

    @property
    def data(self) -> str | None:
        """Where the data can be read again; `None` for what lived in memory only."""
        source = self.settings.get("data")
        return source if isinstance(source, str) and source and "\0" not in source else None

    @property
    def versions(self) -> dict[str, str]:
        """The packages that the search began with, with their versions; empty where that is unknown."""
        found = self.settings.get("versions")
        return {str(name): str(version) for name, version in found.items()} if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """A short name of the data, or else of the folder."""
        return (self.data and Path(self.data).name) or self.run_folder.resolve().name

    @property
    def evolved(self) -> list[TrialRecord]:
        """The trials of the evolution, without final trainings."""
        return [record for record in self.records if not record.full_length]

    @property
    def rivals(self) -> list[TrialRecord]:
        """The trials that have a fitness, best first; see `ranking.rivals`."""
        return ranking.ranked(self.records, self.objective)

    @property
    def winners(self) -> list[TrialRecord | None]:
        """For each record the trial that would have won when it ended; see `ranking.winners`."""
        return list(ranking.winners(self.records, self.objectives, num_judged=self.num_judged))

    @property
    def failed(self) -> list[TrialRecord]:
        """The trials that failed."""
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
    records = _try(lambda: read_sound_trials(run, objectives, damages), damages) or []
    outcome = _try(lambda: read_outcome(run), damages)
    names = _try(lambda: read_class_names(run), damages) or ()
    is_done = outcome is not None and not outcome.interrupted
    model = run.path / layout.MODEL
    num = num_judged(run.settings, outcome)
    return Facts(
        run_folder=run.path,
        state=(
            "running"
            if _try(lambda: run.is_busy, damages)
            else "finished"
            if is_done
            else "failed"
            if failure.read(run)
            else "interrupted"
        ),
        settings=run.settings,
        is_own=run.is_own,
        search=search,
        objectives=objectives,
        records=tuple(records),
        winner=find_winner(records, objectives, num_judged=num, outcome=outcome),
        outcome=outcome,
        class_names=(outcome.test.names if outcome else ()) or names,
        keras_version=_keras_version(model),
        model_bytes=model.stat().st_size if model.is_file() else None,
        damages=tuple(damages),
    )


def find_winner(
    records: Sequence[TrialRecord],
    objectives: Sequence[Objective],
    *,
    num_judged: int | None,
    outcome: Outcome | None,
) -> TrialRecord | None:
    """Returns the trial that has won or would win now; `None` where none has a fitness.

    Args:
        records: The finished trials.
        objectives: As in `kevo.runs.ranking`.
        num_judged: As in `kevo.runs.ranking`.
        outcome: What the search ended with; `None` where it has not ended.
    """
    decided = ranking.decided(records, objectives, num_judged=num_judged)
    if outcome is None:
        return next(iter(decided), None)
    named = [record for record in decided if record.trial_id == outcome.trial_id]
    alike = [record for record in decided if record.genome == outcome.genome]
    return next(iter([*named, *alike, *decided]), None)


def num_judged(settings: Mapping[str, Any], outcome: Outcome | None) -> int | None:
    """Returns how many independent examples candidates are compared on; `None` where that is unknown.

    Args:
        settings: What `settings.json` holds.
        outcome: What the search ended with; `None` where it has not ended.
    """
    if outcome is not None:
        return int(outcome.validation.num_judged)
    num = settings.get("num_judged")
    return num if isinstance(num, int) and num > 0 else None


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


def read_class_names(run: Run) -> tuple[str, ...]:
    """Returns the class names, in the order of the model's outputs; empty where they are unknown.

    Raises:
        RunError: the file is damaged.
    """
    path = run.path / layout.LABELS
    if not path.is_file():
        return ()
    with damage(path):
        names = run.read_json(layout.LABELS)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("expected a list of names")
        return tuple(names)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _keras_version(model: Path) -> str:
    """Returns the version of Keras that wrote a model, without building it; empty where that is unknown."""
    try:
        with zipfile.ZipFile(model) as archive:
            member = archive.getinfo("metadata.json")
            if member.file_size > _MOST_METADATA:
                return ""
            return str(loads(archives.unpack(archive, member))["keras_version"])
    except Exception:
        # The file may come from anybody, and be broken in every way.
        return ""


def _try(read: Callable[[], _Value], damages: list[str]) -> _Value | None:
    """Returns what can be read; `None` for what cannot, and adds the reason to `damages`."""
    try:
        return read()
    except KevoError as error:
        damages.append(str(error))
        return None
