"""Labels and how well they are found, as a figure of a page."""

from __future__ import annotations

from kevo.tasks.outputs.labels.evaluation import LabelEvaluation
from kevo.tasks.pages import Bars

_MOST_LABELS = 40


def bars(test: LabelEvaluation, *, examples: str) -> Bars:
    """Returns the average precision of each label, the best first.

    Args:
        test: Scores on the test split.
        examples: What the examples are called, in the plural.
    """
    found = sorted(test.by_label.items(), key=lambda one: -one[1])
    few = f" Of {len(found)} labels, the {_MOST_LABELS} best are shown." if len(found) > _MOST_LABELS else ""
    return Bars(
        name="labels",
        title="Labels",
        caption=f"The average precision of each label on {test.num_examples} test {examples}.{few}",
        label="Average precision",
        values=tuple(found[:_MOST_LABELS]),
    )
