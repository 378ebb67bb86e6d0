"""The pages of a classifier: scores, confusions, the balance of the classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.runs import layout
from kevo.runs.predictions import read_predictions
from kevo.system.text import plural
from kevo.tasks.outputs.classes.card import CardWords, card
from kevo.tasks.outputs.classes.confusion_matrix import confusion_matrix
from kevo.tasks.outputs.classes.evaluation import Evaluation, are_probabilities, remarks
from kevo.tasks.pages import Block, Known, Paragraph, Section, Share, Table, Thumbnails

_MOST_ROWS = 200
_MOST_WRONG = 12
_SPLITS = ("train", "validation", "test")
_NOT_YET = "The test {} are looked at once, at the end of the search."

Wrong = tuple[int, str, str, float]
"""A wrong answer: the example's place in the test split, its class, what it was taken for, and how sure that seemed."""


class ClassPages:
    """Pages of a task with one class of several as its answer.

    Args:
        words: What its examples are called, and what the model card says of them.
        use: Returns lines of Python that use a saved model, and the examples that commands take; from the run folder
            and the model's file.
        show: Draws wrong answers; `None` where they cannot be shown.
    """

    def __init__(
        self,
        words: CardWords,
        *,
        use: Callable[[Path, Path], tuple[list[str], list[list[str]]]],
        show: Callable[[Any, Sequence[Wrong]], Thumbnails] | None = None,
    ) -> None:
        self._words = words
        self._many = words.many
        self._use = use
        self._show = show

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
        return remarks(test, examples=self._many)

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

    def sections(self, known: Known) -> Sequence[Section]:
        """Returns the confusion matrix, the most confident mistakes, the balance of classes, and skipped examples."""
        return [
            Section("confusion", "Confusion matrix", tuple(self._confusion(known))),
            *([Section("wrong", "Most confidently wrong", (self._wrong(known),))] if self._show else []),
            Section("balance", "Classes by split", tuple(self._balance(known))),
            Section("skipped", f"Skipped {self._words.parts}", tuple(self._skipped(known))),
        ]

    def how_to_use(self, run_folder: Path, model: Path) -> tuple[list[str], list[list[str]]]:
        """Returns Python and commands that predict, evaluate and export."""
        return self._use(run_folder, model)

    def card(self, run: Any, dataset: Any, outcome: Any) -> Mapping[str, Sequence[str]]:
        """Returns the sections of the model card; see `kevo.tasks.outputs.classes.card`."""
        return card(self._words, dataset, outcome)

    def ranked_score(self, scores: Evaluation) -> tuple[float, float, float]:
        """Returns the accuracy and its interval."""
        return scores.accuracy, *scores.interval

    def is_right(self, path: Path, dataset: Any, test: Evaluation) -> npt.NDArray[np.bool_] | None:
        """Returns which test examples are given their class."""
        labels, outputs = dataset.test.labels, _outputs(path, dataset)
        if outputs is None:
            return None
        right: npt.NDArray[np.bool_] = outputs.argmax(axis=1) == labels
        # In half precision two classes may look alike. More than that, and the file is not of this model.
        return right if abs(right.mean() - test.accuracy) <= 1.5 / len(labels) else None

    def _confusion(self, known: Known) -> list[Block]:
        if known.test is None:
            return [Paragraph(_NOT_YET.format(self._many))]
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

    def _wrong(self, known: Known) -> Block:
        one = self._words.one
        if known.test is None:
            return Paragraph(_NOT_YET.format(self._many))
        if known.dataset is None or self._show is None:
            return Paragraph(known.reason)
        outputs = _outputs(known.run_folder / layout.TEST_PREDICTIONS, known.dataset)
        if outputs is None:
            return Paragraph(f"The run folder does not tell, or not any more, what the model made of each test {one}.")
        wrong = _most_confident(outputs, known.dataset)
        if not wrong:
            return Paragraph(f"The model took no test {one} for another class.")
        return self._show(known.dataset, wrong)

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
            [int((getattr(dataset, split).labels == index).sum()) for split in _SPLITS]
            for index in range(dataset.num_classes)
        ]
        most, least = max(row[0] for row in counts), min(row[0] for row in counts)
        rows: list[tuple[str | Share, ...]] = [
            (name, *map(str, row), Share(row[0] / most)) for name, row in zip(dataset.class_names, counts, strict=True)
        ]
        rows.append(("all", *(str(len(getattr(dataset, split))) for split in _SPLITS), ""))
        made = " and ".join(dataset.made_splits)
        taken = f" The {made} split{'s were' if len(dataset.made_splits) > 1 else ' was'} taken out of train."
        text = (
            f"The largest class has {most / least:.2g} times the training {self._many} of the smallest; classes "
            f"{self._words.weighing(dataset)}."
            if least != most
            else f"Every class has as many training {self._many} as any other."
        )
        head = ("Class", *_SPLITS, "Share of train")
        return [Paragraph(text + (taken if made else "")), Table(label, head, tuple(rows), numbers=(1, 2, 3))]

    def _skipped(self, known: Known) -> list[Block]:
        part = self._words.part
        if known.dataset is None:
            return [Paragraph(known.reason)]
        skipped = known.dataset.skipped
        if not skipped:
            return [Paragraph(f"Every {part} could be used.")]
        rows = tuple((one.path, one.reason) for one in skipped[:_MOST_ROWS])
        left_out = f", the first {_MOST_ROWS} of them here" if len(skipped) > _MOST_ROWS else ""
        table = Table(f"Skipped {self._words.parts}", (part.capitalize(), "Why"), rows, sentences=(1,))
        return [Paragraph(f"{plural(len(skipped), part)} could not be used{left_out}."), table]


def _outputs(path: Path, dataset: Any) -> npt.NDArray[np.float32] | None:
    shape = dataset.num_examples("test"), dataset.num_classes
    return read_predictions(path, shape=shape, are_valid=are_probabilities)


def _most_confident(outputs: npt.NDArray[np.float32], dataset: Any) -> list[Wrong]:
    labels, names = dataset.test.labels, dataset.class_names
    predicted, confidence = outputs.argmax(axis=1), outputs.max(axis=1)
    places = np.flatnonzero(predicted != labels)
    places = places[np.argsort(-confidence[places], kind="stable")][:_MOST_WRONG]
    return [
        (int(place), names[labels[place]], names[predicted[place]], min(1.0, float(confidence[place])))
        for place in places
    ]
