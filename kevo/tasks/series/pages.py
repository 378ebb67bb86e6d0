"""The pages of series: those of forecasts, with what was decided about the series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kevo.runs import layout
from kevo.system.markdown import code
from kevo.tasks.outputs.forecasts.pages import ForecastPages
from kevo.tasks.outputs.words import Words
from kevo.tasks.pages import Known, Pages, Paragraph, Section
from kevo.tasks.series.dataset import SeriesDataset

_LOAD = f"""\
import csv
import json

import keras
import numpy as np

takes = json.load(open("{layout.TASK}", encoding="utf-8"))
model = keras.models.load_model("{layout.MODEL}", safe_mode=True)
rows = list(csv.DictReader(open("past.csv", encoding="utf-8", newline="")))[-takes["window"] :]
# One row for each step, in order of time, with a number in each column.
windows = np.array([[[float(row[name]) for name in takes["columns"]] for row in rows]])
for value in model.predict(windows, verbose=0)[0]:
    print(value)
"""


def _takes(dataset: SeriesDataset, genome: Mapping[str, Any]) -> str:
    names = ", ".join(map(code, dataset.columns))
    return (
        f"Takes raw windows of shape (windows, {dataset.window}, {len(dataset.columns)}): the last {dataset.window} "
        f"steps of {dataset.clock.words}, the oldest first, each with {names} in their own unit and without gaps. It "
        f"returns {dataset.output.returns} of {code(dataset.output.name)}, shape (windows, {dataset.output.horizon})."
    )


def _use(run_folder: Path, model: Path, asks: str) -> tuple[list[str], list[list[str]]]:
    python = [
        "import json, keras",
        "",
        f"model = keras.models.load_model({str(model)!r})",
        f"takes = json.load(open({str(run_folder / layout.TASK)!r}))",
        '# Windows of shape (num_windows, takes["window"], len(takes["columns"])), the last step last.',
        "values = model.predict(windows)",
    ]
    return python, [["predict", str(model), "PAST.csv"], ["evaluate", str(model), "OTHER-SERIES.csv"]]


def _after(known: Known) -> Sequence[Section]:
    title = "What was decided about the series"
    if known.dataset is None:
        return [Section("series", title, (Paragraph(known.reason),))]
    return [Section("series", title, tuple(map(Paragraph, known.dataset.notes)))]


_WORDS = Words(
    one="window",
    many="windows",
    part="row",
    takes=_takes,
    load=lambda asks: _LOAD,
    use=_use,
    scope="also where a series is unlike all that it has learned from",
    unknown="how the values were measured, what was corrected afterwards, what happened in these times",
    stored=lambda dataset: "Windows overlap. ",
    origin="divided by time: what follows them comes after all that was learned from.",
    alike="Windows that overlap",
    weighing=lambda dataset: "all count the same",
    ethics=(
        "kevo does not know what the series is of, how it was come by, or who is affected by what is forecast. Whoever "
        "uses the model answers for that. What is wrong in its past the model has learned."
    ),
    after=_after,
)
PAGES: Pages = ForecastPages(_WORDS)
"""The pages of series."""
