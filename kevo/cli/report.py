"""The command that writes a search down for people to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from kevo.cli.console import user_errors
from kevo.errors import SearchFailedError
from kevo.runs import layout
from kevo.system.text import printable


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help=f"The page.  [default: {layout.REPORT} in RUN]")
@click.option("--data", help="Where the pictures are now, if not where they were; as for kevo search.")
@click.option(
    "--figures", type=click.Path(path_type=Path), metavar="FOLDER", help="Write the figures there, instead of a page."
)
@click.option(
    "--format",
    type=click.Choice(["png", "svg"]),
    default="png",
    show_default=True,
    help="The kind of figures that --figures writes.",
)
def report(run: Path, out: Path | None, data: str | None, figures: Path | None, format: Literal["png", "svg"]) -> None:
    """Writes the search in the run folder RUN as one HTML page, also while it runs, and prints where it is.

    The page stands alone: it needs no network, and holds the pictures that the model was most confidently wrong about.
    """
    if figures is not None and (out is not None or data is not None):
        raise click.UsageError("--figures writes figures and no page: --out and --data do not go with it.")
    with user_errors():
        from kevo.report.files import save_figures, write

        if figures is None:
            click.echo(write(run, out, data=data))
            return
        paths, failures = save_figures(run, figures, format=format)
        for path in paths:
            click.echo(path)
        for failure in failures:
            click.echo(printable(f"Not drawn: {failure}"), err=True)
        if not paths:
            raise SearchFailedError(f"There is nothing to draw in {run} yet: no candidate has ended.")
