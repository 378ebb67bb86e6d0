"""Markdown in which names that come from anywhere are nothing but names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from kevo.system.text import printable

_UNSAFE = "`|\\"
"""What ends a code span or a table's cell, and what escapes it."""


def code(text: str) -> str:
    r"""Returns text as a code span, in which no Markdown, HTML or link means anything.

    What would end the span, cannot be seen or turns the direction of reading is written as JSON escapes it.

    Example:
        >>> print(code("<b>cats</b>"), code("a|b`c"), code(" "))
        `<b>cats</b>` `a\u007cb\u0060c` `" "`
    """
    shown = "".join(_escaped(letter) if _is_unsafe(letter) else letter for letter in text)
    return f"`{shown}`" if shown == shown.strip() and shown else f'`"{shown}"`'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table. The first column is text, the others are numbers, to the right.

    Args:
        head: The columns' names.
        rows: The cells, in Markdown; no cell holds a line break or a bar.

    Example:
        >>> print(table(["class", "recall"], [["`cat`", "0.5"]]))
        | class | recall |
        | :-- | --: |
        | `cat` | 0.5 |
    """
    rules = [":--", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rules, *rows))


def _is_unsafe(letter: str) -> bool:
    return letter in _UNSAFE or printable(letter) != letter


def _escaped(letter: str) -> str:
    return json.dumps(letter)[1:-1] if letter not in _UNSAFE else f"\\u{ord(letter):04x}"
