"""The pages of a model that predicts labels: how well each is found, at which threshold, and how often it is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.system.markdown import code
from kevo.system.markdown import table as markdown_table
from kevo.tasks.folds import splits_of
from kevo.tasks.outputs.card import CardText, judged
from kevo.tasks.outputs.labels import evaluation
from kevo.tasks.outputs.labels.evaluation import THRESHOLD, LabelEvaluation
from kevo.tasks.outputs.labels.figures import bars
from kevo.tasks.outputs.labels.objectives import OBJECTIVES
from kevo.tasks.outputs.labels.output import MULTILABEL
from kevo.tasks.outputs.pages import AnswerPages
from kevo.tasks.outputs.words import Shown, Words
from kevo.tasks.pages import Block, Known, Paragraph, Section, Share, Table

_MOST_WRONG = 12
_MOST_LABELS = 200
_FEW = 30
"""With fewer test examples, the scores of a label say little."""


class LabelPages(AnswerPages):
    """Pages of a task with any number of labels as its answer.

    Args:
        words: What its examples are called, and their part of the pages.
    """

    wrong_title = "Most wrong labels"
    reference_head = ("average precision", "macro F1")

    def __init__(self, words: Words) -> None:
        super().__init__(words, asks=MULTILABEL, objectives=OBJECTIVES, parse_scores=evaluation.parse)

    def headline(self, test: LabelEvaluation) -> tuple[str, str]:
        """Returns the average precision on the test split, and its interval."""
        low, high = test.interval
        return (
            f"{test.average_precision:.3f}",
            f" average precision on the test split, the mean over {len(test.support)} labels. On {self._many} like "
            f"these it lies between {low:.3f} and {high:.3f} (95% confidence), by its {test.num_examples:,} "
            f"{self._many}; a guess has {test.prevalence:.3f}. {self.chance_note(test)}".rstrip(),
        )

    def chance_note(self, test: LabelEvaluation) -> str:
        """Says so where a guess may be as good."""
        if not test.is_chance:
            return ""
        return (
            f"The model may be no better than a guess, which has an average precision of {test.prevalence:.3f}; its "
            f"own is {test.average_precision:.3f}."
        )

    def in_brief(self, scores: LabelEvaluation) -> str:
        """Returns the average precision."""
        return f"average precision {scores.average_precision:.4f}"

    def details(self, test: LabelEvaluation, validation: LabelEvaluation) -> Sequence[tuple[str, str]]:
        """Returns F1, and the average precision on the validation split."""
        return [
            (f"Macro F1 (from {THRESHOLD:g} on)", f"{test.macro_f1:.3f}"),
            (f"Micro F1 (from {THRESHOLD:g} on)", f"{test.micro_f1:.3f}"),
            ("Binary cross-entropy", f"{test.binary_cross_entropy:.3f}"),
            ("Validation average precision", f"{validation.average_precision:.3f}"),
        ]

    def reference_scores(self, scores: LabelEvaluation) -> tuple[str, ...]:
        """Average precision and macro F1."""
        return f"{scores.average_precision:.4f}", f"{scores.macro_f1:.4f}"

    def ranked_score(self, scores: LabelEvaluation) -> tuple[float, float, float]:
        """Returns the average precision and its interval."""
        return scores.average_precision, *scores.interval

    def is_right(self, path: Path, dataset: Any, test: LabelEvaluation) -> None:
        """Returns nothing: of several labels some may be right and others wrong."""

    def measured(self, known: Known) -> Sequence[Section]:
        """Scores by label and by threshold."""
        return [Section("labels", "Labels", tuple(self._labels(known)))]

    def worst(self, dataset: Any, outputs: npt.NDArray[np.float32]) -> Sequence[Shown] | str:
        """The examples with the most confident mistakes."""
        true, names = dataset.test.labels, dataset.output.names
        wrong = np.where(true > 0, 1 - outputs, outputs)
        places = np.argsort(-wrong.max(axis=1), kind="stable")[:_MOST_WRONG]
        places = places[wrong[places].max(axis=1) > THRESHOLD]
        if not len(places):
            return f"On no test {self._words.one} a label is taken wrongly."
        shown = []
        for place in places.tolist():
            label = int(wrong[place].argmax())
            what = "missed" if true[place, label] else "wrongly seen"
            words = f"{names[label]} {what}, with a probability of {outputs[place, label]:.1%}"
            shown.append((place, words, words))
        return shown

    def balance(self, known: Known) -> Section:
        """How many examples of each split have a label."""
        key, title = "balance", "Labels by split"
        if known.dataset is None:
            return Section(key, title, (Paragraph(known.reason),))
        dataset = known.dataset
        rows = _counts(dataset)
        most = max((row[0] for _, row in rows), default=1) or 1
        cells: list[tuple[str | Share, ...]] = [
            (name, *map(str, row), Share(row[0] / most)) for name, row in rows[:_MOST_LABELS]
        ]
        none = [int((getattr(dataset, split).labels.sum(axis=1) == 0).sum()) for split in splits_of(dataset)]
        cells.append(("none of them", *map(str, none), ""))
        mean = float(dataset.train.labels.sum(axis=1).mean())
        text = Paragraph(f"A training {self._words.one} has {mean:.2g} labels on average.")
        table = Table(
            title,
            ("Label", *splits_of(dataset), "Share of train"),
            tuple(cells),
            numbers=tuple(range(1, 1 + len(splits_of(dataset)))),
        )
        return Section(key, title, (text, table))

    def text(self, dataset: Any, outcome: Any) -> CardText:
        """The part of the model card."""
        words, test, ensemble = self._words, outcome.test, outcome.ensemble and outcome.ensemble.test
        names = ", ".join(map(code, dataset.output.names[:_MOST_LABELS]))
        counts = [[code(name), *map(str, row)] for name, row in _counts(dataset)[:_MOST_LABELS]]
        both = (test, outcome.validation)
        scarce = sum(num < _FEW for num in test.support.values())
        return CardText(
            title=f"with {dataset.output.size} labels",
            claim=f"Average precision {test.average_precision:.3f}",
            interval=_interval(test),
            warning=f"a guess has an average precision of {test.prevalence:.3f}." if test.is_chance else "",
            ensemble=f"an average precision of {ensemble.average_precision:.3f} ({_interval(ensemble)})"
            if ensemble
            else "",
            use=[
                f"To tell which of {dataset.output.size} labels a {words.one} has, none to all of them, for "
                f"{words.many} like those it was measured on. It always answers, {words.scope}.",
                f"The labels, in the order of the outputs: {names}.",
            ],
            factors="Results are told apart by label only.",
            metrics=f"Average precision is the mean precision over the {words.many} that have a label, by descending "
            "probability, and its mean over labels; a guess has the share of examples with a label. F1 takes labels "
            f"from a probability of {THRESHOLD:g} on; macro F1 counts every label the same. Intervals are percentiles "
            f"of a bootstrap (Efron 1979, doi:10.1214/aos/1176344552): they know of chance in the choice of the "
            f"{words.many}, and of nothing else.",
            alike="the rarer labels",
            counts=markdown_table(["label", *splits_of(dataset)], counts),
            analyses=[
                markdown_table(
                    ["", "test", judged(outcome)],
                    [
                        [words.many, *(str(one.num_examples) for one in both)],
                        ["average precision", *(f"{one.average_precision:.4f}" for one in both)],
                        ["95 % interval", *(" to ".join(f"{end:.4f}" for end in one.interval) for one in both)],
                        ["macro F1", *(f"{one.macro_f1:.4f}" for one in both)],
                        ["micro F1", *(f"{one.micro_f1:.4f}" for one in both)],
                        ["binary cross-entropy", *(f"{one.binary_cross_entropy:.4f}" for one in both)],
                    ],
                ),
                f"By label, on the test {words.many}:\n\n"
                + markdown_table(
                    ["label", words.many, "average precision", "precision", "recall"],
                    [[code(row[0]), *row[1:]] for row in _by_label(test)[:_MOST_LABELS]],
                ),
            ],
            caveats=[
                "The model knows these labels only.",
                "Its probabilities are not calibrated; choose thresholds on data of your own.",
                *(
                    [f"{scarce} labels have fewer than {_FEW} test {words.many}: their rows say little."]
                    if scarce
                    else []
                ),
            ],
        )

    def _labels(self, known: Known) -> list[Block]:
        if known.test is None:
            return [self.not_yet()]
        test: LabelEvaluation = known.test
        repeats = [] if known.dataset is None else self._words.repeats(known.dataset)
        head = ("Label", f"Test {self._many}", "Average precision", "Precision", "Recall")
        thresholds = tuple((f"{one:.1f}", f"{micro:.3f}", f"{macro:.3f}") for one, micro, macro in test.by_threshold)
        return [
            *map(Paragraph, repeats),
            bars(test, examples=self._many),
            Table("Scores by label", head, tuple(_by_label(test)[:_MOST_LABELS]), numbers=(1, 2, 3, 4)),
            Table("F1 by threshold", ("Threshold", "Micro F1", "Macro F1"), thresholds, numbers=(0, 1, 2)),
        ]


def _by_label(test: LabelEvaluation) -> list[tuple[str, ...]]:
    return [
        (name, str(num), f"{test.by_label[name]:.3f}", f"{test.precision[name]:.3f}", f"{test.recall[name]:.3f}")
        for name, num in test.support.items()
    ]


def _counts(dataset: Any) -> list[tuple[str, list[int]]]:
    counts = [getattr(dataset, split).labels.sum(axis=0).astype(int).tolist() for split in splits_of(dataset)]
    return [(name, [one[place] for one in counts]) for place, name in enumerate(dataset.output.names)]


def _interval(test: LabelEvaluation) -> str:
    low, high = test.interval
    return f"95 % interval {low:.3f} to {high:.3f}"
