"""What a search has lost, done twice or left behind."""

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
from endurance_jobs import Diary

from kevo import KevoError
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord

_MOMENT = 20.0
"""So many seconds processes have to notice that their search is gone."""
_MARK = "KEVO_ENDURANCE"


def processes(mark: str) -> list[int]:
    """Returns the processes that inherited a mark, by their numbers; see `marked`."""
    found = []
    for entry in Path("/proc").iterdir():
        # Others' are none of our business, and what has just ended cannot be read.
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid() and (entry / "environ").is_file():
                is_ours = f"{_MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0")
                found += [int(entry.name)] * is_ours
    return sorted(found)


@contextlib.contextmanager
def marked() -> Iterator[str]:
    """Marks all processes that are started within, whoever becomes their parent later, and yields the mark."""
    mark = secrets.token_hex(8)
    with patch.dict(os.environ, {_MARK: mark}):
        yield mark


def lost(diary: Diary, run: Path) -> list[str]:
    """Says what a run folder lacks of that which has completed, and what was done twice."""
    problems = []
    kept = {record.trial_id: record for record in Run(run, {}).trials()}
    for record in diary.records:
        if record.status == "completed" and kept.get(record.trial_id) != record:
            problems.append(f"trial {record.number} completed and is not in the run folder as it was")
    ended: set[int] = set()
    for event, number, words in diary.events:
        if event == "started" and number in ended:
            problems.append(f"trial {number} was trained again after it had completed")
        if event == "ended" and words == "completed":
            ended.add(number)
    return problems + twice(run)


def twice(run: Path) -> list[str]:
    """Says which trials a run folder tells of twice."""
    text = (run / "trials.jsonl").read_text() if (run / "trials.jsonl").exists() else ""
    # A last line without its end is no word.
    counts = Counter(json.loads(line)["trial_id"] for line in text.split("\n")[:-1])
    return [f"trial {trial_id} was written down {num} times" for trial_id, num in counts.items() if num > 1]


def leftovers(run: Path, mark: str) -> list[str]:
    """Says what a search has left that is over: processes, locks, what workers needed; and which model it lacks."""
    problems = orphans(mark)
    try:
        with Run.open(run).locked():
            pass
    except KevoError as error:
        problems.append(f"no new search can begin: {error}")
    if (run / "work").exists():
        problems.append(f"work/ is left with {len(list((run / 'work').iterdir()))} entries")
    try:
        model = _loaded(run / "best.keras")
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
    """Says which processes are left after a moment, and ends them."""
    until = time.monotonic() + _MOMENT
    while (left := processes(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"process {pid} was left" for pid in left]


def differences(
    expected: Iterable[TrialRecord], got: Iterable[TrialRecord], *, broken: frozenset[str] | set[str] = frozenset()
) -> list[str]:
    """Says how the trials of two searches differ; histories of trainings that were broken off may."""

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


def still_there(run: Path, before: Sequence[TrialRecord]) -> tuple[list[TrialRecord], list[str]]:
    """Returns the trials of a run folder, and says whether those of before are still among them."""
    now = Run(run, {}).trials()
    return now, ["trials that had ended are gone or changed"] * (now[: len(before)] != list(before))


def broken_off(run: Path) -> set[str]:
    """Returns the trials whose training goes on from where it was kept."""
    return {path.stem for path in (run / "unfinished").glob("*.json")}
