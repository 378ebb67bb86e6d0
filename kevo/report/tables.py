"""Rows as a table: pandas' where that is installed, and otherwise a list that reads well."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from html import escape
from itertools import accumulate
from typing import Any

from kevo.system.text import shorten

_MOST_ROWS = 20
_MOST_LETTERS = 24
_WIDTH, _BETWEEN = 120, "  "


class Table(list[dict[str, Any]]):
    """Rows with the same columns.

    Example:
        >>> Table([{"trial": "0000", "fitness": 0.9378}, {"trial": "0001", "fitness": None}])
        trial  fitness
        0000   0.9378
        0001
    """

    def __repr__(self) -> str:
        rows = self._words()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        num = bisect_right(list(accumulate(width + len(_BETWEEN) for width in widths)), _WIDTH)
        lines = [_BETWEEN.join(map(str.ljust, row[:num], widths)).rstrip() for row in rows]
        return "\n".join([*lines, *self._rest(len(widths) - num)])

    def _repr_html_(self) -> str:
        head, *rows = self._words()
        lines = [_html("th", head), *(_html("td", row) for row in rows)]
        return f"<table>{''.join(lines)}</table>{''.join(f'<p>{line}</p>' for line in self._rest())}"

    def _words(self) -> list[list[str]]:
        names = list(dict.fromkeys(name for row in self for name in row))
        return [
            [_format_value(name) for name in names],
            *([_format_value(row.get(name)) for name in names] for row in self[:_MOST_ROWS]),
        ]

    def _rest(self, num_columns: int = 0) -> list[str]:
        nums = {"rows": len(self) - _MOST_ROWS, "columns": num_columns}
        hidden = " and ".join(f"{num} more {what}" for what, num in nums.items() if num > 0)
        return [f"... {hidden}"] if hidden else []


def table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Returns rows as a `pandas.DataFrame` if pandas is installed, and otherwise as a `Table`: a list of dicts.

    Args:
        rows: What a row lacks is empty in it.
    """
    try:
        import pandas
    except ImportError:
        return Table(map(dict, rows))
    return pandas.DataFrame(list(map(dict, rows)))


def _format_value(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else shorten(str(value), _MOST_LETTERS)


def _html(tag: str, words: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(word)}</{tag}>' for word in words)}</tr>"
