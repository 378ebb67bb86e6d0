"""Small searches and who listens to them, shared by the tests."""

import dataclasses
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import kevo
from kevo.progress import SearchStarted
from kevo.runs.records import TrialRecord
from tests.support.project import ROOT
from tests.support.samples import CONV_GENOME

TINY = dataclasses.replace(
    kevo.PRESETS["small"],
    families=("conv",),
    conv_image_sizes=(16,),
    num_blocks=(1, 2),
    filters=(4, 8, 16),
    num_dense=(0,),
    learning_rate=(3e-3, 3e-2),
    sgd_learning_rate=(3e-2, 3e-1),
    batch_sizes=(16,),
)
SETTINGS = kevo.Settings(
    max_trials=3, epochs=3, final_epochs=6, num_finalists=2, population=2, space=TINY, workers=0, seed=0
)
RUNGS = dataclasses.replace(SETTINGS, max_trials=6, num_finalists=1, num_rungs=2)
HEIRS = dataclasses.replace(
    SETTINGS, max_trials=9, epochs=6, final_epochs=8, num_finalists=1, population=3, inherit=True
)

PAUSED = TrialRecord(
    number=0,
    trial_id="0",
    generation=0,
    genome=dict(CONV_GENOME),
    status="completed",
    fitness=0.5,
    metrics={"val_accuracy": 0.5, "val_cross_entropy": 1.0},
    history=[{"val_accuracy": 0.5, "val_cross_entropy": 1.0}],
    stages=["train"],
    num_epochs=1,
    seconds=2.0,
    num_parameters=100,
    finished_at=2.0,
    is_paused=True,
)


def record(trial_id: str, accuracy: float, **changes: object) -> TrialRecord:
    """A candidate that has paused with this accuracy, unless changes say otherwise."""
    metrics = {"val_accuracy": accuracy, "val_cross_entropy": 1.0}
    return dataclasses.replace(PAUSED, **{"trial_id": trial_id, "fitness": accuracy, "metrics": metrics, **changes})


ENDED = {"is_paused": False, "num_epochs": 7, "seconds": 75.0, "num_parameters": 410208}
HOSTILE = "out of \x1b]0;memory\x07\nin \u202e[red]words"


def failed(number: int) -> TrialRecord:
    """A candidate that has failed, for a reason that would do something to a terminal."""
    values = {"metrics": {}, "history": [], "stages": [], "fitness": None, "status": "failed", "reason": HOSTILE}
    return record(str(number), 0.0, **{**ENDED, **values, "number": number, "num_parameters": None})


class Diary:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.openings: list[SearchStarted] = []
        self.notes: list[str] = []
        self.phases: list[str] = []
        self.num_skipped: Counter[tuple[str, str]] = Counter()
        self.started: list[str] = []
        self.records: list[TrialRecord] = []
        self.bests: list[TrialRecord | None] = []
        self.lost: list[tuple[int, str]] = []

    def search_started(self, opening: SearchStarted) -> None:
        self.openings.append(opening)

    def phase_began(self, phase: str, words: str) -> None:
        if phase not in self.phases[-1:]:
            self.phases.append(phase)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def skipped(self, what: str, reason: str, num: int) -> None:
        self.num_skipped[what, reason] += num

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        self.started.append(words)

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None: ...

    def trial_lost(self, number: int, reason: str) -> None:
        self.lost.append((number, reason))

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        self.records.append(record)
        self.bests.append(best)

    def closed(self) -> None: ...


def killed(run: Path, settings: str, *, number: int, after: int, data: str = "") -> None:
    """Searches and is killed when candidate `number` has trained that many epochs: from within, to hit the instant.

    What is searched are stripes, where no data are named.
    """
    script = """
        import os, signal, sys
        run, root, settings, number, after, data = sys.argv[1:]
        sys.path.insert(0, root)
        import kevo
        from tests.support import searches
        from tests.support.samples import stripes
        class Killer(searches.Diary):
            def progress(self, candidate, stage, done, total, metrics):
                if len(self.started) == int(number) and done > int(after):
                    os.kill(os.getpid(), signal.SIGKILL)
        kevo.search(data or stripes(240), getattr(searches, settings), out=run, listener=Killer())
    """
    arguments = [str(run), str(ROOT), settings, str(number), str(after), data]
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
