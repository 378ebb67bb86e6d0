"""The pages of a model that predicts masks: Dice by picture and class, the worst of them, and the classes' shares."""

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
from kevo.tasks.outputs.masks import evaluation
from kevo.tasks.outputs.masks.evaluation import MaskEvaluation, count, dice_and_iou
from kevo.tasks.outputs.masks.figures import bars
from kevo.tasks.outputs.masks.objectives import OBJECTIVES
from kevo.tasks.outputs.masks.output import SEGMENTATION
from kevo.tasks.outputs.pages import AnswerPages
from kevo.tasks.outputs.words import Shown, Words
from kevo.tasks.pages import Block, Known, Paragraph, Section, Table

_NUM_WORST, _NUM_BEST = 4, 2


class MaskPages(AnswerPages):
    """Pages of a task with a mask as its answer.

    Args:
        words: What its examples are called, and their part of the pages.
    """

    wrong_title = "Masks"
    reference_head = ("Dice", "IoU")

    def __init__(self, words: Words) -> None:
        super().__init__(words, asks=SEGMENTATION, objectives=OBJECTIVES, parse_scores=evaluation.parse)

    def headline(self, test: MaskEvaluation) -> tuple[str, str]:
        """Returns the test Dice, its interval, and what all background has."""
        low, high = test.interval
        return (
            f"Dice {test.dice:.3f}",
            f" on the test split, the mean over {self._many}; IoU {test.iou:.3f}. On {self._many} like these it lies "
            f"between {low:.3f} and {high:.3f} (95% confidence), by its {test.num_examples:,} {self._many}; all "
            f"background has {test.background_dice:.3f}. {self.chance_note(test)}".rstrip(),
        )

    def chance_note(self, test: MaskEvaluation) -> str:
        """Says so where masks that are all background may be as good."""
        if not test.is_chance:
            return ""
        return (
            f"The model may be no better than a guess: masks that are all background have a Dice of "
            f"{test.background_dice:.3f}, and its own is {test.dice:.3f}."
        )

    def in_brief(self, scores: MaskEvaluation) -> str:
        """Returns Dice."""
        return f"Dice {scores.dice:.4f}"

    def details(self, test: MaskEvaluation, validation: MaskEvaluation) -> Sequence[tuple[str, str]]:
        """Returns intersection over union, and shares of pixels."""
        return [
            ("IoU", f"{test.iou:.3f}"),
            ("Dice of all pixels together", f"{test.pooled_dice:.3f}"),
            ("Pixels that are right", f"{test.pixel_accuracy:.1%}"),
            ("Pixels that are no background", f"{test.foreground:.1%}"),
            ("Validation Dice", f"{validation.dice:.3f}"),
        ]

    def reference_scores(self, scores: MaskEvaluation) -> tuple[str, ...]:
        """Dice and intersection over union."""
        return f"{scores.dice:.4f}", f"{scores.iou:.4f}"

    def ranked_score(self, scores: MaskEvaluation) -> tuple[float, float, float]:
        """Returns Dice and its interval."""
        return scores.dice, *scores.interval

    def outputs_shape(self, dataset: Any) -> tuple[int, ...]:
        """Test pictures, their pixels, and outputs."""
        return *dataset.labels("test").shape[:3], dataset.output.size

    def is_right(self, path: Path, dataset: Any, test: MaskEvaluation) -> None:
        """Returns nothing: a mask is never just right or wrong."""

    def measured(self, known: Known) -> Sequence[Section]:
        """Dice by picture and by class."""
        return [Section("dice", "Dice", tuple(self._scores(known)))]

    def worst(self, dataset: Any, outputs: npt.NDArray[np.float32]) -> Sequence[Shown]:
        """The pictures with the lowest Dice, that in the middle, and the best."""
        dice, iou = dice_and_iou(count(outputs, dataset.test.labels))
        order = np.argsort(dice, kind="stable").tolist()
        chosen = list(dict.fromkeys([*order[:_NUM_WORST], order[len(order) // 2], *order[-_NUM_BEST:]]))
        return [(place, f"Dice {dice[place]:.3f}, IoU {iou[place]:.3f}", f"Dice {dice[place]:.3f}") for place in chosen]

    def balance(self, known: Known) -> Section:
        """The share of each class in each split."""
        key, title = "balance", "Classes by split"
        if known.dataset is None:
            return Section(key, title, (Paragraph(known.reason),))
        made = known.dataset.made_splits
        text = f"The {' and '.join(made)} split was taken out of train." if made else "The source gave all splits."
        head = ("Class", *(f"{split}, share of pixels" for split in splits_of(known.dataset)))
        rows = tuple(map(tuple, _shares(known.dataset)))
        return Section(key, title, (Paragraph(text), Table(title, head, rows, numbers=tuple(range(1, len(head))))))

    def text(self, dataset: Any, outcome: Any) -> CardText:
        """The part of the model card."""
        words, test, ensemble = self._words, outcome.test, outcome.ensemble and outcome.ensemble.test
        names = ", ".join(map(code, dataset.output.classes))
        both = (test, outcome.validation)
        return CardText(
            title=f"with {dataset.output.summary()}",
            claim=f"Dice {test.dice:.3f}, IoU {test.iou:.3f}",
            interval=_interval(test),
            warning=f"masks that are all background have a Dice of {test.background_dice:.3f}."
            if test.is_chance
            else "",
            ensemble=f"Dice {ensemble.dice:.3f} ({_interval(ensemble)})" if ensemble else "",
            use=[
                f"To tell the class of each pixel of {words.many} like those it was measured on. It always answers, "
                f"{words.scope}.",
                f"The classes beside the background: {names}.",
            ],
            factors="Results are told apart by class and by picture only.",
            metrics="Dice of a class is twice the pixels that the predicted and the true mask share, over the pixels "
            "of both; IoU is the shared ones over those that either has. Those of a picture are the mean over the "
            "classes that one of its masks has, 1 where there is none; scores are the mean over pictures. Intervals "
            f"are percentiles of a bootstrap over {words.many} (Efron 1979, doi:10.1214/aos/1176344552): they know of "
            f"chance in the choice of the {words.many}, and of nothing else.",
            alike=f"{words.many} with and without a class",
            counts=markdown_table(
                ["class", *(f"{split}, share of pixels" for split in splits_of(dataset))],
                [[code(row[0]), *row[1:]] for row in _shares(dataset)],
            ),
            analyses=[
                markdown_table(["", "test", judged(outcome)], [[name, *cells] for name, cells in _rows(both)]),
                f"By class, on the test {words.many}:\n\n"
                + markdown_table(["class", "share of pixels", "Dice"], [[code(one[0]), *one[1:]] for one in _of(test)]),
            ],
            caveats=[
                f"It was measured at {dataset.image_size} x {dataset.image_size} px, the size at which all "
                f"{words.many} were kept: finer edges than that are drawn smoothly.",
                "Its probabilities are not calibrated.",
            ],
        )

    def _scores(self, known: Known) -> list[Block]:
        if known.test is None:
            return [self.not_yet()]
        repeats = [] if known.dataset is None else self._words.repeats(known.dataset)
        rows = tuple((name, *cells) for name, cells in _rows((known.test, known.validation)))
        return [
            *map(Paragraph, repeats),
            bars(known.test, examples=self._many),
            Table("Scores", ("Score", "Test", "Validation"), rows, numbers=(1, 2)),
            Table("Scores by class", ("Class", "Share of pixels", "Dice"), _of(known.test), numbers=(1, 2)),
        ]


def _rows(both: Sequence[MaskEvaluation]) -> list[tuple[str, list[str]]]:
    return [
        ("pictures", [str(one.num_examples) for one in both]),
        ("Dice", [f"{one.dice:.4f}" for one in both]),
        ("95 % interval", [" to ".join(f"{end:.4f}" for end in one.interval) for one in both]),
        ("IoU", [f"{one.iou:.4f}" for one in both]),
        ("Dice of all pixels together", [f"{one.pooled_dice:.4f}" for one in both]),
        ("Dice of all background", [f"{one.background_dice:.4f}" for one in both]),
        ("pixels that are right", [f"{one.pixel_accuracy:.2%}" for one in both]),
    ]


def _of(test: MaskEvaluation) -> tuple[tuple[str, ...], ...]:
    return tuple((name, f"{test.shares[name]:.2%}", f"{dice:.4f}") for name, dice in test.by_class.items())


def _shares(dataset: Any) -> list[list[str]]:
    names = ("background", *dataset.output.classes)
    counts = [
        np.bincount(dataset.labels(split).reshape(-1), minlength=len(names)) / max(1, dataset.labels(split).size)
        for split in splits_of(dataset)
    ]
    return [[name, *(f"{one[place]:.2%}" for one in counts)] for place, name in enumerate(names)]


def _interval(test: MaskEvaluation) -> str:
    low, high = test.interval
    return f"95 % interval {low:.3f} to {high:.3f}"
