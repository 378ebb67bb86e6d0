"""How a saved model that predicts masks did on data: in lines of a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator

from kevo.tasks.outputs.masks.evaluation import MaskEvaluation
from kevo.tasks.outputs.masks.figures import bars
from kevo.tasks.outputs.scored import ScoredExamples
from kevo.tasks.pages import Bars


class ScoredMasks(ScoredExamples[MaskEvaluation]):
    """How predicted masks did on pictures."""

    __slots__ = ()

    @property
    def drawing(self) -> Bars:
        """The Dice of each picture."""
        return bars(self.scores, examples=self.examples)

    def details(self) -> Iterator[str]:
        """Yields the scores as lines of a terminal."""
        scores = self.scores
        low, high = scores.interval
        yield f"Dice                {scores.dice:.4f}  (95 % interval {low:.4f} to {high:.4f}, over {self.examples})"
        yield f"IoU                 {scores.iou:.4f}"
        yield f"Dice of all pixels  {scores.pooled_dice:.4f}"
        yield f"pixel accuracy      {scores.pixel_accuracy:.4f}"
        yield f"all background      {scores.background_dice:.4f}  (its Dice)"
        yield ""
        width = max(map(len, ("class", *scores.names)))
        yield f"{'class':<{width}}  share of pixels    Dice"
        for name, dice in scores.by_class.items():
            yield f"{name:<{width}}  {scores.shares[name]:>15.2%}  {dice:.4f}"
