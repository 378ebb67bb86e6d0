"""The command that compares searches."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kevo.cli.console import format_json, user_errors
from kevo.system.quiet import quiet_tensorflow
from kevo.system.text import printable

if TYPE_CHECKING:
    from rich.table import Table

    from kevo.report.comparison import Comparison, Row

_WIDTH = 80
_MOST_COLUMNS = 3
"""More runs do not fit side by side."""


@click.command()
@click.argument("runs", metavar="RUN RUN...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--all", "everything", is_flag=True, help="Show what is equal too.")
@click.option("--data", help="Where the pictures are now, if not where they were; as for kevo search.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with all rows.")
def compare(runs: tuple[Path, ...], everything: bool, data: str | None, as_json: bool) -> None:
    """Lists the differences between searches: settings, space, budget and outcome.

    Where two models were tested on the same pictures, McNemar's exact test says whether one is better by more than
    chance; for that the pictures are read again.
    """
    if len(runs) < 2:
        raise click.UsageError("Name two runs at least.")
    with user_errors():
        with quiet_tensorflow():
            from kevo.report import comparison

            found = comparison.compare(runs, data=data)
        if as_json:
            click.echo(format_json(found.to_json()))
        else:
            _show(found, everything)


def _show(found: Comparison, everything: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    width = shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    rows = [row for row in found.rows if everything or not row.is_equal]
    with console.capture() as capture:
        for place, run in enumerate(found.runs, start=1):
            console.print(Text(f"{place}  {printable(run)}", overflow="fold"))
        for group, members in groupby(rows, key=lambda row: row.group):
            console.print("", _table(group, list(members), len(found.runs)), sep="\n")
        console.print()
        for line in _lines(found, len(found.rows) - len(rows)):
            console.print(Text(printable(line), overflow="fold"))
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def _table(group: str, rows: list[Row], num_runs: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    def cell(words: str) -> Text:
        return Text(printable(words), overflow="fold")

    table = Table(box=None, pad_edge=False, expand=False, header_style=None)
    table.add_column(group.upper(), min_width=12, max_width=20)
    if num_runs <= _MOST_COLUMNS:
        for place in range(num_runs):
            table.add_column(str(place + 1))
        for row in rows:
            table.add_row(cell(row.name), *map(cell, row.words))
    else:
        table.add_column("")
        table.add_column("")
        for row in rows:
            for place, words in enumerate(row.words):
                table.add_row(cell(row.name if place == 0 else ""), str(place + 1), cell(words))
    return table


def _lines(found: Comparison, num_equal: int) -> Iterator[str]:
    yield from (verdict.words for verdict in found.verdicts)
    yield from found.notes
    yield from (f"Left out {folder}: {reason}" for folder, reason in found.refused.items())
    if num_equal:
        yield f"{num_equal} more rows are equal; --all shows them."
