"""What a terminal is given, and numbers in a few characters."""

import sys
import unicodedata

import pytest

from kevo.system.text import byte_size, count, duration, metric_name, plural, printable, shorten

FAMILY = "\U0001f468\u200d\U0001f469"
PERSIAN = "\u0645\u06cc\u200c\u0631\u0648\u0645"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("katze, 猫, gatto", "katze, 猫, gatto"),
        ("two\r\nlines\tand a \x00", "two  lines and a ?"),
        ("\x1b[2J\x9b2J\udc80\u2028", "?[2J?2J? "),
        ("\x1b]0;title\x07\x1b[31mred\x1b[0m", "?]0;title??[31mred?[0m"),
        ("\x90\x98\x9d\x9e\x9f\x85\x7f\b", "????? ??"),
        ("\u202eevil\u202c \u2066in\u2069 \u200e\u200f\u061c", "?evil? ?in? ???"),
        ("a\u2029b\u00a0c\u3000d", "a b c d"),
        ("\ud83d\udc31", "??"),
        ("\ufeffbom\u00adsoft\u200bzero\u2060", "?bom?soft?zero?"),
        ("\ue000\uffff\U000e0041", "???"),
        (PERSIAN, PERSIAN),
        (FAMILY, FAMILY),
        ("ca\u200dt\u200c", "ca?t?"),
        ("\u200d猫\u200d\u200d猫\u200d", "?猫??猫?"),
    ],
)
def test_only_what_can_be_printed_is(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_nothing_that_a_terminal_obeys_is_left() -> None:
    for code in range(sys.maxunicode + 1):
        shown = printable(chr(code))
        assert unicodedata.category(shown)[0] not in "CZ" or shown == " ", hex(code)
        assert shown.encode()


def test_a_very_long_name_is_neither_cut_nor_slow() -> None:
    name = "\x1b[2J猫" * 200_000
    assert printable(name) == "?[2J猫" * 200_000
    assert printable(printable(name)) == printable(name)


def test_names_are_cut_to_what_fits() -> None:
    assert shorten("short", 5) == "short"
    assert shorten(" a \n b\x1b[31m ", 10) == "a b?[31m"
    assert shorten("x" * 1_000_000, 24) == "x" * 23 + "…"
    assert shorten("猫" * 30, 24) == "猫" * 23 + "…"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.97, "1 min 0 s"), (60, "1 min 0 s"), (3599, "59 min 59 s")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_counts() -> None:
    numbers = (0, 999, 1000, 999_499, 999_500, 25_600_000)
    assert [count(number) for number in numbers] == ["0", "999", "1k", "999k", "1.0M", "25.6M"]
    assert [plural(number, "worker") for number in (0, 1, 2, 12_345)] == [
        "0 workers",
        "1 worker",
        "2 workers",
        "12,345 workers",
    ]


@pytest.mark.parametrize(
    ("num_bytes", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (2.65e9, "2.6 GB"),
        (48.6e12, "48.6 TB"),
        (7e15, "7000.0 TB"),
    ],
)
def test_sizes_of_files_and_memory(num_bytes: float, words: str) -> None:
    assert byte_size(num_bytes) == words


def test_metrics_have_one_name() -> None:
    assert (
        metric_name("val_cross_entropy") == "cross entropy" and metric_name("accuracy", with_split=True) == "accuracy"
    )
    assert metric_name("val_macro_f1", with_split=True) == "validation macro F1"
