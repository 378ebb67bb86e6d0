"""The pages of tabular classification: those of every classifier, and a comparison with boosted trees."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kevo.errors import ModelError
from kevo.runs import layout
from kevo.tasks.outputs.classes.card import CardWords
from kevo.tasks.outputs.classes.evaluation import Evaluation
from kevo.tasks.outputs.classes.pages import ClassPages
from kevo.tasks.pages import Block, Known, Paragraph, Section, Table
from kevo.tasks.tables import baseline
from kevo.tasks.tables.baseline import Baseline
from kevo.tasks.tables.dataset import TableDataset

_LOAD = f"""\
import csv
import json

import keras
import numpy as np

takes = json.load(open("{layout.TASK}", encoding="utf-8"))
model = keras.models.load_model("{layout.MODEL}", safe_mode=True)
row = next(csv.DictReader(open("new.csv", encoding="utf-8", newline="")))
inputs = {{}}
for column in takes["columns"]:
    value = row[column["name"]]
    # All but texts are numbers. An empty one is missing: the model knows what to put in its place.
    value = value if column["kind"] == "category" else float(value or "nan")
    inputs[column["name"]] = np.array([[value]])
probabilities = model.predict({{name: keras.ops.convert_to_tensor(one) for name, one in inputs.items()}}, verbose=0)[0]
print(takes["class_names"][probabilities.argmax()], probabilities.max())
"""


def _takes(dataset: TableDataset, genome: Mapping[str, Any]) -> str:
    numbers = sum(column.kind != "category" for column in dataset.columns)
    return (
        f"Takes a mapping of {len(dataset.columns)} raw columns by their names, each of shape (rows, 1): {numbers} of "
        f"numbers, where NaN means missing, and {len(dataset.columns) - numbers} of texts. It returns a probability "
        f"for each class of `{dataset.target}`. What it does to the columns first is a part of it."
    )


def _use(run_folder: Path, model: Path) -> tuple[list[str], list[list[str]]]:
    python = [
        "import json, keras",
        "",
        f"model = keras.models.load_model({str(model)!r})",
        f"takes = json.load(open({str(run_folder / layout.TASK)!r}))",
        '# The raw columns by name, each of shape (num_rows, 1): those of takes["columns"].',
        "probabilities = model.predict(columns)",
    ]
    return python, [["predict", str(model), "NEW-ROWS.csv"], ["evaluate", str(model), "OTHER-ROWS.csv"]]


class TablePages(ClassPages):
    """Pages of a classifier of rows, with the reference model beside it."""

    def sections(self, known: Known) -> Sequence[Section]:
        """Returns the sections of every classifier, after a comparison with gradient-boosted trees."""
        reference = Section("reference", "Against boosted trees", tuple(_reference(known)))
        return [reference, *super().sections(known)]


def _reference(known: Known) -> list[Block]:
    try:
        values = json.loads((known.run_folder / layout.BASELINE).read_text(encoding="utf-8"))
        found = Baseline.from_json(values)
    except (OSError, LookupError, TypeError, ValueError, ModelError):
        return [Paragraph("The run folder does not tell how good another kind of model is on these rows.")]
    rows: list[tuple[str, ...]] = [_row(baseline.NAME, found.validation, found.test if known.test else None)]
    if known.test is not None:
        rows.insert(0, _row("This network", known.validation, known.test))
    text = (
        f"{baseline.NAME} of scikit-learn, with its default settings, learned from the same training rows. On many "
        "tables such trees are hard to beat: where they are ahead, a network is worth it only for other reasons."
    )
    head = ("Model", "Validation accuracy", "Test accuracy", "Test cross-entropy")
    return [
        Paragraph(text),
        Table("Scores beside those of another kind of model", head, tuple(rows), numbers=(1, 2, 3)),
    ]


def _row(name: str, validation: Evaluation, test: Evaluation | None) -> tuple[str, ...]:
    scores = ("", "") if test is None else (f"{test.accuracy:.1%}", f"{test.cross_entropy:.3f}")
    return name, f"{validation.accuracy:.1%}", *scores


PAGES = TablePages(
    CardWords(
        one="row",
        many="rows",
        part="row",
        takes=_takes,
        load=_LOAD,
        scope="also for a row that is unlike all others",
        unknown="when and where the rows were collected, what was left out, who they are about",
        stored=lambda dataset: "",
        alike="Rows about one person, place or day",
        ethics=(
            "kevo does not know what the rows mean, whom they are about, how they were come by, or who is affected by "
            "the answers. Whoever uses the model answers for that. What is wrong or one-sided in the rows and their "
            "classes the model has learned, and the test rows share it."
        ),
    ),
    use=_use,
)
