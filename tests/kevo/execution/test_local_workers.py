"""Worker processes: what a search loses when they die, hang or grow, which is nothing but time."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import kevo
from kevo.errors import SearchBrokenError, SearchFailedError
from kevo.execution import local_workers
from kevo.execution.devices import Plan
from kevo.result import SearchResult
from kevo.runs import trial_reader
from kevo.runs.folder import Run
from tests.support.samples import stripes
from tests.support.searches import SETTINGS, Diary
from tuners.execution import foreman, local_pool

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="/proc is missing: no way to find workers")
SMALL = dataclasses.replace(SETTINGS, workers=1, max_trials=3, epochs=2, final_epochs=2, num_finalists=1)


def workers(parent: int | None = None) -> list[int]:
    """The worker processes that a search has started, the oldest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                ppid = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if b"tuners.execution.worker" in (entry / "cmdline").read_bytes() and parent in (None, ppid):
                    found.append(int(entry.name))
            except OSError:
                pass
    return sorted(found)


class Saboteur(Diary):
    """Sends signals to the oldest worker: to each candidate its own, one for each time that it is trained a while."""

    def __init__(self, acts: Mapping[int, Sequence[signal.Signals]]) -> None:
        super().__init__()
        self._acts = {number: list(signals) for number, signals in acts.items()}
        self._is_due = False

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        super().trial_started(number, words, seconds_left, worker)
        self._is_due = True

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        if self._is_due and self._acts.get(number):
            self._is_due = False
            os.kill(workers(os.getpid())[0], self._acts[number].pop(0))


def search(path: Path, diary: Diary, **changes: object) -> SearchResult:
    settings = dataclasses.replace(SMALL, **changes)
    return kevo.search(stripes(120), settings, out=path / "run", listener=diary)


@pytest.mark.long
def test_workers_that_die_or_stand_still_cost_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreman, "_PATIENCE_SECONDS", 8.0)
    kill = signal.SIGKILL
    folders: list[str] = []

    class Watcher(Saboteur):
        def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
            super().trial_started(number, words, seconds_left, worker)
            folders[:] = sorted(path.name for path in (tmp_path / "run" / "work").glob("worker-*"))

    diary = Watcher({0: [signal.SIGSTOP], 1: [kill], 3: [kill, kill]})
    result = search(tmp_path, diary, max_trials=4)
    # Those that were killed have left nothing.
    assert folders == ["worker-4"]
    assert result.model_path.is_file() and workers(os.getpid()) == []
    assert not (tmp_path / "run" / "work").exists()
    killed = "its worker was ended by SIGKILL, perhaps for want of memory"
    (first, silent), *others = diary.lost
    assert first == 0 and re.fullmatch(r"it hangs: nothing was heard of it for \d+ seconds", silent)
    assert others == [(1, killed), (3, killed), (3, killed)]
    # Who kills every worker fails alone.
    statuses = [(record.number, record.status) for record in diary.records]
    assert statuses == [(0, "completed"), (1, "completed"), (2, "completed"), (3, "failed"), (4, "completed")]
    assert diary.records[3].reason == killed
    # Who trains, and how often it died, makes no difference.
    here = Diary()
    search(tmp_path / "here", here, workers=0, max_trials=4)
    first, second = ([(one.genome, one.history) for one in told.records[:3]] for told in (diary, here))
    assert first == second


@pytest.mark.long
def test_a_worker_that_has_grown_is_replaced_between_candidates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_workers, "_RECYCLED_AT", 1e-6)
    started = []
    popen = subprocess.Popen

    def counted(*args: object, **options: object) -> object:
        started.append(args)
        return popen(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(local_pool.subprocess, "Popen", counted)
    diary = Diary()
    search(tmp_path, diary, max_trials=1)
    assert len(diary.records) == 2 and len(started) >= 2 and diary.lost == []


def test_workers_that_cannot_be_started_end_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_workers, "_MEMORY_SHARE", 1e-6)
    monkeypatch.setattr(local_pool, "_MAX_FAILED_STARTS", 2)
    with pytest.raises(SearchFailedError, match=r"Workers cannot be started. The last one: out of memory"):
        search(tmp_path, Diary(), workers=2)
    # Nor the one that has just taken the first one's place.
    assert workers(os.getpid()) == []


def test_a_worker_that_cannot_write_ends_the_search_which_can_go_on(tmp_path: Path) -> None:
    class Thief(Diary):
        """Takes the workers' folder away, so that they can write nothing any more."""

        def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
            super().trial_started(number, words, seconds_left, worker)
            shutil.rmtree(tmp_path / "run" / "work" / worker)

    with pytest.raises(SearchBrokenError, match=r"work/worker-0.* Make room or permit writing there.* kevo resume"):
        search(tmp_path, Thief(), max_trials=1)
    assert trial_reader.read_trials(Run.open(tmp_path / "run")) == [] and workers(os.getpid()) == []


def test_a_search_goes_on_without_the_processes_that_trained_along_unless_it_begins(tmp_path: Path) -> None:
    notes: list[str] = []
    spread = Plan(((),), is_mirrored=False, is_spread=True)
    pool = local_workers.local_pool({"data": "here"}, plan=spread, folder=tmp_path, note=notes.append)
    assert pool._unfit is not None and pool._arguments["is_spread"]
    with pytest.raises(SearchFailedError, match="There is nobody. Take another strategy."):
        pool._unfit("There is nobody.")
    pool._has_started = True
    assert pool._unfit("There is nobody.") == {**pool._arguments, "is_spread": False}
    assert notes == ["There is nobody. The search goes on in one process; kevo resume spreads it again."]


@pytest.mark.long
def test_a_disk_that_is_full_for_a_worker_ends_the_search_which_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Path.replace

    def full(path: Path, target: Path) -> Path:
        if "checkpoints" in str(target):
            raise OSError(28, "No space left on device", str(target))
        return save(path, target)

    with monkeypatch.context() as patch, pytest.raises(SearchBrokenError, match=r"No space left .* kevo resume"):
        patch.setattr(Path, "replace", full)
        search(tmp_path, Diary(), max_trials=1)
    assert trial_reader.read_trials(Run.open(tmp_path / "run")) == [] and workers(os.getpid()) == []


@pytest.mark.long
def test_workers_end_with_a_search_that_is_killed_and_it_goes_on(tmp_path: Path) -> None:
    script = """
        import sys, dataclasses
        sys.path.insert(0, sys.argv[1])
        import kevo
        from tests.support.samples import stripes
        from tests.kevo.execution.test_local_workers import SMALL
        kevo.search(stripes(120), dataclasses.replace(SMALL, max_trials=2), out=sys.argv[2])
    """
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", "\n".join(line[8:] for line in script.splitlines()), str(root)]
    search = subprocess.Popen([*command, str(tmp_path / "run")], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    trials = tmp_path / "run" / "trials.jsonl"
    until = time.monotonic() + 120
    while not (trials.exists() and trials.read_text().count("\n")) and time.monotonic() < until:
        time.sleep(0.05)
    mine = workers(search.pid)
    # Also one that stands still.
    os.kill(mine[0], signal.SIGSTOP)
    search.kill()
    search.wait()
    assert mine and len(trial_reader.read_trials(Run.open(tmp_path / "run"))) >= 1
    while set(workers()) & set(mine) and time.monotonic() < until:
        time.sleep(0.05)
    assert not set(workers()) & set(mine)
    before = trial_reader.read_trials(Run.open(tmp_path / "run"))
    diary = Diary()
    result = kevo.resume(tmp_path / "run", stripes(120), listener=diary)
    assert result.model_path.is_file() and trial_reader.read_trials(Run.open(tmp_path / "run"))[: len(before)] == before
    assert len(before) + len(diary.records) == 3
