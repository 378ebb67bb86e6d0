"""The command that writes a model in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kevo.cli.console import format_json, user_errors
from kevo.export.formats import FORMATS, QUANTIZATIONS
from kevo.runs import layout
from kevo.system.quiet import quiet_tensorflow
from kevo.system.text import printable


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", type=click.Choice(list(FORMATS)), required=True, help="What to write.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help=f"Where to write it.  [default: in the folder {layout.EXPORTS} beside the model]",
)
@click.option(
    "--model",
    type=click.Choice(["best", "ensemble"]),
    default="best",
    show_default=True,
    help="Which model of the run folder.",
)
@click.option(
    "--quantize",
    type=click.Choice(list(QUANTIZATIONS)),
    default="none",
    show_default=True,
    help="Store numbers in eight bits; for tflite.",
)
@click.option(
    "--num-calibration",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="How many training examples to quantize by.",
)
@click.option(
    "--data",
    help="Pictures to compare on, as for kevo search.  [default: those of the search, or else random pixels]",
)
def export(run: Path, **options: Any) -> None:
    """Writes the model in the run folder RUN, or in the .keras file RUN, in another format.

    Every format takes raw RGB pixels 0-255 (float32, channels last) and returns class probabilities, in the order of
    the labels.json that is written beside it. savedmodel and onnx take pictures of any size, tflite one picture of the
    network's own size.

    The export is run and compared with the Keras model before it is handed over. No probability may differ by more
    than 0.001; with --quantize int8 the accuracy on the test pictures may be lower by 0.02 at most instead. Otherwise
    it is removed, and the exit code is 1. Its size in bytes, its latency in seconds for one picture, and what was
    compared are printed as one JSON object.
    """
    with user_errors():
        with quiet_tensorflow():
            from kevo.export import export as exporting

            exported = exporting(run, **options)
        for note in exported.notes:
            click.echo(printable(note), err=True)
        click.echo(format_json(exported.to_json()))
