"""The pages of texts: those of every kind of answer, with the words that count."""

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
from kevo.tasks.outputs.words import Shown, Words
from kevo.tasks.pages import Block, Known, Pages, Paragraph, Section, Share, Table
from kevo.tasks.prepared.pages import ANSWER, OUTPUTS, pages
from kevo.tasks.tables.free_text import num_words
from kevo.tasks.texts import words
from kevo.tasks.texts.dataset import TextDataset

_MOST_NAMED, _MOST_SHOWN = 12, 40
"""How many words the model card and the report name."""
_LETTERS_SHOWN = 300
_TEXTS_SHOWN = 3
_LOAD = f"""\
import json

import keras

takes = json.load(open("{layout.TASK}", encoding="utf-8"))
model = keras.models.load_model("{layout.MODEL}", safe_mode=True)
texts = open("new.txt", encoding="utf-8").read().splitlines()
inputs = keras.ops.convert_to_tensor(texts)
"""


def _takes(dataset: TextDataset, genome: Mapping[str, Any]) -> str:
    return (
        f"Takes texts, shape (n,), as UTF-8. It returns {dataset.output.returns} {code(dataset.target)}. What divides "
        "texts into words, and the words that it knows, are a part of it. Letters other than those from A to Z are "
        "told apart by their case."
    )


def _use(run_folder: Path, model: Path, asks: str) -> tuple[list[str], list[list[str]]]:
    python = [
        "import keras",
        "",
        f"model = keras.models.load_model({str(model)!r})",
        'texts = keras.ops.convert_to_tensor(["a text", "another one"])',
        f"{OUTPUTS[asks]} = model.predict(texts)",
    ]
    return python, [["predict", str(model), "NEW-TEXTS.csv"], ["evaluate", str(model), "OTHER-TEXTS.csv"]]


def _before(known: Known) -> Sequence[Section]:
    return [Section("words", "Words that count", tuple(_words(known)))]


def _after(known: Known) -> Sequence[Section]:
    return [Section("texts", "Texts", tuple(_texts(known)))]


def _analyses(run: Run, dataset: TextDataset, outcome: Outcome) -> Sequence[str]:
    """Measures what words do at the end of a search, and keeps it in the run folder for the report."""
    from kevo.tasks.texts.tokens import forward

    model = model_files.load(outcome.model_path)
    found = words.measure(lambda texts: forward(model, texts), dataset.validation.texts, dataset.output.names)
    atomic_write_text(run.path / layout.EXPLANATION, words.dumps(found) + "\n")
    if not found:
        return []
    rows = [[code(one.word), code(one.output), f"{one.effect:+.3g}"] for one in found[:_MOST_NAMED]]
    return [
        "By how much a word of the validation texts raises an answer, on average over texts that have it, as against "
        "the same texts without it:\n\n" + markdown_table(["word", "speaks for", "by"], rows)
    ]


def _words(known: Known) -> list[Block]:
    found = words.read(known.run_folder / layout.EXPLANATION)[:_MOST_SHOWN]
    if not found:
        return [Paragraph("Which words the model goes by is measured at the end of the search.")]
    most = max(abs(one.effect) for one in found)
    rows = tuple(
        (one.word, one.output, f"{one.effect:+.3g}", str(one.num_texts), Share(abs(one.effect) / most if most else 0.0))
        for one in found
    )
    text = (
        "By how much a word raises the best model's answer, on average over validation texts that have it, as against "
        "the same texts without it: a class's probability, or the number. Of the commonest words, those with the "
        "largest effect."
    )
    return [Paragraph(text), Table("Words", ("Word", "Speaks for", "By", "Texts", "Compared"), rows, numbers=(2, 3))]


def _texts(known: Known) -> list[Block]:
    dataset: TextDataset | None = known.dataset
    if dataset is None:
        return [Paragraph(known.reason)]
    texts = dataset.train.texts
    lengths = [num_words(text) for text in texts]
    facts = (
        f"The training texts have {np.median(lengths):.0f} words in the median, and 95 of 100 at most "
        f"{np.quantile(lengths, 0.95):.0f}. {' '.join(dataset.notes)}"
    )
    rows = tuple((str(place), _shown(text)) for place, text in enumerate(texts[:_TEXTS_SHOWN], start=1))
    return [Paragraph(facts.strip()), Table("The first training texts", ("Text", "Begins"), rows, sentences=(1,))]


def _wrong(dataset: TextDataset, shown: Sequence[Shown], outputs: npt.NDArray[np.float32]) -> Table:
    texts = dataset.test.texts
    rows = tuple((_shown(texts[place]), caption) for place, _, caption in shown)
    return Table("Texts", ("Text", "What it is"), rows, sentences=(0, 1))


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LETTERS_SHOWN else f"{line[:_LETTERS_SHOWN]} ..."


_WORDS = Words(
    one="text",
    many="texts",
    part="text",
    takes=_takes,
    load=lambda asks: _LOAD + ANSWER[asks],
    use=_use,
    scope="also for a text in another language, or without words",
    unknown="when and where the texts were collected, what was left out, who wrote them and about whom",
    stored=lambda dataset: "",
    alike="Texts by one author or about one thing",
    repeats=lambda dataset: dataset.repeats,
    weighing=lambda dataset: "count the same in training only where the genome says so",
    ethics=(
        "kevo does not know what the texts mean, whom they are about, how they were come by, or who is affected by "
        "the answers. Whoever uses the model answers for that. What is wrong or one-sided in the texts and their "
        "answers the model has learned, such as prejudice by names and dialects, and the test texts share it."
    ),
    show=_wrong,
    before=_before,
    after=_after,
    analyses=_analyses,
)
PAGES: Mapping[str, Pages] = pages(_WORDS)
"""The pages for what may be asked of texts."""
