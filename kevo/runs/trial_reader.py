"""Reads and checks the finished trials of a run folder, and puts back those whose lines are damaged."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kevo.errors import RunError
from kevo.objective import Objective
from kevo.runs import layout
from kevo.runs.atomic_files import DAMAGE, damage, describe_damage, loads
from kevo.runs.atomic_files import read as read_bytes
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.system.text import plural

_LARGEST_GENE = 1e30
"""No gene is as large; networks and figures compute with single precision."""
Check = Callable[[TrialRecord], object]
"""Raises one of the errors of `DAMAGE` where a record is not one of the search."""


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


def find(run: Run, trial_id: str) -> TrialRecord | None:
    """Returns a finished trial by its name; `None` where it is not there. The lines of others are not parsed.

    Args:
        run: The run folder.
        trial_id: Its name.

    Raises:
        RunError: the file cannot be read, or a line that names the trial is damaged.
    """
    found = None
    with damage(run.path / layout.TRIALS):
        for line in run.each_trial_line():
            if trial_id.encode() in line and (record := TrialRecord.from_json(loads(line))).trial_id == trial_id:
                found = record
    return found


def find_last(run: Run) -> TrialRecord | None:
    """Returns the trial that finished last; `None` where none has.

    Args:
        run: The run folder.

    Raises:
        RunError: the file cannot be read, or its last line is damaged.
    """
    lines = deque(run.each_trial_line(), maxlen=1)
    with damage(run.path / layout.TRIALS):
        return TrialRecord.from_json(loads(lines[0])) if lines else None


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


def read_sound_trials(run: Run, objectives: Sequence[Objective], damages: list[str]) -> list[TrialRecord]:
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
