"""What a person sees of a search where there is no terminal."""

import io
from pathlib import Path

import pytest

from kevo.progress import SearchStarted, for_stderr
from kevo.progress.plain import Plain
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
