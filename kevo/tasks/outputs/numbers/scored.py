"""How a saved model that predicts numbers did on data: in lines of a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator

from kevo.tasks.outputs.numbers.evaluation import NumberEvaluation
from kevo.tasks.outputs.numbers.figures import scatter
from kevo.tasks.outputs.scored import ScoredExamples
from kevo.tasks.pages import Scatter


class ScoredNumbers(ScoredExamples[NumberEvaluation]):
    """How predicted numbers did on examples."""

    __slots__ = ()

    @property
    def drawing(self) -> Scatter:
        """True and predicted numbers."""
        return scatter(self.scores, examples=self.examples)

    def details(self) -> Iterator[str]:
        """Yields the scores as lines of a terminal."""
        scores = self.scores
        low, high = scores.r2_interval
        yield f"R2                   {scores.r2:.4f}  (95 % interval {low:.4f} to {high:.4f})"
        low, high = scores.mae_interval
        yield f"mean absolute error  {scores.mae:.5g}  (95 % interval {low:.5g} to {high:.5g})"
        yield f"root mean sq. error  {scores.rmse:.5g}"
        yield f"median error         {scores.median_error:.5g}"
        yield f"nine of ten within   {scores.within:.5g}"
        yield f"always the median    {scores.mean_mae:.5g}  (its mean absolute error)"
