"""True against predicted numbers as a figure of a page."""

from __future__ import annotations

from kevo.tasks.outputs.numbers.evaluation import NumberEvaluation
from kevo.tasks.pages import Scatter


def scatter(test: NumberEvaluation, *, examples: str) -> Scatter:
    """Returns the true and the predicted number of each example, or of some of many.

    Args:
        test: Scores on the test split.
        examples: What the examples are called, in the plural.
    """
    few = f"{len(test.points)} of the {test.num_examples}" if len(test.points) < test.num_examples else "the"
    return Scatter(
        name="predicted",
        title="Predicted and true numbers",
        caption=f"The true and the predicted number of {few} test {examples}: on the line they are the same.",
        x_label="True",
        y_label="Predicted",
        points=test.points,
    )
