"""Reads a run folder as plain data, and checks what it reads: no other module parses one.

The folder may be of a search at work or of one that was killed, and it may come from somebody else. `read` names what
is missing or damaged and steps over it; only a folder without readable settings is refused. The other functions read
one part each, and refuse it where it is damaged.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from kevo.errors import KevoError, RunError
from kevo.objective import Objective
from kevo.runs import failure, layout, ranking
from kevo.runs.atomic_files import DAMAGE, damage, describe_damage, loads
from kevo.runs.atomic_files import read as read_bytes
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.system import archives
from kevo.system.text import plural
from kevo.tasks.protocols.kind import AnyKind

_MOST_METADATA = 2**16
_MOST_WORDS = 400
_LARGEST_GENE = 1e30
"""No gene is as large; networks and figures compute with single precision."""
Check = Callable[[TrialRecord], object]
"""Raises one of the errors of `DAMAGE` where a record is not one of the search."""
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
    records = _try(lambda: _trials_and_damages(run, objectives, damages), damages) or []
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


def read_trials(run: Run, *, check: Check | None = None) -> list[TrialRecord]:
    """Returns the finished trials, in the order in which they finished first.

    The last line counts where a trial was written twice. A last line without its end does not count.

    Args:
        run: The run folder.
        check: Raises an error where a record is not one of the search. Defaults to none.

    Raises:
        RunError: a line is damaged, or continues a trial that is not there.
    """
    return TrialReader(run, check=check).update()


class TrialReader:
    """The finished trials of a run folder, read on from where they were read last.

    The last line counts where a trial was written twice. A last line without its end does not count yet.

    Args:
        run: The run folder.
        check: Raises an error where a record is not one of the search. Defaults to none.
        start: How many bytes of the records to leave out: those of trials that are known otherwise. What trials
            continue is not looked at then.
        is_brief: Whether records are kept without genomes and without the metrics of each epoch, which are most of
            them; `whole` reads one again.
    """

    def __init__(self, run: Run, *, check: Check | None = None, start: int = 0, is_brief: bool = False) -> None:
        self._run = run
        self._check = check
        self._is_brief = is_brief
        self._start = start
        self._file: int | None = None
        self._begin()

    @property
    def records(self) -> list[TrialRecord]:
        """The trials so far, in the order in which they finished first."""
        return list(self._records.values())

    def update(self) -> list[TrialRecord]:
        """Reads what was added, and returns it; all trials where the file was written anew.

        Raises:
            RunError: a line is damaged, or continues a trial that is not there.
        """
        path = self._run.path / layout.TRIALS
        file = path.stat().st_ino if path.exists() else None
        if file != self._file:
            # A search that is resumed writes it anew where it was damaged.
            self._begin()
            self._file = file
        new: dict[str, TrialRecord] = {}
        for line in self._run.each_trial_line(start=self._offset):
            self._num_lines += 1
            self._offset += len(line)
            try:
                record = TrialRecord.from_json(loads(line))
                if self._check is not None:
                    self._check(record)
                if record.continues is not None and not self._start and record.continues not in self._records:
                    raise ValueError(
                        f"trial {record.trial_id} continues trial {record.continues}, of which no line before it tells"
                    )
            except DAMAGE as error:
                raise RunError(
                    f"Line {self._num_lines} of {path} is damaged: {describe_damage(error)}. Restore it; kevo resume "
                    "sets it aside and goes on without that candidate."
                ) from error
            if self._is_brief:
                self._places[record.trial_id] = self._offset - len(line)
                metrics = {sys.intern(name): value for name, value in record.metrics.items()}
                record = dataclasses.replace(record, genome={}, metrics=metrics, history=[], stages=[])
            self._records[record.trial_id] = new[record.trial_id] = record
        return list(new.values())

    def whole(self, record: TrialRecord) -> TrialRecord:
        """Reads a trial again that is kept in brief.

        Raises:
            RunError: its line is not there any more.
        """
        path = self._run.path / layout.TRIALS
        with damage(path):
            return TrialRecord.from_json(
                loads(next(self._run.each_trial_line(start=self._places[record.trial_id]), b""))
            )

    def named(self, genome: Mapping[str, Any]) -> set[str]:
        """Returns the names of the trials of a genome, also where they are kept in brief.

        Raises:
            RunError: the folder is damaged.
        """
        with damage(self._run.path / layout.TRIALS):
            found = (TrialRecord.from_json(loads(line)) for line in self._run.each_trial_line(start=self._start))
            return {record.trial_id for record in found if record.genome == genome}

    def _begin(self) -> None:
        self._records: dict[str, TrialRecord] = {}
        self._places: dict[str, int] = {}
        self._offset, self._num_lines = self._start, 0


def mend_trials(run: Run, *, check: Check) -> tuple[list[TrialRecord], list[str]]:
    """Reads the finished trials as `read_trials`, but sets damaged lines aside.

    What is missing then is put back from the copies that the oracle keeps.

    Returns:
        The trials, and in words which lines are damaged and why, and what was put back.

    Raises:
        RunError: the folder cannot be read or written.
    """
    path = run.path / layout.TRIALS
    records, problems, num_copies = _parse(run.trial_lines(), check, read_copies(run, check))
    damages: list[str] = []
    if problems:
        aside = run.set_lines_aside(problems)
        without = "" if num_copies else ", and the search goes on without that candidate"
        damages = [
            f"Line {number} of {path} is damaged: {reason}. It is set aside in {aside}{without}."
            for number, reason in problems.items()
        ]
    if num_copies:
        run.replace_trials(records)
        damages.append(
            f"{path} is damaged: {plural(num_copies, 'record')} of trials that had finished were missing. They are put "
            f"back from {run.path / layout.SEARCH}."
        )
    return records, damages


def read_copies(run: Run, check: Check) -> list[TrialRecord]:
    """Returns the records of which there are copies; what cannot be read is left out."""
    found: dict[str, TrialRecord] = {}
    for path in (*sorted(run.path.glob(layout.ORACLE_TRIALS)), *sorted(run.path.glob(layout.RECORD_COPIES))):
        with contextlib.suppress(RunError, *DAMAGE):
            values = loads(read_bytes(path))
            if (values := values["note"] if path.match(layout.ORACLE_TRIALS) else values) is not None:
                record = TrialRecord.from_json(values)
                check(record)
                found[record.trial_id] = record
    return list(found.values())


def check_record(record: TrialRecord, objectives: Sequence[Objective]) -> None:
    """Refuses a record that cannot be one of a search.

    Args:
        record: The record.
        objectives: What the search improves, the one that decides first.

    Raises:
        ValueError: a gene is no plain value, or a completed trial lacks a metric that it is compared by.
    """
    if not all(map(_is_gene, record.genome.values())):
        raise ValueError(f"the genes of trial {record.trial_id} must be words and ordinary numbers")
    if record.fitness is None:
        return
    names = sorted({name for one in objectives for name in one.metrics})
    if not _has(record.metrics, names):
        raise ValueError(f"trial {record.trial_id} lacks one of the metrics {', '.join(names)}")
    names = list(objectives[0].metrics)
    if not record.history or not all(_has(epoch, names) for epoch in record.history):
        raise ValueError(f"trial {record.trial_id} lacks an epoch with the metrics {', '.join(names)}")


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
    """Returns how many examples candidates are compared on; `None` where that is unknown.

    Args:
        settings: What `settings.json` holds.
        outcome: What the search ended with; `None` where it has not ended.
    """
    if outcome is not None:
        return int(outcome.validation.num_examples)
    num = settings.get("num_validation")
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


def _trials_and_damages(run: Run, objectives: Sequence[Objective], damages: list[str]) -> list[TrialRecord]:
    """Returns the trials that can be made use of; damaged lines are named in `damages`."""

    def check(record: TrialRecord) -> None:
        check_record(record, objectives)

    # Of a search at work, the lines tell of what has a copy by now.
    copies = read_copies(run, check)
    records, problems, num_copies = _parse(run.trial_lines(), check, copies)
    damages += [f"Line {number} of {layout.TRIALS} is damaged: {reason}." for number, reason in problems.items()]
    if num_copies:
        damages.append(f"{layout.TRIALS} lacks {plural(num_copies, 'record')}, read from {layout.SEARCH}/ instead.")
    return records


def _parse(
    lines: Sequence[bytes], check: Check | None, copies: Sequence[TrialRecord] = ()
) -> tuple[list[TrialRecord], dict[int, str], int]:
    """Reads lines with a record each; of several for the same trial the last one counts.

    Args:
        lines: The lines.
        check: As for `read_trials`.
        copies: Records that count for trials without a sound line.

    Returns:
        The records, in the order of their trials' first lines, or, if some come from copies, in that in which the
        trials ended; what is wrong with other lines, by their numbers from 1; and how many records come from copies. A
        record that continues one that is not there before it is wrong too.
    """
    records: dict[str, TrialRecord] = {}
    places: dict[str, list[int]] = {}
    problems: dict[int, str] = {}
    for number, line in enumerate(lines, start=1):
        try:
            record = TrialRecord.from_json(loads(line))
            if check is not None:
                check(record)
        except DAMAGE as error:
            problems[number] = describe_damage(error)
            continue
        records[record.trial_id] = record
        places.setdefault(record.trial_id, []).append(number)
    lacking = [copy for copy in copies if copy.trial_id not in records]
    if lacking:
        everyone = sorted([*records.values(), *lacking], key=lambda record: record.finished_at)
        records = {record.trial_id: record for record in everyone}
    known: set[str | None] = {None}
    for trial_id, record in list(records.items()):
        if record.continues in known:
            known.add(trial_id)
            continue
        del records[trial_id]
        reason = f"trial {trial_id} continues trial {record.continues}, of which no line before it tells"
        problems.update(dict.fromkeys(places.get(trial_id, ()), reason))
    return list(records.values()), dict(sorted(problems.items())), sum(copy.trial_id in records for copy in lacking)


def _is_gene(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int | float) and abs(value) < _LARGEST_GENE)


def _has(metrics: Mapping[str, float], names: Iterable[str]) -> bool:
    return all(math.isfinite(metrics.get(name, math.nan)) for name in names)


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
