"""Commands that use a saved model: score it, and predict new pictures."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kevo.cli.console import FAILED, quiet_tensorflow, user_errors
from kevo.runs import layout
from kevo.system.text import printable

if TYPE_CHECKING:
    from kevo.tasks.images.classifier import Classifier, Prediction, Scored
    from kevo.tasks.images.datasets import Skipped

_LABELS = click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The names of the classes, in the order of the model's outputs: a .json list, or a text with one in each "
    f"line.  [default: {layout.LABELS} beside the model]",
)
_MODEL = click.argument("model", type=click.Path(path_type=Path))
_MOST_CLASSES = 12
"""How many classes a confusion matrix in letters may have."""


@click.command()
@_MODEL
@click.argument("data")
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train", "all"]),
    help="Which pictures of DATA to score.  [default: test, where there is such a split, otherwise all]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_LABELS
@click.option("--confusion", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw the confusion matrix.")
def evaluate(
    model: Path, data: str, split: str | None, as_json: bool, labels: Path | None, confusion: Path | None
) -> None:
    """Says how good MODEL is on the pictures DATA.

    MODEL is a run folder, or a .keras file: raw pixels 0-255 in, class probabilities out. DATA is given as for kevo
    search, and its classes are matched by name. Where DATA is divided, its test pictures are scored, and so are those
    that the model's own search kept for its test; otherwise all pictures are.
    """
    with user_errors():
        classifier = _opened(model, labels)
        scored = classifier.evaluate(data, split=split)
        for skipped in scored.skipped:
            _step_over(skipped)
        if scored.is_familiar:
            click.echo("The model was trained or chosen with such pictures: on others it will do worse.", err=True)
        if confusion is not None:
            _draw(confusion, scored)
        if as_json:
            click.echo(json.dumps(_as_json(scored, model), indent=2))
            return
        for line in _describe_scores(scored):
            # Models, their class names and pictures may come from someone else: their words are not to move the cursor.
            click.echo(printable(line).rstrip())


@click.command()
@_MODEL
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each picture, a line each.")
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
@_LABELS
def predict(
    model: Path, files: tuple[Path, ...], as_json: bool, top: int | None, grad_cam: Path | None, labels: Path | None
) -> None:
    """Says what MODEL sees in the pictures FILES.

    MODEL is a run folder, or a .keras file: raw pixels 0-255 in, class probabilities out. FILES are pictures, and
    folders of pictures at any depth. Each picture has a line: classes with their probabilities, the likeliest first,
    and its path. A file that cannot be read is named and stepped over; where none can be, the exit code is 1.
    """
    with user_errors():
        classifier = _opened(model, labels)
        num_read = 0
        for prediction in classifier.predict(files, skip=_step_over, grad_cam=grad_cam):
            num_read += 1
            click.echo(_as_json_line(prediction, top) if as_json else _as_line(prediction, top or 1, classifier))
        if not num_read:
            click.echo("Error: Not one picture could be read.", err=True)
            sys.exit(FAILED)


def _opened(model: Path, labels: Path | None) -> Classifier:
    with quiet_tensorflow():
        from kevo.tasks.images.classifier import Classifier

        return Classifier.open(model, labels=labels)


def _step_over(skipped: Skipped) -> None:
    click.echo(printable(f"Skipped: {skipped.path} {skipped.reason}."), err=True)


def _as_line(prediction: Prediction, top: int, classifier: Classifier) -> str:
    width = max(map(len, classifier.class_names))
    classes = [f"{name:<{width}} {value:.3f}" for name, value in list(prediction.probabilities.items())[:top]]
    return printable("  ".join([*classes, prediction.path]))


def _as_json_line(prediction: Prediction, top: int | None) -> str:
    values = {
        "path": prediction.path,
        "label": prediction.label,
        "probability": prediction.probability,
        "probabilities": dict(list(prediction.probabilities.items())[:top]),
    }
    return json.dumps(values if prediction.grad_cam is None else {**values, "grad_cam": str(prediction.grad_cam)})


def _as_json(scored: Scored, model: Path) -> dict[str, Any]:
    from dataclasses import asdict

    scores = scored.scores
    derived = ("balanced_accuracy", "macro_precision", "macro_recall", "f1", "sensitivity", "specificity", "interval")
    return {
        "model": str(model),
        "data": scored.data,
        "split": scored.split,
        "is_familiar": scored.is_familiar,
        **asdict(scores),
        **{name: getattr(scores, name) for name in derived},
        "skipped": [asdict(skipped) for skipped in scored.skipped],
    }


def _describe_scores(scored: Scored) -> Iterator[str]:
    scores, names = scored.scores, list(scored.scores.support)
    which = "all pictures" if scored.split == "all" else f"the {scored.split} split"
    yield f"{scored.data}, {which}: {scores.num_examples:,} pictures"
    yield ""
    low, high = scores.interval
    yield f"accuracy           {scores.accuracy:.3f}  (95 % interval {low:.3f} to {high:.3f})"
    yield f"balanced accuracy  {scores.balanced_accuracy:.3f}"
    yield f"macro precision    {scores.macro_precision:.3f}"
    yield f"macro recall       {scores.macro_recall:.3f}"
    yield f"macro F1           {scores.macro_f1:.3f}"
    yield f"cross-entropy      {scores.cross_entropy:.3f}"
    if len(names) == 2:
        negative, positive = names
        yield f"sensitivity        {_share(scores.sensitivity)}  (of {positive}, the positive class, found)"
        yield f"specificity        {_share(scores.specificity)}  (of {negative}, the negative class, found)"
    yield ""
    columns: Mapping[str, Sequence[str]] = {
        "pictures": [f"{scores.support[name]:,}" for name in names],
        "precision": [f"{scores.precision[name]:.3f}" for name in names],
        "recall": [f"{scores.recall[name]:.3f}" for name in names],
        "F1": [f"{scores.f1[name]:.3f}" for name in names],
    }
    yield from _table("class", names, columns)
    if len(names) <= _MOST_CLASSES:
        yield ""
        predicted = zip(*scores.confusion, strict=True)
        yield from _table(
            "true \\ predicted",
            names,
            {name: list(map(str, column)) for name, column in zip(names, predicted, strict=True)},
        )


def _table(corner: str, rows: Sequence[str], columns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    first = max(map(len, (corner, *rows)))
    widths = {title: max(map(len, (title, *cells))) for title, cells in columns.items()}
    yield "  ".join([f"{corner:<{first}}", *(f"{title:>{width}}" for title, width in widths.items())])
    for place, row in enumerate(rows):
        cells = (f"{columns[title][place]:>{width}}" for title, width in widths.items())
        yield "  ".join([f"{row:<{first}}", *cells])


def _share(value: float | None) -> str:
    return "-    " if value is None else f"{value:.3f}"


def _draw(path: Path, scored: Scored) -> None:
    import io

    from kevo.report.plots import task_figure
    from kevo.runs.atomic_files import atomic_write_bytes
    from kevo.tasks.outputs.classes.confusion_matrix import confusion_matrix

    content = io.BytesIO()
    figure = task_figure(confusion_matrix(scored.scores, examples="pictures"))
    figure.savefig(content, format="png")
    atomic_write_bytes(path, content.getvalue())
