"""Text for people: sanitized, shortened, and numbers in a few characters."""

from __future__ import annotations

import re

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_TIMES = re.compile(r"(\d+(?:\.\d+)?)\s*([hms]?)\s*")
_INITIALS = frozenset({"f1", "mae", "mase", "rmse", "mse", "r2", "map", "iou"})
"""Names of metrics that are initials."""
_JOINERS = "\u200c\u200d"
"""Invisible, but some scripts and emoji need them between two characters."""


def printable(text: str) -> str:
    r"""Returns text in one line that a terminal, a log or a page shows and never obeys.

    White space becomes blanks. Anything else that is not visible becomes a question mark: escape sequences, C0 and C1
    controls, bidirectional overrides, zero-width characters, lone surrogates, unassigned code points. Zero-width
    joiners stay between two characters that are not ASCII, where they belong to the spelling.

    Args:
        text: Anything: names of files and classes, messages of errors.

    Example:
        >>> printable("cats\tand\x1b[2J dogs")
        'cats and?[2J dogs'
    """
    if text.isprintable():
        return text
    shown = "".join(
        letter if letter.isprintable() or letter in _JOINERS else " " if letter.isspace() else "?" for letter in text
    )
    # Padded, so that every joiner has two neighbors.
    padded = f" {shown} "
    return "".join(
        "?" if letter in _JOINERS and not _joins(padded[place], padded[place + 2]) else letter
        for place, letter in enumerate(shown)
    )


def _joins(before: str, after: str) -> bool:
    return all(not letter.isascii() and letter.isprintable() for letter in (before, after))


def shorten(text: str, longest: int) -> str:
    """Returns text in one line, sanitized, with single blanks between words, and cut to a number of characters.

    Args:
        text: Anything.
        longest: Characters at most, the ellipsis included.

    Example:
        >>> shorten("a very  long name", 10)
        'a very lo…'
    """
    words = " ".join(printable(text).split())
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def duration(seconds: float) -> str:
    """Returns a number of seconds in its two largest units.

    Example:
        >>> duration(3.21), duration(75), duration(7260)
        ('3.2 s', '1 min 15 s', '2 h 1 min')
    """
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def seconds_in(text: str) -> float:
    """Reads a length of time: numbers with `h`, `m` or `s` behind them, seconds without.

    Raises:
        ValueError: it is none.

    Example:
        >>> seconds_in("90"), seconds_in("15m"), seconds_in("1h30m")
        (90.0, 900.0, 5400.0)
    """
    parts = _TIMES.findall(text.strip().lower())
    if not parts or _TIMES.sub("", text.strip().lower()):
        raise ValueError(f"{text!r} is no length of time. Expected something like 90s, 10m or 1h30m.")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def count(number: int) -> str:
    """Returns a large number in few characters.

    Example:
        >>> count(950), count(410208), count(138357544)
        ('950', '410k', '138.4M')
    """
    if number < 1000:
        return str(number)
    # From here on thousands would be rounded to 1000k.
    return f"{number / 1000:.0f}k" if number < 999_500 else f"{number / 1_000_000:.1f}M"


def plural(number: int, noun: str) -> str:
    """Returns a number of things.

    Example:
        >>> plural(1, "model"), plural(2000, "model"), plural(2, "category")
        ('1 model', '2,000 models', '2 categories')
    """
    several = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else several}"


def byte_size(num_bytes: float) -> str:
    """Returns a number of bytes, in decimal units from kB on.

    Example:
        >>> byte_size(950), byte_size(63_000), byte_size(16.8e9)
        ('950 B', '63.0 kB', '16.8 GB')
    """
    size, unit = float(num_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if round(size, 1) < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"


def metric_name(metric: str, *, with_split: bool = False) -> str:
    """Returns a metric's name as people write it.

    Args:
        metric: Such as `val_macro_f1`.
        with_split: Says that a metric is measured on the validation split.

    Example:
        >>> metric_name("val_macro_f1"), metric_name("val_accuracy", with_split=True)
        ('macro F1', 'validation accuracy')
    """
    words = metric.removeprefix("val_").split("_")
    name = " ".join(word.upper() if word in _INITIALS else word for word in words)
    return f"validation {name}" if with_split and metric.startswith("val_") else name
