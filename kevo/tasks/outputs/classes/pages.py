"""The pages of a classifier: scores, confusions, the balance of the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.tasks.folds import splits_of
from kevo.tasks.outputs.card import CardText
from kevo.tasks.outputs.classes import evaluation
from kevo.tasks.outputs.classes.card import card_text
from kevo.tasks.outputs.classes.confusion_matrix import confusion_matrix
from kevo.tasks.outputs.classes.evaluation import Evaluation
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from kevo.tasks.outputs.classes.output import CLASSIFICATION
from kevo.tasks.outputs.pages import AnswerPages, outputs_of_test
from kevo.tasks.outputs.words import Shown, Words
from kevo.tasks.pages import Block, Known, Paragraph, Section, Share, Table

_MOST_WRONG = 12


class ClassPages(AnswerPages):
    """Pages of a task with one class of several as its answer.

    Args:
        words: What its examples are called, and their part of the pages.
    """

    has_right_answers = True
    wrong_title = "Most confidently wrong"
    reference_head = ("accuracy", "cross-entropy")

    def __init__(self, words: Words) -> None:
        super().__init__(words, asks=CLASSIFICATION, objectives=OBJECTIVES, parse_scores=evaluation.parse)

    def headline(self, test: Evaluation) -> tuple[str, str]:
        """Returns the test accuracy, and its interval."""
        low, high = test.interval
        return (
            f"{test.accuracy:.1%}",
            f" test accuracy. On {self._many} like these it lies between {low:.1%} and {high:.1%} (95% confidence), by "
            f"the {test.num_examples:,} {self._many} of the test split. {self.chance_note(test)}".rstrip(),
        )

    def chance_note(self, test: Evaluation) -> str:
        """Names the class that a guess would always answer with, and how often that is right."""
        if not test.is_chance:
            return ""
        name, share = test.most_frequent
        return (
            f"The model may be no better than a guess: always to answer {name!r} is right for {share:.1%} of the test "
            f"{self._many}, and its accuracy is {test.accuracy:.1%}."
        )

    def in_brief(self, scores: Evaluation) -> str:
        """Returns the accuracy."""
        return f"accuracy {scores.accuracy:.4f}"

    def remarks(self, test: Evaluation) -> Sequence[str]:
        """Says which classes are never predicted, and what to do."""
        return evaluation.remarks(test, examples=self._many)

    def details(self, test: Evaluation, validation: Evaluation) -> Sequence[tuple[str, str]]:
        """Returns scores that count every class the same, and of two classes sensitivity and specificity."""
        rows = [
            ("Balanced accuracy", f"{test.balanced_accuracy:.1%}"),
            ("Macro F1", f"{test.macro_f1:.3f}"),
            ("Cross-entropy", f"{test.cross_entropy:.3f}"),
        ]
        if test.sensitivity is not None and test.specificity is not None:
            negative, positive = test.support
            rows.append((f"Sensitivity ({positive} found)", f"{test.sensitivity:.1%}"))
            rows.append((f"Specificity ({negative} found)", f"{test.specificity:.1%}"))
        return [*rows, ("Validation accuracy", f"{validation.accuracy:.1%}")]

    def reference_scores(self, scores: Evaluation) -> tuple[str, ...]:
        """Accuracy and cross-entropy."""
        return f"{scores.accuracy:.1%}", f"{scores.cross_entropy:.3f}"

    def text(self, dataset: Any, outcome: Any) -> CardText:
        """The part of the model card."""
        return card_text(self._words, dataset, outcome)

    def ranked_score(self, scores: Evaluation) -> tuple[float, float, float]:
        """Returns the accuracy and its interval."""
        return scores.accuracy, *scores.interval

    def is_right(self, path: Path, dataset: Any, test: Evaluation) -> npt.NDArray[np.bool_] | None:
        """Returns which test examples are given their class."""
        labels, outputs = dataset.test.labels, outputs_of_test(path, dataset, shape=self.outputs_shape(dataset))
        if outputs is None:
            return None
        right: npt.NDArray[np.bool_] = outputs.argmax(axis=1) == labels
        # In half precision two classes may look alike. More than that, and the file is not of this model.
        return right if abs(right.mean() - test.accuracy) <= 1.5 / len(labels) else None

    def measured(self, known: Known) -> Sequence[Section]:
        """The confusion matrix, and scores by class."""
        return [Section("confusion", "Confusion matrix", tuple(self._confusion(known)))]

    def worst(self, dataset: Any, outputs: npt.NDArray[np.float32]) -> Sequence[Shown] | str:
        """The most confident mistakes."""
        labels, names = dataset.test.labels, dataset.class_names
        predicted, confidence = outputs.argmax(axis=1), np.minimum(1.0, outputs.max(axis=1))
        places = np.flatnonzero(predicted != labels)
        places = places[np.argsort(-confidence[places], kind="stable")][:_MOST_WRONG]
        if not len(places):
            return f"The model took no test {self._words.one} for another class."
        return [
            (
                int(place),
                f"{names[labels[place]]}, taken for {names[predicted[place]]} with {confidence[place]:.1%}",
                f"{names[labels[place]]} taken for {names[predicted[place]]}, {confidence[place]:.1%} sure",
            )
            for place in places
        ]

    def balance(self, known: Known) -> Section:
        """The examples of each class in each split."""
        return Section("balance", "Classes by split", tuple(self._balance(known)))

    def _confusion(self, known: Known) -> list[Block]:
        if known.test is None:
            return [self.not_yet()]
        test: Evaluation = known.test
        f1 = test.f1
        rows = tuple(
            (name, str(num), f"{test.recall[name]:.1%}", f"{test.precision[name]:.1%}", f"{f1[name]:.3f}")
            for name, num in test.support.items()
        )
        head = ("Class", f"Test {self._many}", "Recall", "Precision", "F1")
        table = Table("Scores by class", head, rows, numbers=(1, 2, 3, 4))
        repeats = [] if known.dataset is None else self._words.repeats(known.dataset)
        return [*map(Paragraph, (*self.remarks(test), *repeats)), confusion_matrix(test, examples=self._many), table]

    def _balance(self, known: Known) -> list[Block]:
        label = f"{self._many.capitalize()} by class and split"
        if known.dataset is not None:
            return self._balance_of(known.dataset, label)
        if known.test is None:
            return [Paragraph(known.reason)]
        scores: Mapping[str, Evaluation] = {"validation": known.validation, "test": known.test}
        rows = tuple(
            (name, *(str(split.support.get(name, 0)) for split in scores.values())) for name in known.test.support
        )
        return [Paragraph(known.reason), Table(label, ("Class", *scores), rows, numbers=(1, 2))]

    def _balance_of(self, dataset: Any, label: str) -> list[Block]:
        counts = [
            [int((getattr(dataset, split).labels == index).sum()) for split in splits_of(dataset)]
            for index in range(dataset.num_classes)
        ]
        most, least = max(row[0] for row in counts), min(row[0] for row in counts)
        rows: list[tuple[str | Share, ...]] = [
            (name, *map(str, row), Share(row[0] / most)) for name, row in zip(dataset.class_names, counts, strict=True)
        ]
        rows.append(("all", *(str(len(getattr(dataset, split))) for split in splits_of(dataset)), ""))
        made = " and ".join(dataset.made_splits)
        taken = f" The {made} split{'s were' if len(dataset.made_splits) > 1 else ' was'} taken out of train."
        text = (
            f"The largest class has {most / least:.2g} times the training {self._many} of the smallest; classes "
            f"{self._words.weighing(dataset)}."
            if least != most
            else f"Every class has as many training {self._many} as any other."
        )
        head = ("Class", *splits_of(dataset), "Share of train")
        return [
            Paragraph(text + (taken if made else "")),
            Table(label, head, tuple(rows), numbers=tuple(range(1, 1 + len(splits_of(dataset))))),
        ]
