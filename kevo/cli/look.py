"""Commands that look at a search or a machine, or end a search."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kevo.cli.console import format_json, user_errors
from kevo.cli.options import CLUSTER
from kevo.errors import SearchFailedError
from kevo.system.quiet import quiet_tensorflow
from kevo.system.text import byte_size, count, printable
from kevo.tasks.registry import input_kinds


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(run: Path, as_json: bool) -> None:
    """Says how the search in the run folder RUN is doing."""
    with user_errors():
        from kevo.runs.status import describe_status, read

        found = read(run)
        if as_json:
            click.echo(format_json(found.to_json()))
            return
        for line in describe_status(found):
            # A run folder may come from someone else: its words are not to move the cursor.
            click.echo(printable(line))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="kevo-runs")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each run, a line each.")
def runs(folder: Path, as_json: bool) -> None:
    """Lists the searches in FOLDER, the newest first; by default those in kevo-runs."""
    with user_errors():
        from kevo.runs import listing

        rows = listing.read(folder)
        for line in (json.dumps(row.to_json()) for row in rows) if as_json else listing.lines(rows):
            click.echo(printable(line))


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--wait", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds until it must have ended."
)
def stop(run: Path, wait: float) -> None:
    """Ends the search in the run folder RUN as Ctrl-C does, with the best so far."""
    with user_errors():
        from kevo.runs import stop_request
        from kevo.runs.folder import Run

        if not stop_request.send(Run.open(run), wait=wait):
            raise SearchFailedError(f"The search in {run} was asked to stop, and is still at work after {wait:g} s.")
        click.echo(f"The search in {run} has ended. See: kevo status {run}")


@click.command()
@CLUSTER
def doctor(cluster: str | None) -> None:
    """Says what kevo finds on this machine: versions, devices, memory; with --cluster, on the machines of a cluster."""
    with user_errors(), quiet_tensorflow():
        from kevo.cli.doctor import cluster_findings, findings

        found = list(findings() if cluster is None else cluster_findings(cluster))
    for what, value in found:
        click.echo(printable(f"{what:<18}{value}"))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each backbone, a line each.")
def backbones(as_json: bool) -> None:
    """Lists the pretrained backbones: size, accuracy on ImageNet, what is downloaded, widths and cut points."""
    found = [one for kind in input_kinds() for one in kind.pretrained()]
    for one in found:
        if as_json:
            click.echo(json.dumps(one.to_json()))
            continue
        there = "downloaded" if one.is_cached else f"{byte_size(one.num_bytes)} to download"
        click.echo(f"{one.name}: {count(one.num_parameters)} parameters, ImageNet top-1 {one.top_1:.1f} %, {there}")
        widths = f", alpha {', '.join(f'{width:g}' for width in one.widths)}" if one.widths else ""
        click.echo(f"  from {one.min_size} px{widths}")
        click.echo(f"  cut points {', '.join(one.cut_points)}")
