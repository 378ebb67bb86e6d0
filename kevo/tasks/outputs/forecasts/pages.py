"""The pages of a model that forecasts: forecast and true values, errors by step ahead, values in each split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.runs import layout
from kevo.system.markdown import code
from kevo.system.markdown import table as markdown_table
from kevo.system.text import plural
from kevo.tasks.outputs.card import CardText, judged
from kevo.tasks.outputs.forecasts import evaluation
from kevo.tasks.outputs.forecasts.evaluation import ForecastEvaluation
from kevo.tasks.outputs.forecasts.figures import lines
from kevo.tasks.outputs.forecasts.objectives import OBJECTIVES
from kevo.tasks.outputs.forecasts.output import SERIES, Forecasts
from kevo.tasks.outputs.pages import AnswerPages, outputs_of_test
from kevo.tasks.outputs.words import Words, like_the_mean
from kevo.tasks.pages import Block, Known, Paragraph, Section, Table

_MOST_STEPS = 48
"""So many steps ahead have a row of their own in a table."""
_SPLITS = ("train", "validation", "test")


class ForecastPages(AnswerPages):
    """Pages of a task with the next values of a series as its answer.

    Args:
        words: What its examples are called, and their part of the pages.
    """

    wrong_title = "Largest errors"
    reference_head = ("MASE", "mean absolute error")

    def __init__(self, words: Words) -> None:
        super().__init__(words, asks=SERIES, objectives=OBJECTIVES, parse_scores=evaluation.parse)

    def headline(self, test: ForecastEvaluation) -> tuple[str, str]:
        """Returns the test MASE, its interval, and the mean absolute error."""
        low, high = test.mase_interval
        return (
            f"MASE {test.mase:.3f}",
            f" on the test split: the mean absolute error of its forecasts is {test.mae:.4g}, over that of the last "
            "value, or the seasonal last value, in the training part. By blocks of its "
            f"{plural(test.num_examples, 'window')} it lies between {low:.3f} and {high:.3f} (95% confidence), for "
            f"times that are like these. {self.chance_note(test)}".rstrip(),
        )

    def chance_note(self, test: ForecastEvaluation) -> str:
        """Says so where the mean may be as good."""
        return like_the_mean(test.r2, test.r2_interval) if test.is_chance else ""

    def in_brief(self, scores: ForecastEvaluation) -> str:
        """Returns MASE."""
        return f"MASE {scores.mase:.4f}"

    def details(self, test: ForecastEvaluation, validation: ForecastEvaluation) -> Sequence[tuple[str, str]]:
        """Returns errors in the unit of the series."""
        low, high = test.mae_interval
        return [
            ("Mean absolute error", f"{test.mae:.4g} ({low:.4g} to {high:.4g})"),
            ("Root mean squared error", f"{test.rmse:.4g}"),
            ("R2", f"{test.r2:.3f}"),
            ("Validation MASE", f"{validation.mase:.3f}"),
        ]

    def reference_scores(self, scores: ForecastEvaluation) -> tuple[str, ...]:
        """MASE and the mean absolute error."""
        return f"{scores.mase:.4f}", f"{scores.mae:.4g}"

    def ranked_score(self, scores: ForecastEvaluation) -> tuple[float, float, float]:
        """Returns MASE and its interval."""
        return scores.mase, *scores.mase_interval

    def is_right(self, path: Path, dataset: Any, test: ForecastEvaluation) -> None:
        """Returns nothing: a forecast is never just right or wrong."""

    def measured(self, known: Known) -> Sequence[Section]:
        """Forecast and true values, and all scores."""
        return [Section("forecast", "Forecast and true values", tuple(self._forecast(known)))]

    def worst(self, dataset: Any, outputs: npt.NDArray[np.float32]) -> str:
        """Nothing: the figure shows where a forecast was off."""
        return ""

    def balance(self, known: Known) -> Section:
        """The times and the spread of the values in each split."""
        key, title = "balance", "Values by split"
        if known.dataset is None:
            return Section(key, title, (Paragraph(known.reason),))
        text = (
            "The series was divided by time. A window may look back into the split before; what follows it never lies "
            "in two."
        )
        head = ("Split", "Windows", "From", "To", "Lowest", "Mean", "Highest", "Standard deviation")
        table = Table(title, head, tuple(map(tuple, _spread(known.dataset))), numbers=(1, 4, 5, 6, 7))
        return Section(key, title, (Paragraph(text), table))

    def text(self, dataset: Any, outcome: Any) -> CardText:
        """The part of the model card."""
        words, test, ensemble = self._words, outcome.test, outcome.ensemble and outcome.ensemble.test
        output: Forecasts = dataset.output
        target = code(output.name)
        before = "the last value" if output.season == 1 else f"the value {output.season} steps before"
        head = ["split", words.many, "from", "to", "lowest", "mean", "highest", "standard deviation"]
        return CardText(
            title=f"with {output.returns} of {target}",
            claim=f"MASE {test.mase:.3f}, mean absolute error {test.mae:.4g}",
            interval=_interval(test),
            warning="always to answer with the mean has R2 0." if test.is_chance else "",
            ensemble=f"MASE {ensemble.mase:.3f} ({_interval(ensemble)})" if ensemble else "",
            use=[
                f"To forecast {output.returns} of {target} from the {dataset.window} steps of {dataset.clock.words} "
                f"before. It always answers with numbers, {words.scope}."
            ],
            factors="Results are told apart by how many steps ahead only.",
            metrics="MASE is the mean absolute error over all steps ahead, divided by that of "
            f"{before} in the training part (Hyndman and Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001). R2 is "
            "the part of the variance that the model explains. Errors are in the unit of the series. Intervals are "
            "percentiles of a bootstrap by blocks of windows in a row (Politis and Romano 1992): they know of chance "
            "in times like these, and of nothing that changes later.",
            alike="each time",
            counts=markdown_table(head, _spread(dataset)),
            analyses=[
                markdown_table(
                    ["", "test", judged(outcome)], [[name, *cells] for name, cells in _rows(test, outcome.validation)]
                )
            ],
            caveats=[
                f"The model has learned from {' to '.join(dataset.span('train'))}: what changed since it cannot know.",
                "It does not say how sure it is of a single value.",
                "The test split is the end of the series, once: another stretch of time may be easier or harder.",
            ],
        )

    def _forecast(self, known: Known) -> list[Block]:
        if known.test is None:
            return [self.not_yet()]
        test: ForecastEvaluation = known.test
        rows = tuple((name, *cells) for name, cells in _rows(test, known.validation))
        blocks: list[Block] = [lines(test), Table("Scores", ("Score", "Test", "Validation"), rows, numbers=(1, 2))]
        if len(test.by_step) > 1:
            steps = tuple(
                (f"+{step}", f"{error:.5g}") for step, error in enumerate(test.by_step[:_MOST_STEPS], start=1)
            )
            blocks.append(Table("Errors by step ahead", ("Steps ahead", "Mean absolute error"), steps, numbers=(1,)))
        if known.dataset is not None and (last := self._last(known)) is not None:
            blocks.append(last)
        return blocks

    def _last(self, known: Known) -> Table | None:
        """The forecasts from the last window, with their times."""
        dataset = known.dataset
        path = known.run_folder / layout.TEST_PREDICTIONS
        outputs = outputs_of_test(path, dataset, shape=self.outputs_shape(dataset))
        if outputs is None:
            return None
        first = int(dataset.test.firsts[-1])
        pairs = zip(dataset.test.labels[-1].tolist(), outputs[-1].tolist(), strict=True)
        rows = tuple(
            (dataset.clock.text(first + step), f"{true:.5g}", f"{forecast:.5g}", f"{forecast - true:+.4g}")
            for step, (true, forecast) in enumerate(pairs)
        )
        head = ("Time", "True", "Forecast", "Difference")
        return Table("Forecasts from the last window", head, rows[:_MOST_STEPS], numbers=(1, 2, 3))


def _rows(test: ForecastEvaluation, validation: ForecastEvaluation) -> list[tuple[str, list[str]]]:
    both = (test, validation)
    return [
        ("MASE", [f"{one.mase:.4f}" for one in both]),
        ("95 % interval", [" to ".join(f"{end:.4f}" for end in one.mase_interval) for one in both]),
        ("mean absolute error", [f"{one.mae:.5g}" for one in both]),
        ("95 % interval of it", [" to ".join(f"{end:.5g}" for end in one.mae_interval) for one in both]),
        ("root mean squared error", [f"{one.rmse:.5g}" for one in both]),
        ("R2", [f"{one.r2:.4f}" for one in both]),
        ("MASE of always the median", [f"{one.mean_mase:.4f}" for one in both]),
    ]


def _spread(dataset: Any) -> list[list[str]]:
    rows = []
    for split in _SPLITS:
        labels = dataset.labels(split).astype(np.float64)
        numbers = (labels.min(), labels.mean(), labels.max(), labels.std())
        rows.append([split, str(len(labels)), *dataset.span(split), *(f"{number:.5g}" for number in numbers)])
    return rows


def _interval(test: ForecastEvaluation) -> str:
    low, high = test.mase_interval
    return f"95 % interval {low:.3f} to {high:.3f}"
