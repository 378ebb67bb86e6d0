"""The Dice of pictures as a figure of a page."""

from __future__ import annotations

from kevo.tasks.outputs.masks.evaluation import MaskEvaluation
from kevo.tasks.pages import Bars

_MOST = 40


def bars(test: MaskEvaluation, *, examples: str) -> Bars:
    """Returns the Dice of each picture, the best first; of many, those at equal distances.

    Args:
        test: Scores on the test split.
        examples: What the examples are called, in the plural.
    """
    order = sorted(range(test.num_examples), key=lambda place: -test.by_picture[place])
    step = max(1, -(-len(order) // _MOST))
    few = f" Of {len(order)}, every {step}th is shown." if step > 1 else ""
    return Bars(
        name="dice",
        title="Dice by picture",
        caption=f"The Dice of the masks of {test.num_examples} test {examples}, the best first.{few}",
        label="Dice",
        values=tuple((f"picture {place}", test.by_picture[place]) for place in order[::step]),
    )
