"""What a person sees of a search on a terminal."""

import contextlib
import dataclasses
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from kevo.progress import SearchStarted
from kevo.progress.board import Board
from kevo.progress.live import Live
from kevo.progress.panel import Paper, draw, ended
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from tests.support.samples import CONV_GENOME, pretrained_genome
from tests.support.searches import ENDED, HOSTILE, SETTINGS, failed, record

ACCURACY = OBJECTIVES["accuracy"]
OPENING = SearchStarted(
    run_folder=Path("kevo-runs/digits"),
    settings=dataclasses.replace(SETTINGS, max_trials=40, max_time=240.0, population=4),
    devices="2 workers on the CPU, no strategy",
    seconds=3.0,
)


@pytest.fixture
def board() -> Board:
    """A search in which 6 candidates have ended and 2 are trained, after a minute."""
    now = [0.0]
    one = Board(ACCURACY, clock=lambda: now[0])
    one.search_started(OPENING)
    best = None
    for number, accuracy in enumerate((0.5, 0.8, 0.7, 0.9, 0.85)):
        now[0] += 10.0
        one.trial_started(number, "conv stack", None, "worker-0")
        genome = pretrained_genome("mobilenet_v2", "out_relu") if number == 3 else dict(CONV_GENOME)
        done = record(str(number), accuracy, **ENDED, number=number, finished_at=now[0] + 3.0, genome=genome)
        best = max(best or done, done, key=lambda each: each.fitness)
        one.trial_ended(done, best)
    one.trial_ended(failed(5), best)
    one.skipped("pictures", "cannot be read", 3)
    one.skipped("genomes", "too little time", 380)
    one.skipped("genomes", "too many parameters", 32)
    one.trial_started(6, "conv stack 64x3x3", None, "worker-0")
    one.progress(6, "train", 3.4, 20, {"accuracy": 0.921})
    one.trial_started(7, "a backbone", None, f"\x1b[2Jworker{'!' * 200}")
    one.progress(7, "features", 0.4, 1, {})
    now[0] += 7.0
    return one


def shown(board: Board, width: int, height: int, *, ascii_only: bool = False) -> list[str]:
    paper = Paper(width, height, ascii_only=ascii_only)
    return [line.plain for line in draw(board, paper, memory=[1_200_000_000, 900_000_000])]


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"loss": 0.5, "dice": 0.75, "val_dice": 0.25}, "dice 0.750"),
        ({"loss": 0.5, "val_mase": 0.25}, "loss 0.500"),
        ({"loss": 0.5, "binary_accuracy": 0.875}, "binary accuracy 0.875"),
    ],
)
def test_a_training_of_any_task_shows_its_score_or_its_loss(
    board: Board, metrics: dict[str, float], words: str
) -> None:
    board.progress(6, "train", 3.4, 20, metrics)
    assert f"epoch 4/20 {words} 7 s" in " ".join(shown(board, 100, 40)[7].split())


def test_a_look_at_a_search_tells_all_of_it(board: Board) -> None:
    lines = shown(board, 100, 40)
    assert lines[0].endswith(" 3 min 0 s left ──") and " digits " in lines[0]
    assert lines[1].startswith("best          accuracy 0.9000  candidate 4  mobilenet_v2")
    assert lines[2].startswith("accuracy ") and lines[2].endswith("  0.9000") and lines[4].endswith("  0.5000")
    assert lines[5].split(maxsplit=2)[2] == "0.9000 to 0.7000", "four breed"
    assert lines[6].split() == ["fccc", "c", "conv", "stack,", "f", "frozen", "backbone"]
    words = " ".join(lines[7].split())
    assert words == "7 ━━────────── train epoch 4/20 accuracy 0.921 7 s worker-0 conv stack 64x3x3"
    assert lines[8].split()[:6] == ["8", "━━━━────────", "features", "40%", "7", "s"]
    assert lines[9:] == [
        "candidates    5 completed, 1 failed, 40 at most",
        "last failure  6: out of ?]0;memory? in ?[red]words",
        "skipped       412 genomes (380 too little time, 32 too many parameters); 3 pictures (cannot be read)",
        "machine       1.2 + 0.9 GB of memory; 2 workers on the CPU, no strategy",
    ]


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("height", [1, 5, 10, 20, 50])
@pytest.mark.parametrize("width", [1, 15, 40, 60, 200])
def test_it_fits_any_terminal(board: Board, width: int, height: int, ascii_only: bool) -> None:
    lines = shown(board, width, height, ascii_only=ascii_only)
    assert all(cell_len(line) <= width for line in lines)
    assert 1 <= len(lines) <= max(3, 0.6 * height)
    assert all(line.isprintable() and (line.isascii() or not ascii_only) for line in lines)


def test_few_lines_tell_what_matters_most(board: Board) -> None:
    lines = shown(board, 60, 10)
    assert len(lines) == 6 and "3 min 0 s left" in lines[0]
    starts = [line.split()[0] for line in lines]
    assert starts == [lines[0].split()[0], "best", "population", "2", "candidates", "last"]
    # Of a terminal of 60 columns and 20 lines all but ornaments can be seen.
    starts = [line.split()[0] for line in shown(board, 60, 20)]
    assert starts[1:] == [
        "best",
        "accuracy",
        "population",
        "fccc",
        "7",
        "8",
        "candidates",
        "last",
        "skipped",
        "machine",
    ]


def test_what_goes_on_is_told_from_the_first_moment_to_the_last() -> None:
    one = Board(ACCURACY, clock=lambda: 0.0)
    assert shown(one, 60, 20)[0].endswith("reads the data ──")
    one.search_started(OPENING)
    assert "nothing trains: the search begins" in shown(one, 60, 20)[1]
    one.phase_began("probing", "looks at the data")
    assert "looks at the data, " in shown(one, 60, 20)[0] and "nothing trains: looks at" in shown(one, 60, 20)[1]
    one.trial_started(0, "conv stack", None, "worker-0")
    one.trial_lost(0, "killed")
    assert one.running == {}
    one.trial_started(0, "conv stack", None, "worker-0")
    one.closed()
    one.phase_began("scoring", "scores and saves the best")
    assert "scores and saves the best, 3 min 57 s left" in shown(one, 60, 20)[0] and one.running == {}


def test_a_search_that_is_taken_up_goes_on_where_it_was(board: Board) -> None:
    best, *others = board.population
    again = Board(ACCURACY)
    # One was continued after a pause, and one is a finalist's last training: neither is another candidate.
    longer = dataclasses.replace(others[0], trial_id="longer", continues=others[0].trial_id)
    last = dataclasses.replace(best, trial_id="3-full", full_length=True)
    again.search_started(dataclasses.replace(OPENING, records=(*others, best, longer, last, failed(9)), best=best))
    assert again.best is best and again.population[0] is best
    assert sorted(one.trial_id for one in again.population) == sorted(
        ["3", "longer", *(o.trial_id for o in others[1:])]
    )
    assert (again.num_completed, again.num_failed) == (5, 1)
    assert [score for _, score in again.bests] == [0.85, 0.9]


def test_a_loss_is_better_when_it_is_lower() -> None:
    one = Board(OBJECTIVES["loss"])
    one.search_started(OPENING)
    for number, loss in enumerate((0.9, 0.4, 0.6)):
        done = record(
            str(number),
            loss,
            number=number,
            metrics={"val_cross_entropy": loss, "val_accuracy": 0.5},
            finished_at=float(number),
        )
        best = done if one.best is None or loss < (one.best.fitness or 0.0) else one.best
        one.trial_ended(done, best)
    assert [record.fitness for record in one.population] == [0.4, 0.6, 0.9]
    assert [score for _, score in one.bests] == [0.9, 0.4]
    (line,) = [line for line in shown(one, 60, 20) if line.startswith("population")]
    assert line.split()[1] in ("█▅▁", "█▄▁")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_what_ended_is_told_in_one_line(width: int) -> None:
    one, board = record("11", 0.875, **ENDED, number=11), Board(ACCURACY)
    board.search_started(SearchStarted(run_folder=Path("pets"), settings=SETTINGS, devices="", seconds=0.0))
    line = ended(one, one, board, Paper(width, 24)).plain
    assert line.startswith("  12  ") and (width == 20 or "accuracy 0.8750" in line) and cell_len(line) <= max(width, 21)
    assert ("conv stack" in line) == (width == 120)
    assert ("\x1b" in ended(failed(1), one, board, Paper(width, 24)).plain) is False


class Terminal:
    """A terminal of some size, and what was written to it."""

    def __init__(self, width: int, height: int) -> None:
        self._ours, theirs = pty.openpty()
        self._theirs = theirs
        self.resize(width, height)
        self.file = os.fdopen(theirs, "w", encoding="utf-8")
        self.written = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def _read(self) -> None:
        try:
            while data := os.read(self._ours, 65536):
                self.written += data
        except OSError:
            pass

    @property
    def text(self) -> str:
        return self.written.decode(errors="replace")

    def close(self) -> None:
        self.file.close()
        self._reader.join()
        os.close(self._ours)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    one = Terminal(60, 20)
    yield one
    one.close()


def eventually(happens: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.02)


def watch(terminal: Terminal) -> None:
    """Shows a short search whose every word is hostile."""
    with Live(Console(file=terminal.file), ACCURACY) as live:
        live.search_started(OPENING)
        live.note(f"2 classes {HOSTILE}")
        live.trial_started(0, HOSTILE, 90.0, HOSTILE)
        live.progress(0, HOSTILE, 1.5, 20, {"accuracy": 0.5})
        eventually(lambda: "epoch 2/20" in terminal.text)
        live.trial_ended(first := record("0", 0.875, **ENDED, number=0), first)
        live.trial_ended(failed(1), first)
        live.trial_lost(2, HOSTILE)
        eventually(lambda: "lost" in terminal.text)
        terminal.resize(40, 20)
        eventually(lambda: "digits" in terminal.text.rpartition("lost")[2])
        live.closed()
    eventually(lambda: terminal.text.count("\x1b[?25h") == terminal.text.count("\x1b[?25l"))


def test_hostile_words_stay_words(terminal: Terminal) -> None:
    watch(terminal)
    # Colors, and what moves the cursor and erases lines; nothing that came with the words.
    obeyed = set(re.findall(r"\x1b(?:\[[0-9;?]*[A-Za-z]|.)", terminal.text))
    assert {code[-1] for code in obeyed} <= set("mAKhl") and "\x07" not in terminal.text
    assert "?]0;memory? in ?[red]words" in terminal.text
    assert terminal.text.count("\x1b[?25h") == terminal.text.count("\x1b[?25l") > 0, "the cursor is back"


def test_no_color_where_it_is_not_wanted(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    watch(terminal)
    codes = set(re.findall(r"\x1b\[([0-9;]*)m", terminal.text))
    assert codes and not any(30 <= int(part) <= 107 for code in codes for part in code.split(";") if part)


def test_who_tells_never_waits_for_the_terminal() -> None:
    class Stopped(io.StringIO):
        """Takes nothing more, as after Ctrl-S."""

        goes_on = threading.Event()

        def write(self, text: str) -> int:
            self.goes_on.wait()
            return super().write(text)

    console = Console(file=Stopped(), force_terminal=True, width=60, height=20)
    Stopped.goes_on.set()
    with Live(console, ACCURACY) as live:
        live.search_started(OPENING)
        Stopped.goes_on.clear()
        for number in range(50):
            live.trial_started(number, "conv stack", None, "worker-0")
            live.progress(number, "train", 1.5, 20, {"accuracy": 0.5})
            one = record(str(number), 0.5, **ENDED, number=number)
            live.trial_ended(one, one)
        Stopped.goes_on.set()
    assert console.file.getvalue().count("best so far") == 50


def test_a_terminal_that_has_gone_ends_no_search() -> None:
    terminal = Terminal(60, 20)
    with Live(Console(file=terminal.file), ACCURACY) as live:
        live.search_started(OPENING)
        eventually(lambda: "digits" in terminal.text)
        os.close(terminal._ours)
        told = []

        def view_has_given_up() -> bool:
            told.append(one := record(str(len(told)), 0.5, **ENDED, number=len(told)))
            live.trial_ended(one, one)
            return all(thread.name != "live view" for thread in threading.enumerate())

        eventually(view_has_given_up)
        live.note("the search goes on")
    assert live._board.num_completed == len(told)
    assert "the search goes on" not in terminal.text
    with pytest.raises(OSError, match="Input/output error"):
        os.write(terminal._theirs, b"more")
    with contextlib.suppress(OSError):
        terminal.file.close()


def test_the_command_says_nothing_but_its_own_words() -> None:
    script = """
        import os, sys
        from kevo.system.quiet import quiet_natives
        with quiet_natives():
            os.write(2, b"a driver's noise")
            print("an error", file=sys.stderr)
        os.write(2, b"at last")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("an error\nat last", 0)
