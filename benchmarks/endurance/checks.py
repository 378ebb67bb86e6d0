"""Checks of a search: what it lost, did twice or left behind. Each returns the problems in words."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.endurance.event_log import EventLog
from kevo import KevoError
from kevo.runs import layout, trial_reader
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord

_GRACE_SECONDS = 20.0
"""How long processes may take to notice that their search has ended."""
_MARK = "KEVO_ENDURANCE"


@contextlib.contextmanager
def marked() -> Iterator[str]:
    """Marks all processes started within the context, and theirs, by an environment variable; yields its value."""
    mark = secrets.token_hex(8)
    with patch.dict(os.environ, {_MARK: mark}):
        yield mark


def processes(mark: str) -> list[int]:
    """Returns the ids of the other processes with a mark; see `marked`."""
    found = []
    for entry in Path("/proc").iterdir():
        # Processes of other users, and those that have just ended, cannot be read.
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid() and (entry / "environ").is_file():
                is_ours = f"{_MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0")
                found += [int(entry.name)] * is_ours
    return sorted(found)


def trials_of(run: Path) -> list[TrialRecord]:
    """Returns the finished trials of a run folder."""
    return trial_reader.read_trials(Run(run, {}))


def lost(log: EventLog, run: Path) -> list[str]:
    """Checks that a run folder holds every completed trial, once, and that none was trained after it had completed."""
    problems = []
    kept = {record.trial_id: record for record in trials_of(run)}
    for record in log.records:
        if record.status == "completed" and kept.get(record.trial_id) != record:
            problems.append(f"trial {record.number} completed and is not in the run folder as it was")
    completed: set[int] = set()
    for event, number, words in log.events:
        if event == "started" and number in completed:
            problems.append(f"trial {number} was trained again after it had completed")
        if event == "ended" and words == "completed":
            completed.add(number)
    return problems + recorded_twice(run)


def recorded_twice(run: Path) -> list[str]:
    """Checks that a run folder records no trial twice."""
    text = (run / layout.TRIALS).read_text() if (run / layout.TRIALS).exists() else ""
    # What follows the last line break is a record that was not written to its end.
    counts = Counter(json.loads(line)["trial_id"] for line in text.split("\n")[:-1])
    return [f"trial {trial_id} was written down {num} times" for trial_id, num in counts.items() if num > 1]


def leftovers(run: Path, mark: str) -> list[str]:
    """Checks that a search left no processes, lock or working files behind, and that its model can be loaded."""
    problems = orphans(mark)
    try:
        with Run.open(run).locked():
            pass
    except KevoError as error:
        problems.append(f"no new search can begin: {error}")
    if (run / layout.WORK).exists():
        problems.append(f"{layout.WORK}/ is left with {len(list((run / layout.WORK).iterdir()))} entries")
    try:
        model = _loaded(run / layout.MODEL)
        sums = np.asarray(model.predict(np.zeros((2, 8, 8, 3), np.uint8), verbose=0)).sum(axis=-1)
        if not np.allclose(sums, 1, atol=1e-3):
            problems.append(f"the final model's probabilities sum to {sums}")
    except (OSError, ValueError) as error:
        problems.append(f"the final model cannot be loaded: {error}")
    return problems


def _loaded(path: Path) -> Any:
    import keras

    return keras.models.load_model(path, safe_mode=True)


def orphans(mark: str) -> list[str]:
    """Checks that no marked process is left after a grace period, and kills those that are."""
    until = time.monotonic() + _GRACE_SECONDS
    while (left := processes(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"process {pid} was left" for pid in left]


def differences(
    expected: Iterable[TrialRecord], got: Iterable[TrialRecord], *, broken: frozenset[str] | set[str] = frozenset()
) -> list[str]:
    """Checks that two searches trained the same candidates, with the same metrics in every epoch.

    Args:
        expected: Trials of the undisturbed search.
        got: Trials of the other search.
        broken: Ids of trials whose training was interrupted; their metrics may differ.
    """

    def by_key(records: Iterable[TrialRecord]) -> dict[str, TrialRecord]:
        return {json.dumps([one.full_length, one.status, one.genome], sort_keys=True): one for one in records}

    def named(record: TrialRecord) -> str:
        return f"trial {record.number}" + f" (failed: {record.reason})" * (record.reason is not None)

    first, second = by_key(expected), by_key(got)
    problems = [f"{named(first[key])} of the undisturbed search is missing" for key in first.keys() - second]
    problems += [f"{named(second[key])} is not in the undisturbed search" for key in second.keys() - first]
    for key in first.keys() & second:
        if first[key].history != second[key].history and second[key].trial_id not in broken:
            problems.append(f"trial {second[key].number} has another history than in the undisturbed search")
    return sorted(problems)


def kept(run: Path, before: Sequence[TrialRecord]) -> tuple[list[TrialRecord], list[str]]:
    """Returns the trials of a run folder, and a problem unless they begin with those of `before`."""
    now = trials_of(run)
    return now, ["trials that had ended are gone or changed"] * (now[: len(before)] != list(before))


def interrupted(run: Path) -> set[str]:
    """Returns the ids of the trials whose training was interrupted and will go on from its best epoch."""
    return {path.stem for path in (run / layout.UNFINISHED).glob("*.json")}
