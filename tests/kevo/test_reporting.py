"""What a person sees while a search runs."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from kevo import evaluation
from kevo.objectives import OBJECTIVES, Objective
from kevo.reporting import Live, count, duration, front_in_words
from kevo.results import FrontMember, SearchResult
from kevo.runs import TrialRecord


def record(number: int, fitness: float | None, **changes: object) -> TrialRecord:
    values: dict[str, object] = {
        "number": number,
        "trial_id": f"{number:04}",
        "generation": 0,
        "genome": {"family": "conv"},
        "status": "completed" if fitness is not None else "failed",
        "fitness": fitness,
        "num_epochs": 7,
        "seconds": 75.0,
        "num_parameters": 410208,
        "reason": None if fitness is not None else "out of memory",
        "finished_at": 100.0,
    }
    return TrialRecord(**{**values, **changes})


def tell(*, terminal: bool) -> str:
    output = io.StringIO()
    live = Live(Console(file=output, force_terminal=terminal, width=120), OBJECTIVES["accuracy"])
    live.note("2 classes [not markup]")
    live.trial_started(0, "conv stack [8x3x3]", 90.0, "worker-0")
    live.progress(0, "train", 1.5, 20, {"accuracy": 0.5})
    time.sleep(0.3)  # The bar is drawn ten times a second.
    live.trial_ended(first := record(0, 0.875), first)
    live.trial_started(1, "conv stack", 60.0, "worker-0")
    live.trial_ended(record(1, None), first)
    live.trial_started(2, "conv stack", None, "worker-0")
    live.trial_lost(2, "killed")
    live.trial_started(2, "conv stack", None, "worker-0")
    live.trial_ended(record(2, 0.75, full_length=True), first)
    live.closed()
    return output.getvalue()


def test_plain_lines_where_there_is_no_terminal() -> None:
    assert [line.rstrip() for line in tell(terminal=False).splitlines()] == [
        "2 classes [not markup]",
        "   1  accuracy 0.8750  410k parameters  7 epochs  1 min 15 s  best so far",
        "   2  failed after 1 min 15 s: out of memory",
        "   3  lost: killed",
        "   3 full  accuracy 0.7500  410k parameters  7 epochs  1 min 15 s  best 0.8750",
    ]


def test_a_terminal_shows_a_bar_and_the_time_left() -> None:
    shown = tell(terminal=True)
    assert "epoch 2/20" in shown
    assert "1 min 30 s left" in shown
    assert "conv stack [8x3x3]" in shown


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (3599, "59 min 59 s")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_counts() -> None:
    assert [count(number) for number in (0, 999, 1000, 999_499, 25_600_000)] == ["0", "999", "1k", "999k", "25.6M"]


def test_the_front_in_words() -> None:
    def member(trial_id: str, **metrics: float) -> FrontMember:
        return FrontMember(trial_id, {}, "", metrics, Path("run", "checkpoints", f"{trial_id}.keras"))

    names = ("params", "seconds", "flops", "bytes")
    scores = evaluation.evaluate(np.eye(2), np.arange(2), class_names=["cat", "dog"])
    result = SearchResult(
        run_folder=Path("run"),
        model_path=Path("run", "best.keras"),
        genome={},
        words="",
        num_parameters=20_010,
        validation=scores,
        test=scores,
        trials_completed=8,
        trials_failed=0,
        seconds=100.0,
        interrupted=False,
        front=(
            member("7", val_accuracy=0.98, params=20_010.0, seconds=75.0, flops=2.5e6, bytes=120_000.0),
            member("0-full", val_accuracy=0.9, params=618.0, seconds=4.0, flops=900.0, bytes=50_000.0),
        ),
        hypervolume=0.91234,
    )
    assert list(front_in_words(result, [OBJECTIVES["accuracy"], *(Objective(name, "min") for name in names)])) == [
        "Front: 2 models that no other beats in everything, hypervolume 0.9123",
        "  checkpoints/7.keras  accuracy 0.9800, 20k parameters, 1 min 15 s, 2.5M FLOPs per picture, "
        "120k bytes of the saved model",
        "  checkpoints/0-full.keras  accuracy 0.9000, 618 parameters, 4.0 s, 900 FLOPs per picture, "
        "50k bytes of the saved model",
    ]
