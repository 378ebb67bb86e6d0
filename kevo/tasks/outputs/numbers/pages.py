"""The pages of a model that predicts numbers: errors, their spread, the worst of them."""

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
from kevo.tasks.outputs.numbers import evaluation
from kevo.tasks.outputs.numbers.evaluation import NumberEvaluation
from kevo.tasks.outputs.numbers.figures import scatter
from kevo.tasks.outputs.numbers.objectives import OBJECTIVES
from kevo.tasks.outputs.numbers.output import REGRESSION
from kevo.tasks.outputs.pages import AnswerPages
from kevo.tasks.outputs.words import Shown, Words, like_the_mean
from kevo.tasks.pages import Block, Known, Paragraph, Section, Table

_MOST_WRONG = 10


class NumberPages(AnswerPages):
    """Pages of a task with a number as its answer.

    Args:
        words: What its examples are called, and their part of the pages.
    """

    wrong_title = "Largest errors"
    reference_head = ("R2", "mean absolute error")

    def __init__(self, words: Words) -> None:
        super().__init__(words, asks=REGRESSION, objectives=OBJECTIVES, parse_scores=evaluation.parse)

    def headline(self, test: NumberEvaluation) -> tuple[str, str]:
        """Returns the test R2, its interval, and the mean absolute error."""
        low, high = test.r2_interval
        return (
            f"R2 {test.r2:.3f}",
            f" on the test split. On {self._many} like these it lies between {low:.3f} and {high:.3f} (95% "
            f"confidence), by its {test.num_examples:,} {self._many}. The mean absolute error is {test.mae:.4g}; "
            f"always to answer with the median has {test.mean_mae:.4g}. {self.chance_note(test)}".rstrip(),
        )

    def chance_note(self, test: NumberEvaluation) -> str:
        """Says so where the mean may be as good."""
        return like_the_mean(test.r2, test.r2_interval) if test.is_chance else ""

    def in_brief(self, scores: NumberEvaluation) -> str:
        """Returns R2."""
        return f"R2 {scores.r2:.4f}"

    def details(self, test: NumberEvaluation, validation: NumberEvaluation) -> Sequence[tuple[str, str]]:
        """Returns errors in the target's unit."""
        low, high = test.mae_interval
        return [
            ("Mean absolute error", f"{test.mae:.4g} ({low:.4g} to {high:.4g})"),
            ("Root mean squared error", f"{test.rmse:.4g}"),
            ("Nine of ten errors within", f"{test.within:.4g}"),
            ("Validation R2", f"{validation.r2:.3f}"),
        ]

    def reference_scores(self, scores: NumberEvaluation) -> tuple[str, ...]:
        """R2 and the mean absolute error."""
        return f"{scores.r2:.4f}", f"{scores.mae:.4g}"

    def ranked_score(self, scores: NumberEvaluation) -> tuple[float, float, float]:
        """Returns R2 and its interval."""
        return scores.r2, *scores.r2_interval

    def is_right(self, path: Path, dataset: Any, test: NumberEvaluation) -> None:
        """Returns nothing: a number is never just right or wrong."""

    def measured(self, known: Known) -> Sequence[Section]:
        """Predicted against true numbers, and all scores."""
        return [Section("predicted", "Predicted and true numbers", tuple(self._predicted(known)))]

    def worst(self, dataset: Any, outputs: npt.NDArray[np.float32]) -> Sequence[Shown]:
        """The largest errors."""
        true, predicted = dataset.test.labels, outputs[:, 0]
        places = np.argsort(-abs(predicted - true), kind="stable")[:_MOST_WRONG]
        return [
            (
                int(place),
                f"{true[place]:.4g}, predicted as {predicted[place]:.4g}",
                f"{true[place]:.4g} predicted as {predicted[place]:.4g}",
            )
            for place in places
        ]

    def balance(self, known: Known) -> Section:
        """The spread of the numbers in each split."""
        key, title = "balance", "Numbers by split"
        if known.dataset is None:
            return Section(key, title, (Paragraph(known.reason),))
        head = ("Split", self._many.capitalize(), "Lowest", "Median", "Mean", "Highest", "Standard deviation")
        made = known.dataset.made_splits
        text = f"The {' and '.join(made)} split was taken out of train." if made else "The source gave all splits."
        table = Table("Numbers by split", head, tuple(map(tuple, _spread(known.dataset))), numbers=tuple(range(1, 7)))
        return Section(key, title, (Paragraph(text), table))

    def text(self, dataset: Any, outcome: Any) -> CardText:
        """The part of the model card."""
        words, test, ensemble = self._words, outcome.test, outcome.ensemble and outcome.ensemble.test
        target = code(dataset.output.name)
        head = ["split", words.many, "lowest", "median", "mean", "highest", "standard deviation"]
        return CardText(
            title=f"with the number {target}",
            claim=f"R2 {test.r2:.3f}, mean absolute error {test.mae:.4g}",
            interval=_interval(test),
            warning="always to answer with the mean has R2 0." if test.is_chance else "",
            ensemble=f"R2 {ensemble.r2:.3f} ({_interval(ensemble)})" if ensemble else "",
            use=[
                f"To predict {target} of {words.many} like those it was measured on. It always answers with a number, "
                f"{words.scope}."
            ],
            factors="Results are not told apart by anything.",
            metrics="R2 is the part of the target's variance that the model explains: 1 for no error, 0 for always "
            "answering with the mean. Errors are in the target's unit. Intervals are percentiles of a bootstrap (Efron "
            f"1979, doi:10.1214/aos/1176344552): they know of chance in the choice of the {words.many}, and of "
            "nothing else.",
            alike="the low and the high numbers",
            counts=markdown_table(head, _spread(dataset)),
            analyses=[
                markdown_table(
                    ["", "test", judged(outcome)], [[name, *cells] for name, cells in _rows(test, outcome.validation)]
                )
            ],
            caveats=[
                f"The model has seen numbers from {dataset.train.labels.min():g} to {dataset.train.labels.max():g} "
                "only: beyond them it has learned nothing.",
                "It does not say how sure it is of a single number.",
            ],
        )

    def _predicted(self, known: Known) -> list[Block]:
        if known.test is None:
            return [self.not_yet()]
        rows = tuple((name, *cells) for name, cells in _rows(known.test, known.validation))
        table = Table("Scores", ("Score", "Test", "Validation"), rows, numbers=(1, 2))
        repeats = [] if known.dataset is None else self._words.repeats(known.dataset)
        return [*map(Paragraph, repeats), scatter(known.test, examples=self._many), table]


def _rows(test: NumberEvaluation, validation: NumberEvaluation) -> list[tuple[str, list[str]]]:
    both = (test, validation)
    return [
        ("R2", [f"{one.r2:.4f}" for one in both]),
        ("95 % interval", [" to ".join(f"{end:.4f}" for end in one.r2_interval) for one in both]),
        ("mean absolute error", [f"{one.mae:.5g}" for one in both]),
        ("95 % interval of it", [" to ".join(f"{end:.5g}" for end in one.mae_interval) for one in both]),
        ("root mean squared error", [f"{one.rmse:.5g}" for one in both]),
        ("median error", [f"{one.median_error:.5g}" for one in both]),
        ("nine of ten errors within", [f"{one.within:.5g}" for one in both]),
        ("mean absolute error of always the median", [f"{one.mean_mae:.5g}" for one in both]),
    ]


def _spread(dataset: Any) -> list[list[str]]:
    rows = []
    for split in splits_of(dataset):
        labels = getattr(dataset, split).labels.astype(np.float64)
        numbers = (labels.min(), np.median(labels), labels.mean(), labels.max(), labels.std())
        rows.append([split, str(len(labels)), *(f"{number:.5g}" for number in numbers)])
    return rows


def _interval(test: NumberEvaluation) -> str:
    low, high = test.r2_interval
    return f"95 % interval {low:.3f} to {high:.3f}"
