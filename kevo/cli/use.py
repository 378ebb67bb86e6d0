"""Commands that use a saved model: score it, and predict new examples."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from kevo.cli.console import FAILED, format_json, user_errors
from kevo.errors import SettingsError
from kevo.runs import layout
from kevo.system.quiet import quiet_tensorflow
from kevo.system.text import printable
from kevo.tasks.pages import Drawing
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.protocols.kind import AnyKind
from kevo.tasks.protocols.use import Predictor
from kevo.tasks.saved_model import kind_of_model

_LABELS = click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The names of the classes, in the order of the model's outputs: a .json list, or a text with one in each "
    f"line.  [default: {layout.LABELS} beside the model]",
)
_MODEL = click.argument("model", type=click.Path(path_type=Path))


@click.command()
@_MODEL
@click.argument("data")
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train", "all"]),
    help="Which examples of DATA to score.  [default: test, where there is such a split, otherwise all]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_LABELS
@click.option(
    "--confusion",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw the confusion matrix; of numbers, the predicted against the true ones.",
)
@click.option(
    "--roc",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw the ROC curve of two classes; of several, of each class against all others.",
)
def evaluate(
    model: Path,
    data: str,
    split: str | None,
    as_json: bool,
    labels: Path | None,
    confusion: Path | None,
    roc: Path | None,
) -> None:
    """Says how good MODEL is on DATA.

    MODEL is a run folder, or a .keras file: raw pixels 0-255, texts or columns of a table in, class probabilities out.
    DATA is given as for kevo search, and its classes are matched by name. Where DATA is divided, its test split is
    scored, and so is the one that the model's own search kept for its test; otherwise all of DATA is.
    """
    with user_errors():
        kind, predictor = _opened(model, labels)
        scored = predictor.evaluate(data, split=split)
        for skipped in scored.skipped:
            _step_over(skipped)
        if scored.is_familiar:
            these = f"{scored.num_familiar:,} of these" if scored.num_familiar else "such"
            click.echo(
                f"The model was trained or chosen with {these} {kind.examples}: on others it will do worse.", err=True
            )
        if confusion is not None:
            _draw(confusion, scored.drawing)
        if roc is not None:
            if scored.roc is None:
                raise SettingsError(
                    "There is no ROC curve of these answers. Expected classes, some of which some examples have and "
                    "others have not."
                )
            _draw(roc, scored.roc)
        if as_json:
            click.echo(format_json({"model": str(model), **scored.to_json()}))
            return
        for line in scored.lines():
            # Models, their class names and data may come from someone else: their words are not to move the cursor.
            click.echo(printable(line).rstrip())


@click.command()
@_MODEL
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each picture or row, a line each.")
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a table instead: a row for each picture or row, a column for each probability.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="Show the N likeliest classes.  [default: 1; with --json all]",
)
@click.option(
    "--grad-cam",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Draw there what in each picture speaks for its class: NAME-grad-cam.png.",
)
@click.option(
    "--masks",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write there the mask of each picture: NAME-mask.png.",
)
@_LABELS
def predict(
    model: Path,
    files: tuple[Path, ...],
    as_json: bool,
    table: Path | None,
    top: int | None,
    grad_cam: Path | None,
    masks: Path | None,
    labels: Path | None,
) -> None:
    """Says what MODEL makes of FILES.

    MODEL is a run folder, or a .keras file: raw pixels 0-255, texts or columns of a table in, class probabilities out.
    FILES are pictures, and folders of pictures at any depth; .csv files, where MODEL takes tables; .csv, .tsv, .jsonl
    and .txt files, where it takes texts; .csv files of the past, where it forecasts a series. Each picture, row or text
    has a line: classes with their probabilities, the likeliest first, and the path; each value that is forecast has one
    with its time. A file that cannot be read is named and stepped over; where none can be, the exit code is 1.
    """
    with user_errors():
        kind, predictor = _opened(model, labels)
        if table is not None and (as_json or top is not None):
            raise SettingsError("A table has a column for each probability. Leave out --json and --top.")
        num_read = 0
        rows = []
        names: set[str] = set()
        for prediction in predictor.predict(files, skip=_step_over, grad_cam=grad_cam):
            num_read += 1
            if masks is not None:
                prediction.write(masks, taken=names)
            if table is not None:
                rows.append(_row(prediction.to_json()))
                continue
            click.echo(json.dumps(prediction.to_json(top=top)) if as_json else printable(prediction.line(top=top or 1)))
        if not num_read:
            click.echo(f"Error: Not one {kind.example} could be read.", err=True)
            sys.exit(FAILED)
        if table is not None:
            _write_table(table, rows)


def _row(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a prediction as a row of a table; probabilities, and areas of masks, have a column each."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            letter = "p" if name == "probabilities" else name
            found |= {f"{letter}({one})": value[one] for one in sorted(value)}
        else:
            found[name] = "; ".join(value) if isinstance(value, list) else value
    return found


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows as CSV; texts that a spreadsheet would compute come with a quote before them."""
    import csv
    import io

    from kevo.runs.atomic_files import atomic_write_bytes

    content = io.StringIO(newline="")
    writer = csv.DictWriter(content, fieldnames=list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _plain(value) for name, value in row.items()})
    atomic_write_bytes(path, content.getvalue().encode())


def _plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _opened(model: Path, labels: Path | None) -> tuple[AnyKind, Predictor]:
    kind = kind_of_model(model)
    with quiet_tensorflow():
        return kind, kind.predictor(model, labels=labels, note=_note)


def _note(text: str) -> None:
    click.echo(printable(text), err=True)


def _step_over(skipped: Skipped) -> None:
    _note(f"Skipped: {skipped.path} {skipped.reason}.")


def _draw(path: Path, drawing: Drawing) -> None:
    import io

    from kevo.report.plots import task_figure
    from kevo.runs.atomic_files import atomic_write_bytes

    content = io.BytesIO()
    figure = task_figure(drawing)
    figure.savefig(content, format="png")
    atomic_write_bytes(path, content.getvalue())
