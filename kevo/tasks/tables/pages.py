"""The pages of tabular classification: those of every classifier, its columns, and a comparison with boosted trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kevo.runs import layout
from kevo.runs.atomic_files import atomic_write_text, loads
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.system import model_files
from kevo.system.markdown import code
from kevo.system.markdown import table as markdown_table
from kevo.tasks.outputs.classes.card import CardWords
from kevo.tasks.outputs.classes.evaluation import Evaluation
from kevo.tasks.outputs.classes.pages import ClassPages
from kevo.tasks.pages import Block, Known, Paragraph, Section, Share, Table
from kevo.tasks.tables import baseline, importance
from kevo.tasks.tables.baseline import Baseline
from kevo.tasks.tables.columns import Column, Kind
from kevo.tasks.tables.dataset import TableDataset, describe_columns
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
for probabilities in model.predict(inputs, verbose=0):
    print(takes["class_names"][probabilities.argmax()], probabilities.max())
"""


def _takes(dataset: TableDataset, genome: Mapping[str, Any]) -> str:
    num_texts = sum(column.kind == "category" for column in dataset.columns)
    return (
        f"Takes a mapping of {len(dataset.columns)} raw columns by their names, each of shape (rows, 1): "
        f"{len(dataset.columns) - num_texts} of numbers, where NaN means missing, and {num_texts} of texts. It returns "
        f"a probability for each class of {code(dataset.target)}. What it does to the columns first is a part of it."
    )


def _use(run_folder: Path, model: Path) -> tuple[list[str], list[list[str]]]:
    python = [
        "import json, keras",
        "",
        f"model = keras.models.load_model({str(model)!r})",
        f"takes = json.load(open({str(run_folder / layout.TASK)!r}))",
        '# The raw columns by name, each a tensor of shape (num_rows, 1): those of takes["columns"].',
        "probabilities = model.predict(columns)",
    ]
    return python, [["predict", str(model), "NEW-ROWS.csv"], ["evaluate", str(model), "OTHER-ROWS.csv"]]


class TablePages(ClassPages):
    """Pages of a classifier of rows: also its columns, and another kind of model beside it."""

    def sections(self, known: Known) -> Sequence[Section]:
        """Returns the sections of every classifier, a comparison with boosted trees, and two sections on columns."""
        return [
            Section("reference", "Against boosted trees", tuple(_reference(known))),
            Section("importance", "Columns that matter", tuple(_importance(known))),
            *super().sections(known),
            Section("columns", "Columns", tuple(_columns(known))),
        ]

    def card(self, run: Run, dataset: TableDataset, outcome: Outcome) -> Mapping[str, Sequence[str]]:
        """Returns the sections of every classifier's card, with the importance of columns and the baseline's scores.

        The importance is measured here, at the end of a search, and kept in the run folder for the report.
        """
        sections = dict(super().card(run, dataset, outcome))
        found = _measured(dataset, outcome)
        atomic_write_text(run.path / layout.EXPLANATION, importance.dumps(found) + "\n")
        rows = [[code(one.column), f"{one.accuracy:+.3f}", f"{one.cross_entropy:+.4f}"] for one in found[:_MOST_NAMED]]
        analyses = [
            *sections["Quantitative analyses"],
            "What it costs on the validation rows when a column's values change places, on average"
            + (
                " (the model has learned from these rows too, so that all seem to cost less):"
                if outcome.is_refit
                else ":"
            )
            + "\n\n"
            + markdown_table(["column", "accuracy lost", "cross-entropy gained"], rows),
        ]
        if (reference := _known_baseline(run.path)) is not None:
            test = reference.test
            analyses.append(
                f"{baseline.NAME} of scikit-learn, with its default settings, has an accuracy of {test.accuracy:.1%} "
                f"and a cross-entropy of {test.cross_entropy:.4f} on the same test rows."
            )
        return {**sections, "Quantitative analyses": analyses}


def _measured(dataset: TableDataset, outcome: Outcome) -> list[Importance]:
    """Measures which columns the best model needs, by the validation rows."""
    from kevo.tasks.tables import networks, preparing

    model = model_files.load(outcome.model_path)
    inputs = dataset.inputs(dataset.validation)
    features = preparing.prepare(model.get_layer(preparing.PREPROCESSING), dataset.columns, inputs)
    network = model.get_layer(networks.NETWORK)
    return permutation_importance(
        lambda rows: np.asarray(network(rows, training=False)),
        features,
        dataset.validation.labels,
        places=preparing.feature_places(dataset.columns),
    )


def _known_baseline(run_folder: Path) -> Baseline | None:
    try:
        return Baseline.from_json(loads((run_folder / layout.BASELINE).read_bytes()))
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        return None


def _reference(known: Known) -> list[Block]:
    found = _known_baseline(known.run_folder)
    if found is None:
        return [Paragraph("The run folder does not tell how good another kind of model is on these rows.")]
    # The test rows are looked at once, at the end of the search.
    rows = [_row(baseline.NAME, found.validation, None if known.test is None else found.test)]
    if known.test is not None:
        rows.insert(0, _row("This network", known.validation, known.test))
    text = (
        f"{baseline.NAME} of scikit-learn, with its default settings, learned from the same training rows. On many "
        "tables such trees are hard to beat: where they are ahead, a network is worth it only for other reasons."
    )
    head = ("Model", "Validation accuracy", "Test accuracy", "Test cross-entropy")
    return [Paragraph(text), Table("Scores beside boosted trees", head, tuple(rows), numbers=(1, 2, 3))]


def _row(name: str, validation: Evaluation, test: Evaluation | None) -> tuple[str, ...]:
    scores = ("", "") if test is None else (f"{test.accuracy:.1%}", f"{test.cross_entropy:.3f}")
    return name, f"{validation.accuracy:.1%}", *scores


def _importance(known: Known) -> list[Block]:
    found = importance.read(known.run_folder / layout.EXPLANATION)[:_MOST_COLUMNS]
    if not found:
        return [Paragraph("Which columns the model needs is measured at the end of the search.")]
    most = max(one.cross_entropy for one in found)
    rows = tuple(
        (
            one.column,
            f"{one.accuracy:+.3f}",
            f"{one.cross_entropy:+.4f}",
            f"{one.deviation:.4f}",
            Share(max(0.0, one.cross_entropy) / most if most > 0 else 0.0),
        )
        for one in found
    )
    text = (
        "What it costs the best model on the validation rows when the values of one column change places, on average "
        "over several permutations. Of columns that say the same, each seems to matter little; where the model has "
        "learned from the validation rows too, all do."
    )
    head = ("Column", "Accuracy lost", "Cross-entropy gained", "Standard deviation", "Compared")
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
        weighing=lambda dataset: "count the same in training only where the genome says so",
        ethics=(
            "kevo does not know what the rows mean, whom they are about, how they were come by, or who is affected by "
            "the answers. Whoever uses the model answers for that. What is wrong or one-sided in the rows and their "
            "classes the model has learned, and the test rows share it."
        ),
    ),
    use=_use,
)
