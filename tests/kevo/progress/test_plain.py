"""What a person sees of a search where there is no terminal, and numbers in words."""

import io
from pathlib import Path

import numpy as np
import pytest

from kevo.objective import Objective
from kevo.progress import SearchStarted, count, duration, for_stderr, front_in_words, printable
from kevo.progress.plain import Plain
from kevo.result import FrontMember, SearchResult
from kevo.tasks.outputs.classes import evaluation
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from tests.support.searches import ENDED, SETTINGS, failed, record


def tell(stream: io.StringIO) -> None:
    with Plain(stream, OBJECTIVES["accuracy"]) as plain:
        plain.search_started(SearchStarted(run_folder=Path("run"), settings=SETTINGS, devices="1 worker", seconds=0.0))
        plain.note("2 classes [not markup]")
        plain.skipped("pictures", "cannot be read", 3)
        plain.trial_started(0, "conv stack [8x3x3]", 90.0, "worker-0")
        plain.progress(0, "train", 1.5, 20, {"accuracy": 0.5})
        plain.trial_ended(first := record("0", 0.875, **ENDED, number=0), first)
        plain.trial_ended(failed(1), first)
        plain.trial_lost(2, "killed")
        plain.trial_ended(record("2", 0.75, **ENDED, number=2, full_length=True), first)
        plain.closed()


def test_plain_lines_where_there_is_no_terminal() -> None:
    output = io.StringIO()
    tell(output)
    assert output.getvalue().splitlines() == [
        "run: 1 worker",
        "2 classes [not markup]",
        "   1  accuracy 0.8750  410k parameters  7 epochs  1 min 15 s  best so far",
        "   2  failed after 1 min 15 s: out of ?]0;memory? in ?[red]words",
        "   3  lost: killed",
        "   3 full  accuracy 0.7500  410k parameters  7 epochs  1 min 15 s  best 0.8750",
    ]


def test_a_log_that_cannot_be_written_ends_no_search() -> None:
    try:
        full = open("/dev/full", "w")  # noqa: SIM115
    except OSError:
        pytest.skip("/dev/full is missing")
    tell(full)
    with pytest.raises(OSError, match="No space"):
        full.close()


def test_what_environment_variables_call_a_terminal_may_be_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    with (tmp_path / "log").open("w") as log:
        monkeypatch.setattr("sys.stderr", log)
        with for_stderr(OBJECTIVES["accuracy"]) as listener:
            listener.note("a line")
    assert (tmp_path / "log").read_text() == "a line\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("katze, 猫, gatto", "katze, 猫, gatto"),
        ("two\r\nlines\tand a \x00", "two  lines and a ?"),
        ("\x1b[2J\x9b2J\udc80\u2028", "?[2J?2J? "),
    ],
)
def test_only_what_can_be_printed_is(text: str, shown: str) -> None:
    assert printable(text) == shown


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
        "  checkpoints/7.keras  accuracy 0.9800, 20k parameters, 1 min 15 s, 2.5M FLOPs per prediction, "
        "120k bytes of the saved model",
        "  checkpoints/0-full.keras  accuracy 0.9000, 618 parameters, 4.0 s, 900 FLOPs per prediction, "
        "50k bytes of the saved model",
    ]
