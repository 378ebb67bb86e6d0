"""The pages of tables: those of every kind of answer, with columns and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.runs import layout
from kevo.runs.atomic_files import atomic_write_text
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.system import model_files
from kevo.system.markdown import code
from kevo.system.markdown import table as markdown_table
from kevo.tasks.outputs.words import Words
from kevo.tasks.pages import Block, Known, Pages, Paragraph, Section, Share, Table
from kevo.tasks.prepared.pages import ANSWER, OUTPUTS, pages
from kevo.tasks.tables import importance
from kevo.tasks.tables.columns import Column, Kind
from kevo.tasks.tables.dataset import Inputs, TableDataset, describe_columns
from kevo.tasks.tables.importance import Importance, permutation_importance

_MOST_COLUMNS = 200
_MOST_NAMED = 12
"""How many columns a figure and the model card show."""
_LOAD = f"""\
import csv
import json

import keras
import numpy as np

takes = json.load(open("{layout.TASK}", encoding="utf-8"))
model = keras.models.load_model("{layout.MODEL}", safe_mode=True)
rows = list(csv.DictReader(open("new.csv", encoding="utf-8", newline="")))
inputs = {{}}
for column in takes["columns"]:
    values = [[row[column["name"]]] for row in rows]
    if column["kind"] != "category":
        # A number that is missing is NaN to the model.
        values = [[float(value or "nan")] for [value] in values]
    inputs[column["name"]] = keras.ops.convert_to_tensor(np.array(values))
"""


def _takes(dataset: TableDataset, genome: Mapping[str, Any]) -> str:
    num_texts = sum(column.kind == "category" for column in dataset.columns)
    return (
        f"Takes a mapping of {len(dataset.columns)} raw columns by their names, each of shape (rows, 1): "
        f"{len(dataset.columns) - num_texts} of numbers, where NaN means missing, and {num_texts} of texts. It returns "
        f"{dataset.output.returns} {code(dataset.target)}. What it does to the columns first is a part of it."
    )


def _use(run_folder: Path, model: Path, asks: str) -> tuple[list[str], list[list[str]]]:
    python = [
        "import json, keras",
        "",
        f"model = keras.models.load_model({str(model)!r})",
        f"takes = json.load(open({str(run_folder / layout.TASK)!r}))",
        '# The raw columns by name, each a tensor of shape (num_rows, 1): those of takes["columns"].',
        f"{OUTPUTS[asks]} = model.predict(columns)",
    ]
    return python, [["predict", str(model), "NEW-ROWS.csv"], ["evaluate", str(model), "OTHER-ROWS.csv"]]


def _before(known: Known) -> Sequence[Section]:
    return [Section("importance", "Columns that matter", tuple(_importance(known)))]


def _after(known: Known) -> Sequence[Section]:
    return [Section("columns", "Columns", tuple(_columns(known)))]


def _analyses(run: Run, dataset: TableDataset, outcome: Outcome) -> Sequence[str]:
    """Measures the importance of columns at the end of a search, and keeps it in the run folder for the report."""
    found = _measured(dataset, outcome)
    atomic_write_text(run.path / layout.EXPLANATION, importance.dumps(found) + "\n")
    rows = [[code(one.column), f"{one.score:+.3f}", f"{one.loss:+.4g}"] for one in found[:_MOST_NAMED]]
    learned = (
        " (the model has learned from these rows too, so that all seem to cost less):" if outcome.is_refit else ":"
    )
    return [
        "What it costs on the validation rows when a column's values change places, on average"
        f"{learned}\n\n" + markdown_table(["column", "score lost", "loss gained"], rows)
    ]


def _measured(dataset: TableDataset, outcome: Outcome) -> list[Importance]:
    """Measures which columns the best model needs, by the validation rows."""
    import tensorflow as tf

    model = model_files.load(outcome.model_path)
    # Many passes are made: as a graph each takes a fraction of the time.
    compiled = tf.function(lambda columns: model(columns, training=False))

    def predict(columns: Inputs) -> npt.NDArray[np.float32]:
        return np.asarray(compiled({name: tf.constant(values) for name, values in columns.items()}))

    return permutation_importance(
        predict,
        dataset.inputs(dataset.validation),
        dataset.validation.labels,
        score=dataset.output.main_score,
        loss=dataset.output.loss,
    )


def _importance(known: Known) -> list[Block]:
    found = importance.read(known.run_folder / layout.EXPLANATION)[:_MOST_COLUMNS]
    if not found:
        return [Paragraph("Which columns the model needs is measured at the end of the search.")]
    most = max(one.loss for one in found)
    rows = tuple(
        (
            one.column,
            f"{one.score:+.3f}",
            f"{one.loss:+.4g}",
            f"{one.deviation:.4g}",
            Share(max(0.0, one.loss) / most if most > 0 else 0.0),
        )
        for one in found
    )
    text = (
        "What it costs the best model on the validation rows when the values of one column change places, on average "
        "over several permutations: accuracy and cross-entropy, or R2 and squared error. Of columns that say the same, "
        "each seems to matter little; where the model has learned from the validation rows too, all do."
    )
    head = ("Column", "Score lost", "Loss gained", "Standard deviation", "Compared")
    return [Paragraph(text), Table("Importance of columns", head, rows, numbers=(1, 2, 3))]


def _columns(known: Known) -> list[Block]:
    dataset: TableDataset | None = known.dataset
    if dataset is None:
        return [Paragraph(known.reason)]
    ranges = _ranges(dataset)
    rows = tuple(
        (one.name, _KINDS[one.kind], _contents(one, ranges.get(one.name, "")))
        for one in dataset.columns[:_MOST_COLUMNS]
    )
    text = f"{describe_columns(dataset.columns).capitalize()}. {' '.join(dataset.notes)}"
    return [Paragraph(text.strip()), Table("Columns", ("Column", "Kind", "Holds"), rows, sentences=(2,))]


def _ranges(dataset: TableDataset) -> dict[str, str]:
    """Returns the lowest and the highest number of each column of numbers among the training rows."""
    names = [column.name for column in dataset.columns if column.kind != "category"]
    known = {name: values[np.isfinite(values)] for name, values in zip(names, dataset.train.numbers.T, strict=True)}
    return {name: f"{values.min():g} to {values.max():g}" for name, values in known.items() if len(values)}


def _contents(column: Column, range_: str) -> str:
    values = [f"{value:g}" if isinstance(value, float) else value or "(empty)" for value in column.values]
    more = f" and {len(values) - _MOST_NAMED} more" if len(values) > _MOST_NAMED else ""
    gaps = "some rows have none" if column.has_gaps else ""
    shown = range_ if column.kind == "number" else ", ".join(values[:_MOST_NAMED]) + more
    return "; ".join(part for part in (shown, gaps) if part)


_KINDS: Mapping[Kind, str] = {"number": "number", "code": "number that stands for a category", "category": "category"}


_WORDS = Words(
    one="row",
    many="rows",
    part="row",
    takes=_takes,
    load=lambda asks: _LOAD + ANSWER[asks],
    use=_use,
    scope="also for a row that is unlike all others",
    unknown="when and where the rows were collected, what was left out, who they are about",
    stored=lambda dataset: "",
    alike="Rows about one person, place or day",
    repeats=lambda dataset: dataset.repeats,
    weighing=lambda dataset: "count the same in training only where the genome says so",
    ethics=(
        "kevo does not know what the rows mean, whom they are about, how they were come by, or who is affected by "
        "the answers. Whoever uses the model answers for that. What is wrong or one-sided in the rows and their "
        "answers the model has learned, and the test rows share it."
    ),
    before=_before,
    after=_after,
    analyses=_analyses,
)
PAGES: Mapping[str, Pages] = pages(_WORDS)
"""The pages for what may be asked of rows."""
