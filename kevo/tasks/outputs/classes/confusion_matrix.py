"""The confusion matrix as a figure of a page."""

from __future__ import annotations

from kevo.tasks.outputs.classes.evaluation import Evaluation
from kevo.tasks.pages import CountMatrix


def confusion_matrix(test: Evaluation, *, examples: str) -> CountMatrix:
    """Returns how many examples of each class were taken for which.

    Args:
        test: Scores on the test split.
        examples: What the examples are called, in the plural.
    """
    return CountMatrix(
        name="confusion",
        title="Confusion matrix",
        caption=f"Of {test.num_examples} test {examples}, how many of each class were taken for which.",
        counts=tuple(tuple(row) for row in test.confusion),
        names=tuple(test.support),
    )
